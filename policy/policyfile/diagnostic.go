package policyfile

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/internal/few"
)

// Diagnostic is one mistake in the policy files, or something in them that is
// worth a look, with its place.
type Diagnostic struct {
	// File is the place that Load was given, joined with the file's name, as
	// printable.Name shows it.
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
	// Policies are in the order of the files, and of the policies in each file. They are nil
	// if a diagnostic is an error.
	Policies *policy.Valid
	// Diagnostics are sorted by file, line and column. Those of good policies are
	// warnings and notes.
	Diagnostics []Diagnostic
	sources     []*where // of Policies
}

// Locate returns the place and the path in the file of a field of a policy, which
// has the index spec in Policies; an empty field is the whole policy. A field that
// is not written has the place of the next one above it.
func (r Result) Locate(spec int, field string) Diagnostic {
	if list, _ := cutIndex(field); list == originsField {
		field = list // the places of its entries are not kept
	}
	at, path := r.sources[spec].locate(field)
	return Diagnostic{File: at.file, Line: int(at.at.line), Column: int(at.at.col), Field: path}
}

// HasErrors reports whether any diagnostic is an error.
func (r Result) HasErrors() bool {
	return slices.ContainsFunc(r.Diagnostics, isError)
}

// FirstError returns the first diagnostic that is an error. It is zero if there is none.
func (r Result) FirstError() (d Diagnostic) {
	if i := slices.IndexFunc(r.Diagnostics, isError); i >= 0 {
		d = r.Diagnostics[i]
	}
	return d
}

func isError(d Diagnostic) bool { return d.Level == policy.Error }

// findings are the findings of a load, each once. It keeps few of them, errors first, and
// only a hash of the others.
type findings struct {
	few  *few.List[Diagnostic]
	seed maphash.Seed
	seen map[uint64]struct{} // hashes of findings and of spots
	more bool                // there are more than what was counted
}

func newFindings(limit int) *findings {
	return &findings{few: few.New(limit, byLevel), seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

func byLevel(a, b Diagnostic) int { return cmp.Or(cmp.Compare(a.Level, b.Level), byPlace(a, b)) }

// add adds d, unless d or another finding of the kind same was added before. If an alias uses
// a list twice, the mistakes of the list are reported once, whatever their fields.
func (f *findings) add(d, same Diagnostic) {
	same.Field, same.Hint = "", ""
	if f.enter(same) {
		return
	}
	if f.few.Wants(d) {
		d.Field, d.Value, d.Reason, d.Hint = clip(d.Field), clip(d.Value), clipTo(d.Reason, maxText), clipTo(d.Hint, maxText)
	}
	f.few.Add(d)
}

// enter notes v, and reports whether v was noted before.
func (f *findings) enter(v any) (known bool) {
	hash := maphash.Comparable(f.seed, v)
	_, known = f.seen[hash]
	f.seen[hash] = struct{}{}
	return known
}

// breaks notes a spot that could not be read. To judge it would report it twice.
func (f *findings) breaks(at spot) { f.enter(at) }

func (f *findings) isBroken(at spot) bool {
	_, broken := f.seen[maphash.Comparable(f.seed, any(at))]
	return broken
}

func (f *findings) any() bool { return len(f.seen) > 0 }

// wants reports whether an error at that spot would be kept.
func (f *findings) wants(at spot) bool {
	return f.few.Wants(Diagnostic{File: at.file, Line: int(at.at.line), Column: int(at.at.col)})
}

// arranged returns what is kept, sorted by place, and then how many more there
// are.
func (f *findings) arranged() []Diagnostic {
	kept, more, next := f.few.First()
	if more == 0 {
		slices.SortStableFunc(kept, byPlace)
		return kept
	}
	last := kept[len(kept)-1]
	slices.SortStableFunc(kept, byPlace)
	count := fmt.Sprint(more)
	if f.more {
		count = "at least " + count
	}
	return append(slices.Clip(kept), Diagnostic{
		File: last.File, Line: last.Line, Column: last.Column, Level: next.Level, Code: "diagnostics-limit",
		Reason: count + " more are not shown", Hint: "mend these first",
	})
}

func byPlace(a, b Diagnostic) int {
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// maxValue bounds the text that a diagnostic quotes, and maxText what it says about the
// text, in bytes.
const (
	maxValue = 256
	maxText  = 4 * maxValue
)

func clip(s string) string { return clipTo(s, maxValue) }

// clipTo returns a copy of the beginning of s, which may be a part of a file.
func clipTo(s string, most int) string {
	if len(s) <= most {
		return strings.Clone(s)
	}
	return strings.Clone(strings.ToValidUTF8(s[:most], ""))
}
