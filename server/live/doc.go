// Package live serves the policies that a source has now. [Reloader] reads a [Source]
// when that may have changed, and gives each good set to all [Sink]s at once. A load
// that fails changes nothing.
package live
