package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Level says how bad a Problem is.
type Level uint8

// The levels of a Problem.
const (
	Error   Level = iota // the specs are refused
	Warning              // they are accepted, and likely not what is meant
	Note                 // they are accepted, and there is something to know
)

var levelWords = [...]string{Error: "error", Warning: "warning", Note: "note"}

// String returns "error", "warning" or "note".
func (l Level) String() string { return levelWords[l] }

// MarshalText returns the level's word, for JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's word.
func (l *Level) UnmarshalText(text []byte) error {
	i := slices.Index(levelWords[:], string(text))
	if i < 0 {
		return fmt.Errorf("no level %q: %s", text, oneOf(levelWords[:]))
	}
	*l = Level(i)
	return nil
}

// Problem is one mistake in a Spec, or something in it that is worth a look.
type Problem struct {
	Level Level
	// Code is the rule's stable name, such as "origin-trailing-slash".
	Code string
	// Spec is the index of the spec, and Field the place in it with the policy
	// file's names: "cors.allowOrigins[3]". An empty Field is the whole spec.
	Spec  int
	Field string
	// Value is the offending text, Reason says what is wrong with it, and Hint
	// what to write instead; Hint may be empty.
	Value, Reason, Hint string
}

// String returns the problem on one line, without its place.
func (p Problem) String() string {
	s := p.Reason
	if p.Value != "" {
		s = fmt.Sprintf("%q: %s", clip(p.Value), p.Reason)
	}
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems is an error that carries every mistake of a set of specs.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, 0, len(ps))
	for _, p := range ps {
		lines = append(lines, fmt.Sprintf("%s [%s] %s: %s", p.Level, p.Code, p.Field, p))
	}
	return strings.Join(lines, "\n")
}

// HasErrors reports whether any of ps is an error.
func (ps Problems) HasErrors() bool {
	for _, p := range ps {
		if p.Level == Error {
			return true
		}
	}
	return false
}

// clip bounds a value that a message quotes.
func clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
