package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
)

// Text returns the policies as a file, with the place of each one's source above it.
func (r Result) Text() []byte {
	comments := make([]string, len(r.places))
	for i, p := range r.places {
		comments[i] = printable.Text(p.String())
	}
	return policyfile.Format(r.Policies, comments...)
}

// Report returns the findings for people, one a line. What was kept as it was comes in one
// line for each policy, and what is the same for several policies comes once.
func (r Result) Report() string {
	var b strings.Builder
	for _, f := range r.folded() {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// line is a finding with all the policies that have it, and how many more are like it.
type line struct {
	source.Finding
	policies []string
	more     int
}

// String returns "FILE:LINE:COL: FIDELITY [POLICY] field "value": message (hint)".
func (l line) String() string {
	var b strings.Builder
	if at := l.Place.String(); at != "" {
		b.WriteString(printable.Name(at) + ": ")
	}
	b.WriteString(string(l.Fidelity))
	if len(l.policies) > 0 {
		b.WriteString(" [" + strings.Join(l.policies, ", ") + "]")
	}
	if l.Field != "" {
		b.WriteString(" " + l.Field)
	}
	if l.Value != "" {
		b.WriteString(" " + fmt.Sprintf("%q", clip(l.Value)))
	}
	if l.Message != "" {
		b.WriteString(": " + l.Message)
	}
	if l.more > 0 {
		b.WriteString("; so with " + printable.Counted(l.more, "path", "paths") + " more")
	}
	if l.Hint != "" {
		b.WriteString(" (" + l.Hint + ")")
	}
	return printable.Text(b.String())
}

// clip bounds what a line quotes.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// maxNamed is how many policies a line names.
const maxNamed = 4

// keyOf returns what findings have in common that come in one line.
func keyOf(f source.Finding) source.Finding {
	switch {
	case f.Fidelity == source.Kept:
		return source.Finding{Fidelity: f.Fidelity, Policy: f.Policy}
	case f.Fidelity == source.Differs && f.Field == pathsField:
		message, _, _ := strings.Cut(f.Message, ":")
		return source.Finding{Fidelity: f.Fidelity, Field: f.Field, Message: message}
	case f.Fidelity == source.Widened && f.Field == pathsField:
		message, _, _ := strings.Cut(f.Message, ":")
		return source.Finding{Fidelity: f.Fidelity, Field: f.Field, Message: message, Policy: f.Policy}
	case f.Policy == "" && (f.Fidelity == source.Decide || f.Fidelity == source.Widened):
		return f // somebody has to look at each
	case f.Value == "" || f.Policy == "":
		f.Place = source.Place{}
	}
	f.Policy = ""
	return f
}

// folded returns the findings as lines.
func (r Result) folded() []line {
	var lines []line
	at := map[source.Finding]int{}
	for _, f := range r.Findings {
		key := keyOf(f)
		i, known := at[key]
		if !known {
			at[key] = len(lines)
			lines = append(lines, line{Finding: f, policies: named(f.Policy)})
			continue
		}
		lines[i].add(f)
	}
	for i := range lines {
		lines[i].shorten()
	}
	return lines
}

// add takes in a finding with the same key.
func (l *line) add(f source.Finding) {
	switch {
	case f.Fidelity == source.Kept:
		l.Message = keptToo(*l, f)
		l.Field, l.Value = "", ""
		return
	case f.Message != l.Message || f.Value != l.Value:
		l.more++
	}
	if f.Policy != "" && !slices.Contains(l.policies, f.Policy) {
		l.policies = append(l.policies, f.Policy)
	}
}

func named(policy string) []string {
	if policy == "" {
		return nil
	}
	return []string{policy}
}

// shorten names the first policies, and counts the others.
func (l *line) shorten() {
	if more := len(l.policies) - maxNamed; more > 0 {
		l.policies = append(l.policies[:maxNamed:maxNamed], fmt.Sprintf("and %d more", more))
	}
}

// keptToo returns the message of a line about what was kept, with f besides.
func keptToo(l line, f source.Finding) string {
	first := cmp.Or(l.Field, l.Message)
	if strings.Contains(", "+first+", ", ", "+f.Field+", ") {
		return first
	}
	return first + ", " + f.Field
}

// Counts returns the number of findings by fidelity.
func (r Result) Counts() map[source.Fidelity]int {
	counts := map[source.Fidelity]int{}
	for _, f := range r.Findings {
		counts[f.Fidelity]++
	}
	return counts
}

// Summary counts the policies and the findings on one line.
func (r Result) Summary() string {
	counts := r.Counts()
	parts := []string{printable.Counted(len(r.Policies), "policy", "policies")}
	for _, f := range []source.Fidelity{
		source.Kept, source.Equal, source.Narrowed, source.Widened, source.Dropped, source.Clamped, source.Default, source.Differs, source.Decide,
	} {
		if counts[f] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[f], f))
		}
	}
	return strings.Join(parts, ", ")
}
