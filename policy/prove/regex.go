// Package prove finds the patterns that a regex over origins stands for, and proves how
// they differ from it. It compares both as automata over serialised origins.
package prove

import (
	"fmt"
	"regexp"
	"strings"
)

// Mode says how much of an origin a regex has to match. Engines differ in it.
type Mode uint8

// The modes of a Regex.
const (
	Whole  Mode = iota // all of it: Envoy
	Prefix             // its beginning
	Search             // a part of it: nginx, Traefik
)

// Regex is a regular expression, and how its engine matches it. Its zero value matches
// only the empty text.
type Regex struct {
	Expr string // as RE2 reads it
	Mode Mode
	Fold bool // without case
}

// Compile returns what matches the whole texts that r allows.
func (r Regex) Compile() (*regexp.Regexp, error) {
	flags := "s"
	if r.Fold {
		flags = "is"
	}
	expr := r.Expr
	if strings.Contains(expr, "(?#") {
		return nil, fmt.Errorf("comments in a regex are not read: %q", expr)
	}
	switch r.Mode {
	case Prefix:
		return regexp.Compile("(?" + flags + `)\A(?:(?-s:` + expr + `)).*\z`)
	case Search:
		return regexp.Compile("(?" + flags + `)\A.*(?:(?-s:` + expr + `)).*\z`)
	default:
		return regexp.Compile("(?" + flags + `)\A(?:(?-s:` + expr + `))\z`)
	}
}

// Literal is the regex of one text.
func Literal(text string) Regex { return Regex{Expr: regexp.QuoteMeta(text)} }
