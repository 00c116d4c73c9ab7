package browser

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/idna"

	"github.com/corsgate/corsgate/policy"
	fetch "github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// TestTrialsAreExplained asks explain about what the trials do, whose outcomes
// are those of a real browser, and wants the same: the verdict, the reasons of
// the decisions, and what the console says.
func TestTrialsAreExplained(t *testing.T) {
	loaded := policyfile.Load(fstest.MapFS{"policies.yaml": {Data: []byte(policies)}}, "")
	set, err := policy.Compile(loaded.Specs)
	if err != nil {
		t.Fatal(err)
	}
	ps := explain.Policies{Set: set, Specs: loaded.Specs}
	explained := 0
	for _, tr := range trials {
		if _, differs := tr.facts[chromium]; differs {
			continue // explain goes by the standard
		}
		for i, st := range tr.steps {
			q, ok := st.question()
			if !ok {
				continue
			}
			explained++
			r, err := ps.Explain(q)
			if err != nil {
				t.Fatalf("%s, step %d: %v", tr.name, i+1, err)
			}
			for _, line := range st.misjudged(r, tr) {
				t.Errorf("%s, step %d: %s", tr.name, i+1, line)
			}
		}
	}
	if explained < 100 {
		t.Errorf("only %d steps were explained", explained)
	}
}

// question is what the step asks, where it is one request of a page in cors mode
// whose answer is not redirected.
func (st step) question() (q explain.Question, ok bool) {
	_, mode := st.options["mode"]
	_, redirect := st.options["redirect"]
	requests := []string{"", "xhr", "upload", "stream", "script", "events"}
	status, lines := parseAnswer(st.answers)
	if !slices.Contains(requests, st.by) || mode || redirect || st.redirected || status == 0 || status/100 == 3 {
		return q, false
	}
	if local, found := strings.CutPrefix(st.path, "?envoy="); found {
		status, lines = parseAnswer(local)
	}
	method, name, _ := strings.Cut(st.do, " ")
	q = explain.Question{
		Method: method, Origin: st.origin(), Headers: headersOf(split(st.with, "; ")),
		Credentials: fetch.Credentials(st.options["credentials"]), Upload: st.by == "upload" || st.by == "stream",
		Upstream: explain.Upstream{Status: status, Headers: headersOf(lines)},
	}
	scheme, _, _ := strings.Cut(st.on, "://")
	if scheme == st.on { // the site's own page
		scheme = "https"
		q.Origin = "https://" + st.on + ".api.test"
	}
	q.URL = scheme + "://" + name + ".api.test/path"
	return q, true
}

// origin is that of what makes the request.
func (st step) origin() string {
	switch st.in {
	case sandbox, dataFrame, dataWorker:
		return "null"
	}
	u, err := url.Parse(st.on)
	if err != nil {
		return st.on
	}
	host, _ := idna.ToASCII(u.Host)
	return u.Scheme + "://" + host
}

func headersOf(lines []string) (hs fetch.Headers) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		hs = append(hs, fetch.Header{Name: name, Value: value})
	}
	return hs
}

// misjudged lists where the report is not what came of the step.
func (st step) misjudged(r explain.Report, tr trial) (lines []string) {
	if want := st.want != "blocked" && st.want != "refused"; r.Allowed != want {
		lines = append(lines, "the verdict is "+r.Because+", and the browser's was "+st.want)
	}
	for _, e := range r.Engines {
		if e.Engine == fetch.Chromium && !strings.Contains(e.Console, st.console[chromium]) {
			lines = append(lines, "the console says "+e.Console)
		}
	}
	var reasons []string
	for _, e := range []*explain.Exchange{r.Preflight, r.Request} {
		if e != nil && st.on != "" && e.Reason != policy.ReasonNotCORS.String() {
			reasons = append(reasons, e.Reason)
		}
	}
	if got := strings.Join(reasons, " "); len(tr.steps) == 1 && got != tr.decided {
		lines = append(lines, "the reasons are "+got+", and were "+tr.decided)
	}
	return lines
}
