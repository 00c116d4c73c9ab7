// Package text writes what package explain says as lines that people read.
package text

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/printable"
)

// Write writes the reports as people read them, with an empty line between two.
func Write(w io.Writer, paint printable.Painter, reports ...explain.Report) error {
	for i := range reports {
		t := writer{paint: paint}
		if i > 0 {
			t.line("")
		}
		t.report(&reports[i])
		if _, err := io.WriteString(w, harmless(t.String())); err != nil {
			return err
		}
	}
	return nil
}

// control finds control characters, and the colours of a painter as a whole.
var control = regexp.MustCompile(`\x1b\[[0-9]+m|[^\P{Cc}\n]`)

// harmless replaces control characters. A HAR file may have them anywhere, and a terminal
// would obey them.
func harmless(text string) string {
	return control.ReplaceAllStringFunc(text, func(s string) string {
		if len(s) > len("\x1b") && s[0] == '\x1b' {
			return s
		}
		return "\ufffd"
	})
}

// writer makes the text of a report.
type writer struct {
	strings.Builder
	paint printable.Painter
}

func (t *writer) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// row writes a line under a heading of the left column.
func (t *writer) row(heading, format string, args ...any) {
	t.line("%-10s %s", heading, fmt.Sprintf(format, args...))
}

func (t *writer) report(r *explain.Report) {
	head := t.paint.Red("blocked")
	switch {
	case r.Allowed:
		head = t.paint.Green("allowed")
	case r.Undecided:
		head = t.paint.Yellow("undecided")
	case r.FailsOtherwise:
		head = t.paint.Yellow("failed for another reason")
	}
	q := r.Question
	t.line("%s: %s %s from %s", head, printable.Value(q.Method), printable.Value(q.URL), printable.Value(q.Origin))
	t.line("")
	t.policy(r)
	t.origin(r)
	t.before(r.Before)
	t.exchange("preflight", r.Preflight, r.Policy.Name)
	t.exchange("request", r.Request, r.Policy.Name)
	if r.Request == nil {
		t.row("request", "is not sent")
	}
	t.noTrip(r)
	for _, n := range r.Notes {
		t.row("note", "%s", printable.Text(n))
	}
	t.line("")
	t.line("%s", printable.Text(because(r)))
	t.consoles(r.Engines)
	if r.Cause != "" {
		t.line("%s", printable.Text(r.Cause))
	}
	t.remedy(r)
}

// because says why, and with which flags to give an answer that decides.
func because(r *explain.Report) string {
	if r.Undecided {
		return r.Because + ": give its headers (--upstream-header) and status (--upstream-status)"
	}
	return r.Because
}

// consoles writes what each browser's console says.
func (t *writer) consoles(engines []explain.EngineVerdict) {
	for _, e := range engines {
		if e.Console != "" {
			t.line("%s", t.paint.Faint(fmt.Sprintf("  %-8s %s", e.Engine.Name()+":", printable.Text(e.Console))))
		}
	}
}

func (t *writer) policy(r *explain.Report) {
	switch {
	case r.Policy.Name == "":
		t.row("policy", "none: %s", printable.Text(r.Policy.Why))
	case r.Policy.Mode != "enforce":
		t.row("policy", "%s, in mode %s: %s", r.Policy.Name, r.Policy.Mode, r.Policy.Why)
	default:
		t.row("policy", "%s: %s", r.Policy.Name, r.Policy.Why)
	}
	for _, o := range r.Policy.Otherwise {
		t.row("", "or %s: %s", cmp.Or(o.Name, "none"), o.Why)
	}
	for _, o := range r.Policy.Others {
		t.row("", "%s", t.paint.Faint("not "+o.Name+": "+o.Why))
	}
	if r.Policy.More > 0 {
		t.row("", "%s", t.paint.Faint("and none of "+printable.Counted(r.Policy.More, "other", "others")))
	}
	if s := r.Shadow; s != nil {
		t.shadow(s)
	}
}

func (t *writer) shadow(s *explain.Shadow) {
	if !s.Differs {
		t.row("shadow", "%s decides the same: %s", s.Name, s.Reason)
		return
	}
	t.row("shadow", "%s would decide otherwise:", s.Name)
	for _, d := range s.Differences {
		t.row("", "%s", printable.Text(d.String()))
	}
}

func (t *writer) origin(r *explain.Report) {
	switch o := r.Origin; {
	case o == nil:
	case o.Allowed:
		t.row("origin", "allowed by %s", strings.Join(o.By, ", "))
	default:
		t.row("origin", "allowed by none of %s", printable.Counted(o.Tried, "entry", "entries"))
		for _, n := range o.Near {
			t.row("", "%s", printable.Text(t.near(n)))
		}
	}
}

func (t *writer) near(n explain.Near) string {
	if n.Entry == "" {
		return n.Why
	}
	return "near: " + n.Entry + ": " + n.Why
}

// before writes what the browser checks before it sends anything.
func (t *writer) before(steps []browser.Step) {
	heading := "browser"
	for _, s := range steps {
		t.row(heading, "%s %s", printable.Text(s.Says), t.paint.Faint("("+s.Section+")"))
		heading = ""
	}
}

// checks writes what a browser checks in an answer.
func (t *writer) checks(steps []browser.Step) {
	for _, s := range steps {
		mark := t.paint.Green("ok")
		if !s.OK {
			mark = t.paint.Red("no")
		}
		t.row("", "%s %s %s", mark, printable.Text(s.Says), t.paint.Faint("("+s.Section+")"))
	}
}

// exchange writes a request and its answer as they are sent; policy is the one that decides.
func (t *writer) exchange(heading string, e *explain.Exchange, policy string) {
	if e == nil {
		return
	}
	t.row(heading, "%s", t.paint.Faint("> ")+printable.Value(e.Method))
	t.headers("> ", e.Sent)
	status := "not known"
	if e.Status != 0 {
		status = strconv.Itoa(e.Status)
	}
	t.row("", "%s%s %s", t.paint.Faint("< "), status, t.paint.Faint("("+answeredBy(e, policy)+")"))
	t.headers("< ", e.Headers)
	t.checks(e.Steps)
	if len(e.Hidden) > 0 {
		t.row("", "%s", t.paint.Faint("the page does not see "+printable.Text(strings.Join(e.Hidden, ", "))))
	}
}

// answeredBy says whose answer it is, and the reason. It names the policy, since either
// corsgate or Envoy itself may apply it.
func answeredBy(e *explain.Exchange, policy string) string {
	switch {
	case e.Forwarded:
		return "by the upstream, " + e.Reason
	case policy == "":
		return e.Reason
	}
	return "by policy " + policy + ": " + e.Reason
}

// noTrip writes who decides in the profile no-trip.
func (t *writer) noTrip(r *explain.Report) {
	heading := "no-trip"
	for _, sent := range []struct {
		name string
		*explain.Exchange
	}{{"preflight", r.Preflight}, {"request", r.Request}} {
		if sent.Exchange == nil || sent.NoTrip == nil {
			continue
		}
		by := "Envoy itself decides about the "
		if sent.NoTrip.Asked {
			by = "Envoy asks corsgate about the "
		}
		t.row(heading, "%s", by+sent.name)
		heading = ""
		because := "because: "
		if len(sent.NoTrip.Why) > 1 {
			because = "one of: "
		}
		for _, why := range sent.NoTrip.Why {
			t.row("", "%s", t.paint.Faint(because+printable.Text(why)))
		}
	}
}

func (t *writer) headers(arrow string, hs browser.Headers) {
	for _, h := range hs {
		t.row("", "%s%s: %s", t.paint.Faint(arrow), printable.Text(strings.ToLower(h.Name)), printable.Value(h.Value))
	}
}

// remedy writes what to change, in the form of a policy file.
func (t *writer) remedy(report *explain.Report) {
	r := report.Remedy
	if r == nil {
		return
	}
	t.line("")
	to, fresh := "To allow it, ", len(r.Changes) > 0 && r.Changes[0].Field == "name"
	if report.Undecided {
		to = "To allow it whatever the upstream answers, "
	}
	if r.Method != "" {
		t.line("%slet the page send %s: methods are case-sensitive", to, r.Method)
		to = "and "
	}
	if r.Omit != nil {
		t.line("%slet the page not set %s: only answers have that", to, strings.Join(r.Omit, ", "))
		to = "and "
	}
	switch {
	case fresh:
		t.line("%sadd a policy (if the host is behind corsgate)", to)
	case r.Changes != nil:
		t.line("%spolicy %s needs", to, r.Policy)
	}
	t.changes(r.Changes, fresh)
	for _, why := range r.Refused {
		t.line("but such a policy is refused: %s", why)
	}
	for _, cost := range r.Costs {
		t.line("but %s", printable.Text(cost))
	}
}

// changes writes the changes, each on a line. For a new policy they are all its fields.
func (t *writer) changes(changes []explain.Change, fresh bool) {
	cors := false
	for i, c := range changes {
		indent := "  "
		switch {
		case c.InCORS():
			indent = "    "
		case fresh && i == 0:
			indent = "- "
		}
		if c.InCORS() && !cors {
			t.line("  cors:")
			cors = true
		}
		t.line("%s%s", indent, t.paint.Green(c.Line(fresh)))
	}
}
