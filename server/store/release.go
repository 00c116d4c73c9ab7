package store

import (
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// Ref names a record: its revision, and the SHA-256 of its bytes. The zero Ref is of no
// release.
type Ref struct {
	Revision uint64 `json:"rev"`
	Hash     string `json:"hash"`
}

// Info is what a record says of its release.
type Info struct {
	live.Release
	// At is when it was pushed by the clock of who pushed it, By is who, and Message why.
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Message string    `json:"message,omitempty"`
	// Units counts the policies and groups of the release.
	Units int `json:"units"`
	// Added, Changed and Removed are the units that differ from those of the parent.
	Added   []Name `json:"added,omitempty"`
	Changed []Name `json:"changed,omitempty"`
	Removed []Name `json:"removed,omitempty"`
}

// Ref names the release's record.
func (i Info) Ref() Ref { return Ref{i.Revision, i.Hash} }

// Name names a unit: "policy" or "group", and its name.
type Name struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// String returns both with a space between them, such as "policy api".
func (n Name) String() string { return n.Kind + " " + n.Name }

// Release is a release with all that it says.
type Release struct {
	Info
	// Files are the files of its folder, sorted by name.
	Files []live.File
}
