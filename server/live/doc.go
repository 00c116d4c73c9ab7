// Package live keeps what is served at what a source holds. [Reloader] reads a
// [Source] when that may have changed, and has a [policy.Store] serve each good
// set; a load that fails changes nothing.
package live
