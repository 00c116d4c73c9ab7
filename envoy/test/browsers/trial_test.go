package browsers

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	fetch "github.com/corsgate/corsgate/policy/browser"
)

// trial is what pages do, one step after the other, and what has to come of it.
type trial struct {
	name  string
	steps []step
	record
	// but replaces the record in a profile where it differs.
	but map[envoy.Profile]record
	// facts are what some browsers do otherwise.
	facts facts
}

// facts are those of browsers, by their names.
type facts map[fetch.Engine]fact

// fact is what a browser does otherwise than the trial says: the outcome of each
// step, unless it is empty, and the record in every profile.
type fact struct {
	why  string // for the reader
	want string
	record
}

// record is what stood behind what the pages saw.
type record struct {
	// decided are the reasons that corsgate had, in order: a preflight that was
	// not sent is not there. Requests without an Origin are left out.
	decided string
	// seen is how many requests the upstream saw.
	seen int
}

// step is what one page does.
type step struct {
	// on is the origin of the page; a name of a policy stands for a page of that
	// policy's own host. do is what it does: method and name of the policy. The
	// scheme is that of the page.
	on, do string
	// in is where it does it; empty means in the page itself.
	in string
	// by is the means; empty means fetch.
	by string
	// with are request header lines, separated by "; ", and body is the body.
	with, body string
	// options are those of fetch; of them, only credentials mean something to
	// other means.
	options map[string]string
	// path is what follows the trial's path, with a query if need be.
	path string
	// answers is the upstream's answer, see parseAnswer; {NAME} in it stands for
	// a URL of that policy's host. Empty means 200.
	answers string
	// redirected sends the request to the page's own origin, which redirects it.
	redirected bool

	// want is the outcome: the status of what could be read, or a word of
	// testdata/page.js.
	want string
	// shows are header lines that the page can see, separated by "; ", and hides
	// are names that it cannot, separated by ", ".
	shows, hides string
	// sent are header lines that the upstream saw, and unsent names that it did
	// not.
	sent, unsent string
	// console is what the browser wrote into the page's console. For a step that
	// is blocked in the page itself it always has to say that CORS is why.
	console said
}

// include is fetch with credentials.
var include = map[string]string{"credentials": "include"}

// The pages that most trials are on.
const (
	app   = "https://app.corp.test"
	shop  = "https://shop.corp.test"
	plain = "http://app.corp.test"
	evil  = "https://evil.corp.test"
)

// run runs the trial and reports each difference in a line.
func (tr trial) run(t *testing.T, b *browser, s *stack, id string) {
	t.Helper()
	tr = tr.in(b.name)
	for i, st := range tr.steps {
		b.show(t, s.page(st.on))
		got, err := b.run(s.order(st, id))
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		for _, line := range st.differences(got, b, id) {
			t.Errorf("step %d: %s", i+1, line)
		}
	}
	want, differs := tr.but[s.config.Profile]
	if !differs {
		want = tr.record
	}
	if got := s.decided(id, want.decided); got != want.decided {
		t.Errorf("corsgate decided %q, want %q", got, want.decided)
	}
	if got := s.upstream.saw(id); got != want.seen {
		t.Errorf("the upstream saw %d requests, want %d", got, want.seen)
	}
}

// in returns the trial as it has to go in a browser.
func (tr trial) in(engine fetch.Engine) trial {
	f, differs := tr.facts[engine]
	if !differs {
		return tr
	}
	tr.record, tr.but = f.record, nil
	if f.want == "" {
		return tr
	}
	tr.steps = slices.Clone(tr.steps)
	for i := range tr.steps {
		st := &tr.steps[i]
		st.want, st.console, st.shows, st.hides, st.sent, st.unsent = f.want, nil, "", "", "", ""
	}
	return tr
}

// page returns the URL of the page that a step is on.
func (s *stack) page(on string) string {
	if strings.Contains(on, "://") {
		return on + "/"
	}
	return s.url("https", on) + "/page"
}

// order is what the page is told for a step.
func (s *stack) order(st step, id string) order {
	method, name, _ := strings.Cut(st.do, " ")
	page := s.page(st.on)
	scheme, _, _ := strings.Cut(page, ":")
	target := s.url(scheme, name) + "/" + id + "/" + st.path
	if st.answers != "" {
		target += separator(st.path) + "answer=" + url.QueryEscape(s.expand(st.answers, scheme, id))
	}
	if st.redirected {
		target = page + "go?to=" + url.QueryEscape(target)
	}
	o := order{In: st.in, By: st.by, Method: method, URL: target, Body: st.body, Options: st.options, Headers: [][]string{}}
	for _, line := range split(st.with, "; ") {
		header, value, _ := strings.Cut(line, ": ")
		o.Headers = append(o.Headers, []string{header, value})
	}
	return o
}

// split is strings.Split, but nothing has no parts.
func split(text, separator string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, separator)
}

func separator(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)

// expand puts URLs of the trial in the place of names of policies.
func (s *stack) expand(answers, scheme, id string) string {
	return placeholder.ReplaceAllStringFunc(answers, func(name string) string {
		return s.url(scheme, strings.Trim(name, "{}")) + "/" + id + "/next"
	})
}

// differences lists what came of the step and was not wanted.
func (st step) differences(got result, page *browser, id string) (lines []string) {
	if got.Outcome != st.want {
		lines = append(lines, fmt.Sprintf("the page saw %q (%s), want %q; the console says %q", got.Outcome, got.Body, st.want, page.about(id)))
	}
	lines = append(lines, st.visible(got)...)
	lines = append(lines, st.echoed(got)...)
	if words := st.console[page.name]; st.blockedHere() && !page.said(id, blames[page.name], words) {
		lines = append(lines, fmt.Sprintf("the console does not say %q with %q, but %q", words, blames[page.name], page.about(id)))
	}
	return lines
}

// blockedHere reports whether the step is one of which the browser writes into
// the console of the page why it is blocked.
func (st step) blockedHere() bool { return st.want == "blocked" && st.in == "" }

// visible compares the headers that the page could see.
func (st step) visible(got result) (lines []string) {
	for _, line := range split(st.shows, "; ") {
		name, value, _ := strings.Cut(line, ": ")
		if !slices.Contains(got.Headers, [2]string{name, value}) {
			lines = append(lines, fmt.Sprintf("the page does not see %q, but %q", line, got.Headers))
		}
	}
	for _, name := range split(st.hides, ", ") {
		if slices.ContainsFunc(got.Headers, func(h [2]string) bool { return h[0] == name }) {
			lines = append(lines, "the page sees "+name)
		}
	}
	return lines
}

// echoed compares the headers that the upstream saw, which the body tells.
func (st step) echoed(got result) (lines []string) {
	body := "\n" + got.Body
	for _, line := range split(st.sent, "; ") {
		if !strings.Contains(body, "\n"+line+"\n") {
			lines = append(lines, fmt.Sprintf("the upstream did not see %q, but%s", line, body))
		}
	}
	for _, name := range split(st.unsent, ", ") {
		if !strings.Contains(body, "\nmethod: ") || strings.Contains(body, "\n"+name+": ") {
			lines = append(lines, fmt.Sprintf("the upstream saw %s:%s", name, body))
		}
	}
	return lines
}
