// Package fields reads the values that configurations of CORS have in common, and tells
// of each one that it does not understand.
package fields

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
)

// Report collects what a reader has to tell.
type Report struct {
	// System is how messages name the system: "Envoy Gateway".
	System   string
	Findings []source.Finding
}

// Tell adds a finding about n.
func (r *Report) Tell(fidelity source.Fidelity, n tree.Node, message, hint string) {
	r.Findings = append(r.Findings, n.Finding(fidelity, message, hint))
}

// TellText adds a finding about the text of a field.
func (r *Report) TellText(fidelity source.Fidelity, at source.Text, field, message, hint string) {
	r.Findings = append(r.Findings, source.Finding{Fidelity: fidelity, Place: at.Place, Field: field, Value: at.Text, Message: message, Hint: hint})
}

// Known tells of the fields of a mapping that are not among known.
func (r *Report) Known(n tree.Node, known ...string) {
	if n.Exists() && !n.IsMapping() {
		r.Tell(source.Decide, n, "this is not a mapping, so it does nothing", "")
	}
	for _, f := range n.Others(known...) {
		at := source.Text{Place: f.Key.Place, Text: f.String()}
		r.TellText(source.Decide, at, f.Key.Text, r.System+" has no such field here, so it does nothing", likely(f.Key.Text, known))
	}
}

// likely proposes the field that a name means.
func likely(name string, known []string) string {
	for _, k := range known {
		wrong, exchanged := policy.Slip(plain(name), plain(k))
		if wrong || exchanged || plain(name) == plain(k) {
			return "did you mean " + strconv.Quote(k) + "?"
		}
	}
	return ""
}

// plain is a name without case, separators, and what tells "allowed" from "allow".
func plain(name string) string {
	name = strings.NewReplacer("-", "", "_", "", "allowed", "allow", "exposed", "expose").Replace(strings.ToLower(name))
	return strings.TrimSuffix(name, "s")
}

// Texts returns the texts of a list. One text alone is read as a list, too.
func (r *Report) Texts(n tree.Node) []source.Text {
	switch {
	case n.IsList():
		return r.entries(n)
	case n.IsText():
		r.Tell(source.Differs, n, r.System+" wants a list here and refuses a text; it is read as one", "")
		return split(n.Text())
	case n.Exists():
		r.Tell(source.Decide, n, "this is not a list of texts, so it does nothing", "")
	}
	return nil
}

func (r *Report) entries(list tree.Node) []source.Text {
	var texts []source.Text
	for _, n := range list.Items() {
		if !n.IsText() {
			r.Tell(source.Decide, n, "this entry is not a text, so it is left out", "")
			continue
		}
		texts = append(texts, n.Text())
	}
	return texts
}

// split returns the entries of a text with commas.
func split(text source.Text) []source.Text {
	var texts []source.Text
	for _, entry := range strings.Split(text.Text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			texts = append(texts, source.Text{Place: text.Place, Text: entry})
		}
	}
	return texts
}

// Names returns a list of methods or of header names. An entry with commas is several: in
// the header that the system sends, it is, too.
func (r *Report) Names(n tree.Node) source.Names {
	names := source.Names{Place: n.Place()}
	for _, text := range r.Texts(n) {
		names.Items = append(names.Items, split(text)...)
	}
	return names
}

// StarredNames is Names for systems that grant what a preflight asks for if there is a star
// among the names, and if echoes.
func (r *Report) StarredNames(n tree.Node, echoes bool) source.Names {
	names := r.Names(n)
	names.Echo = echoes && slices.ContainsFunc(names.Items, func(t source.Text) bool { return t.Text == "*" })
	return names
}

// Bool returns a truth value. A text that says one is read as one.
func (r *Report) Bool(n tree.Node) bool {
	if _, err := strconv.ParseBool(n.String()); err != nil && n.Exists() {
		r.Tell(source.Decide, n, `this is neither true nor false; it is read as false`, "")
	}
	return n.True()
}

// Unit says how a system writes a time.
type Unit uint8

// The values of Unit.
const (
	Seconds  Unit = iota // a number of seconds
	Duration             // with its unit: "10m"
)

// MaxAge returns how long a preflight's answer is kept, or nil if n is not there.
func (r *Report) MaxAge(n tree.Node, unit Unit) *source.MaxAge {
	if !n.Exists() {
		return nil
	}
	text := strings.TrimSpace(n.String())
	seconds, err := strconv.ParseFloat(text, 64)
	written := Seconds
	if err != nil {
		var d time.Duration
		d, err = time.ParseDuration(text)
		seconds, written = d.Seconds(), Duration
	}
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt32 {
		r.Tell(source.Decide, n, "this is not a time, so the answer to a preflight names none", `write seconds, or a time such as "10m"`)
		return nil
	}
	if written != unit && seconds != 0 {
		r.Tell(source.Differs, n, r.System+" refuses a time in this form; it is read as seconds", "")
	}
	whole := math.Floor(seconds)
	if whole != seconds {
		r.Tell(source.Clamped, n, "browsers know whole seconds only", "")
	}
	return &source.MaxAge{Place: n.Place(), Seconds: int(whole)}
}

// RefusedOrigin tells that the system's schema refuses an origin that its translator would
// take.
func (r *Report) RefusedOrigin(text source.Text) {
	r.TellText(source.Differs, text, "allowOrigins", r.System+" refuses an origin in this form; it is read as if it did not", "")
}

// HeadersWritten tells of CORS headers in lists of {name, value} that are written into every
// answer by other means than a CORS configuration.
func (r *Report) HeadersWritten(lists ...tree.Node) {
	for _, list := range lists {
		for _, h := range list.Items() {
			if name := h.Field("name").String(); isCORS(name) {
				at := source.Text{Place: h.Place(), Text: h.Field("value").String()}
				r.TellText(source.Decide, at, name, "this is written into every answer; it is not imported", "write a policy that says what is meant, and remove this")
			}
		}
	}
}

// HeadersRemoved tells of CORS headers that are removed from every answer.
func (r *Report) HeadersRemoved(list tree.Node) {
	for _, h := range list.Items() {
		if isCORS(h.String()) {
			r.Tell(source.Differs, h, "this is removed from every answer; corsgate decides on it", "remove this")
		}
	}
}

// NamesOfCORS returns what names a header of CORS at any depth of n: the texts of a script, and
// the fields of a plugin.
func NamesOfCORS(n tree.Node) (all []tree.Node) {
	if mentions(n.String()) {
		all = append(all, n)
	}
	for _, item := range n.Items() {
		all = append(all, NamesOfCORS(item)...)
	}
	for _, f := range n.Fields() {
		if mentions(f.Key.Text) {
			all = append(all, f.Node)
			continue
		}
		all = append(all, NamesOfCORS(f.Node)...)
	}
	return all
}

func mentions(text string) bool { return strings.Contains(strings.ToLower(text), "access-control-") }

func isCORS(header string) bool {
	return policy.IsCORSHeader(strings.ToLower(header))
}

// Own returns the documents without those parts of configurations that are another system's.
// If a system claims none, all are its own: the user has named it.
func Own(docs []tree.Node, claims func(tree.Node) bool) []tree.Node {
	sure := slices.ContainsFunc(docs, claims)
	return slices.DeleteFunc(slices.Clone(docs), func(doc tree.Node) bool {
		return sure && !doc.Field("kind").Exists() && !claims(doc)
	})
}

// Somewhere is for a route of which the input does not say for which hosts and paths it is,
// and does not have what says it. If there are others before, it is for a host that cannot
// exist (RFC 6761, section 6.4), since it must not answer for them. whole says that the input
// is a configuration, and not only a part of one.
func Somewhere(route *source.Route, what string, whole bool, before int) {
	f := source.Finding{
		Fidelity: source.Differs, Place: route.Place, Field: "hosts",
		Message: "the input does not have " + what + " that says for which hosts and paths this is; the policy is for ",
		Hint:    "add it to the input, or write hosts and paths into the policy",
	}
	if whole || before > 0 {
		f.Fidelity = source.Decide
	}
	if before == 0 {
		f.Message += "all"
	} else {
		route.Hosts = []string{fmt.Sprintf("unknown-%d.invalid", before)}
		f.Message += "the host " + route.Hosts[0] + ", so that it does nothing yet"
	}
	route.Findings = append(route.Findings, f)
}

// Answering counts the routes that answer CORS.
func Answering(routes []source.Route) int {
	n := 0
	for _, r := range routes {
		if r.CORS != nil {
			n++
		}
	}
	return n
}

// Meant proposes what an entry that no origin matches was probably meant to be.
func Meant(entry string) []string {
	if parts := policy.SplitList(entry); len(parts) > 1 {
		var all []string
		for _, part := range parts {
			all = append(all, Meant(part)...)
		}
		return all
	}
	meant := policy.MeantPattern(entry)
	if rest, https := strings.CutPrefix(meant, "https://"); https && !strings.Contains(entry, ":") {
		return []string{meant, "http://" + rest}
	}
	if meant == "" {
		return nil
	}
	return []string{meant}
}
