package policyfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Diagnostic is one mistake in the policy files, or something in them that is
// worth a look, with its place.
type Diagnostic struct {
	// File is the place that Load was given, joined with the file's name.
	File string `json:"file"`
	// Line and Column count from 1; Column counts characters.
	Line   int          `json:"line"`
	Column int          `json:"column"`
	Level  policy.Level `json:"level"`
	// Code is the rule's stable name, such as "origin-trailing-slash".
	Code string `json:"code"`
	// Field is the path in the file: "policies[0].cors.allowOrigins[3]". It
	// may be empty.
	Field string `json:"field,omitempty"`
	// Value is the offending text, at most 256 bytes of it; it may be empty.
	Value string `json:"value,omitempty"`
	// Reason says what is wrong, and Hint what to write; Hint may be empty.
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

// String returns "FILE:LINE:COL: error|warning|note [CODE] message (hint)".
func (d Diagnostic) String() string {
	message := policy.Problem{Value: d.Value, Reason: d.Reason, Hint: d.Hint}
	return fmt.Sprintf("%s:%d:%d: %s [%s] %s", d.File, d.Line, d.Column, d.Level, d.Code, message)
}

// Result is what Load found.
type Result struct {
	// Specs are the policies, normalised, in the order of the files and of
	// what stands in them; nil when a diagnostic is an error.
	Specs []policy.Spec
	// Diagnostics are sorted by file, line and column.
	Diagnostics []Diagnostic
}

// HasErrors reports whether any diagnostic is an error.
func (r Result) HasErrors() bool {
	return slices.ContainsFunc(r.Diagnostics, isError)
}

func isError(d Diagnostic) bool { return d.Level == policy.Error }

// arrange sorts diagnostics, drops repeated ones, and keeps at most limit of
// them, errors first.
func arrange(ds []Diagnostic, limit int) []Diagnostic {
	slices.SortStableFunc(ds, byPlace)
	ds = slices.CompactFunc(ds, sameFinding)
	if len(ds) <= limit {
		return ds
	}
	slices.SortStableFunc(ds, func(a, b Diagnostic) int { return cmp.Compare(a.Level, b.Level) })
	first, rest := ds[:limit:limit], len(ds)-limit
	last := first[limit-1]
	slices.SortStableFunc(first, byPlace)
	return append(first, Diagnostic{
		File: last.File, Line: last.Line, Column: last.Column, Level: ds[limit].Level, Code: "diagnostics-limit",
		Reason: fmt.Sprintf("%d more are not shown", rest), Hint: "mend these first",
	})
}

func byPlace(a, b Diagnostic) int {
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// sameFinding reports whether two diagnostics differ in the field at most: a
// list that is used twice by an alias has its mistakes once.
func sameFinding(a, b Diagnostic) bool {
	a.Field = b.Field
	return a == b
}

// maxValue bounds the text that a diagnostic quotes, in bytes.
const maxValue = 256

func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	return strings.ToValidUTF8(s[:maxValue], "")
}
