// Package live keeps what is served at what a source holds. [Reloader] reads a
// [Source] when that may have changed, and gives each good set to all [Sink]s at
// once; a load that fails changes nothing.
package live
