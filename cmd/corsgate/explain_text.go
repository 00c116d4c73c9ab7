package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/printable"
)

// print writes the reports; of several, people get those that are not allowed,
// and a summary to note. The error is errFindings when one is blocked, and else
// errUndecided when one depends on what is not known.
func (c *explainConfig) print(out, note io.Writer, reports []explain.Report, format string) error {
	open := slices.DeleteFunc(slices.Clone(reports), func(r explain.Report) bool { return r.Allowed })
	blocked := slices.DeleteFunc(slices.Clone(open), func(r explain.Report) bool { return r.Undecided })
	if format == "json" {
		if err := writeJSON(out, map[string][]explain.Report{"reports": reports}); err != nil {
			return err
		}
	} else if err := printReports(out, reports, open); err != nil {
		return err
	}
	if format != "json" && len(reports) > 1 {
		if _, err := io.WriteString(note, summary(len(reports), len(blocked), len(open)-len(blocked))); err != nil {
			return err
		}
	}
	switch {
	case len(blocked) > 0:
		return errFindings
	case len(open) > 0:
		return errUndecided
	}
	return nil
}

// summary is a line that counts requests.
func summary(all, blocked, undecided int) string {
	text := fmt.Sprintf("%s, %d blocked", counted(all, "request", "requests"), blocked)
	if undecided > 0 {
		text += fmt.Sprintf(", %d undecided", undecided)
	}
	return text + "\n"
}

// printReports writes for people the only report, or those that are open.
func printReports(out io.Writer, reports, open []explain.Report) error {
	shown := open
	if len(reports) == 1 {
		shown = reports
	}
	for i, r := range shown {
		t := explainText{paint: painterFor(out)}
		if i > 0 {
			t.line("")
		}
		t.report(&r)
		if _, err := io.WriteString(out, harmless(t.String())); err != nil {
			return err
		}
	}
	return nil
}

// control finds control characters, and the colours of a painter as a whole.
var control = regexp.MustCompile(`\x1b\[[0-9]+m|[^\P{Cc}\n]`)

// harmless replaces control characters, which a HAR file may have anywhere and a
// terminal would obey.
func harmless(text string) string {
	return control.ReplaceAllStringFunc(text, func(s string) string {
		if len(s) > len("\x1b") && s[0] == '\x1b' {
			return s
		}
		return "\ufffd"
	})
}

// explainText is a report as people read it.
type explainText struct {
	strings.Builder
	paint painter
}

func (t *explainText) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// row writes a line under a heading of the left column.
func (t *explainText) row(heading, format string, args ...any) {
	t.line("%-10s %s", heading, fmt.Sprintf(format, args...))
}

// faint marks what matters less.
func (t *explainText) faint(s string) string { return t.paint.paint("2", s) }

func (t *explainText) report(r *explain.Report) {
	head := t.paint.red("blocked")
	switch {
	case r.Allowed:
		head = t.paint.green("allowed")
	case r.Undecided:
		head = t.paint.yellow("undecided")
	}
	q := r.Question
	t.line("%s: %s %s from %s", head, shownValue(q.Method), shownValue(q.URL), shownValue(q.Origin))
	t.line("")
	t.policy(r)
	t.origin(r)
	t.before(r.Before)
	t.exchange("preflight", r.Preflight)
	t.exchange("request", r.Request)
	if r.Request == nil {
		t.row("request", "is not sent")
	}
	for _, n := range r.Notes {
		t.row("note", "%s", printable.Text(n))
	}
	t.line("")
	t.line("%s", printable.Text(r.Because))
	t.consoles(r.Engines)
	if r.Cause != "" {
		t.line("%s", printable.Text(r.Cause))
	}
	t.remedy(r)
}

// consoles writes what each browser's console says.
func (t *explainText) consoles(engines []explain.EngineVerdict) {
	for _, e := range engines {
		if e.Console != "" {
			t.line("%s", t.faint(fmt.Sprintf("  %-8s %s", e.Engine.Name()+":", printable.Text(e.Console))))
		}
	}
}

func (t *explainText) policy(r *explain.Report) {
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
		t.row("", "%s", t.faint("not "+o.Name+": "+o.Why))
	}
	if r.Policy.More > 0 {
		t.row("", "%s", t.faint("and none of "+counted(r.Policy.More, "other", "others")))
	}
	if s := r.Shadow; s != nil {
		t.shadow(s)
	}
}

func (t *explainText) shadow(s *explain.Shadow) {
	if !s.Differs {
		t.row("shadow", "%s decides the same: %s", s.Name, s.Reason)
		return
	}
	t.row("shadow", "%s would decide otherwise:", s.Name)
	for _, d := range s.Differences {
		t.row("", "%s", printable.Text(d.String()))
	}
}

func (t *explainText) origin(r *explain.Report) {
	switch o := r.Origin; {
	case o == nil:
	case o.Allowed:
		t.row("origin", "allowed by %s", strings.Join(o.By, ", "))
	default:
		t.row("origin", "allowed by none of %s", counted(o.Tried, "entry", "entries"))
		for _, n := range o.Near {
			t.row("", "%s", printable.Text(t.near(n)))
		}
	}
}

func (t *explainText) near(n explain.Near) string {
	if n.Entry == "" {
		return n.Why
	}
	return "near: " + n.Entry + ": " + n.Why
}

// before writes what the browser looks at before it sends anything.
func (t *explainText) before(steps []browser.Step) {
	heading := "browser"
	for _, s := range steps {
		t.row(heading, "%s %s", printable.Text(s.Says), t.faint("("+s.Section+")"))
		heading = ""
	}
}

// checks writes what a browser checked of an answer.
func (t *explainText) checks(steps []browser.Step) {
	for _, s := range steps {
		mark := t.paint.green("ok")
		if !s.OK {
			mark = t.paint.red("no")
		}
		t.row("", "%s %s %s", mark, printable.Text(s.Says), t.faint("("+s.Section+")"))
	}
}

// exchange writes a request and its answer as they are sent.
func (t *explainText) exchange(heading string, e *explain.Exchange) {
	if e == nil {
		return
	}
	t.row(heading, "%s", t.faint("> ")+shownValue(e.Method))
	t.headers("> ", e.Sent)
	from := "by corsgate"
	if e.Forwarded {
		from = "by the upstream"
	}
	status := "not known"
	if e.Status != 0 {
		status = strconv.Itoa(e.Status)
	}
	t.row("", "%s%s %s", t.faint("< "), status, t.faint("("+from+", "+e.Reason+")"))
	t.headers("< ", e.Headers)
	t.checks(e.Steps)
	if len(e.Hidden) > 0 {
		t.row("", "%s", t.faint("the page does not see "+printable.Text(strings.Join(e.Hidden, ", "))))
	}
}

func (t *explainText) headers(arrow string, hs browser.Headers) {
	for _, h := range hs {
		t.row("", "%s%s: %s", t.faint(arrow), printable.Text(strings.ToLower(h.Name)), shownValue(h.Value))
	}
}

// shownValue quotes what could do harm to a terminal.
func shownValue(value string) string {
	if quoted := fmt.Sprintf("%q", value); quoted != `"`+value+`"` {
		return quoted
	}
	return value
}

// remedy writes what to change, as it stands in a policy file.
func (t *explainText) remedy(report *explain.Report) {
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
		t.line("%slet the page send %s: methods have case", to, r.Method)
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

// changes writes them under each other; those of a new policy are all of it.
func (t *explainText) changes(changes []explain.Change, fresh bool) {
	cors := false
	for i, c := range changes {
		field, inner := strings.CutPrefix(c.Field, "cors.")
		indent := "  "
		switch {
		case inner:
			indent = "    "
		case fresh && i == 0:
			indent = "- "
		}
		if inner && !cors {
			t.line("  cors:")
			cors = true
		}
		t.line("%s%s", indent, t.paint.green(changeText(field, c, fresh)))
	}
}

// changeText writes a change as YAML.
func changeText(field string, c explain.Change, fresh bool) string {
	switch {
	case c.Add != nil && fresh:
		return field + ": [" + quotedAll(c.Add) + "]"
	case c.Add != nil:
		return field + ": [..., " + quotedAll(c.Add) + "]"
	case c.Only != nil:
		return field + ": [" + quotedAll(c.Only) + "]"
	}
	return field + ": " + c.Set
}

func quotedAll(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(quoted, ", ")
}
