// Package source has the words in which a reader of a system's configuration tells what
// that system does about CORS: its own semantics, with its own overlaps resolved. Package
// importer translates them into policies, and makes cases of them.
package source

import (
	"fmt"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// Place is where something stands in a file. Line and Column count from 1 and are 0 if
// they are not known.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String returns FILE:LINE:COL.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Text is a text with its place.
type Text struct {
	Place
	Text string
}

// File is one file of the input. Path is how the user names it.
type File struct {
	Path string
	Text []byte
	// Again says that the input has the same file by another name, too: it is a link.
	Again bool
	// Folder is the folder that the user named and that has the file. If it is empty, the user named
	// the file.
	Folder string
	// Outside is where a link leads that leaves its folder. It has no text then.
	Outside string
}

// Config is what a reader found in the input.
type Config struct {
	// Routes are those of all hosts. Of the routes that list the most specific host, Choose
	// takes one.
	Routes []Route
	// Choose returns which of the routes that match a path the system takes, as an index.
	// They are in the order of Routes, at least one. nil is Longest.
	Choose func(matching []Match) int
	// Findings are what the reader itself has to tell and what belongs to no route.
	Findings []Finding
}

// Route is what the system does with the requests of some hosts and paths.
type Route struct {
	// Name is what the configuration calls it: the base of the policy's name. It may be empty.
	Name string
	Place
	// Hosts are exact hosts or "*.example.com", as policy.Spec has them; empty: every host.
	Hosts []string
	// Paths are what the path has to match, one of them; empty: every path.
	Paths []Path
	// Conditions are what a request has to meet besides host and path: "header x-version".
	Conditions []Text
	// CORS is nil if the system adds nothing to these requests.
	CORS *CORS
	// Findings are what the reader itself has to tell of the route. Their Policy is filled in.
	Findings []Finding
}

// PathKind says how a Path is compared.
type PathKind uint8

// The kinds of a Path.
const (
	Segments   PathKind = iota // a prefix of whole segments: /api covers /api/x, not /apix
	StringPath                 // a prefix as text: /api covers /apix
	ExactPath                  // the whole path
	RegexPath                  // a regex
)

// Path is one condition on the path.
type Path struct {
	Text
	Kind PathKind
	// Search says that a regex only has to match a part of the path.
	Search bool
	// Fold says that it is compared without case.
	Fold bool
}

// CORS is what the system answers for one route.
type CORS struct {
	Origins []Origin
	// Methods, Headers and Expose are as the system sends them.
	Methods, Headers, Expose Names
	// Credentials says that the answer has Access-Control-Allow-Credentials: true.
	Credentials bool
	// MaxAge is nil if the system sends none.
	MaxAge *MaxAge
	// ForwardsUnmatched says that a preflight of an unknown origin goes to the upstream.
	ForwardsUnmatched bool
	// Denied says what happens to the requests of other origins; empty: they pass.
	Denied policy.DeniedRequests
	// KeepsUpstream says that the CORS headers of the upstream's own reach the page.
	KeepsUpstream bool
	// PrivateNetwork says that it answers Private Network Access preflights.
	PrivateNetwork bool
	// Mode is policy.ModeShadow or policy.ModeOff if the system only counts, or is switched
	// off; empty: it acts.
	Mode policy.Mode
}

// Any says that an origin entry stands for every origin, and how it is answered.
type Any uint8

// The values of Any.
const (
	NotAny Any = iota
	// Reflected: the answer names the origin, which browsers accept with credentials.
	Reflected
	// Star: the answer is "*", which browsers refuse with credentials (Fetch, CORS check).
	Star
)

// Origin is one entry of a list of origins.
type Origin struct {
	// Text is the entry as written.
	Text
	Any Any
	// Regex is what it matches, as the system's engine does, if it is not Any.
	Regex prove.Regex
	// Meant proposes what the author probably meant, if the entry matches nothing that a
	// browser sends, or something else: patterns as policies have them.
	Meant []string
}

// Names is a list of methods or header names.
type Names struct {
	Items []Text
	// Echo says that the system grants every name that a preflight asks for.
	Echo bool
	// Default says that the list is the system's own: the configuration does not write it.
	Default bool
	Place
}

// MaxAge is how long a browser may keep a preflight's answer.
type MaxAge struct {
	Place
	Seconds int
	// Default says that the configuration does not write it.
	Default bool
}
