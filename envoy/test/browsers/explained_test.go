package browsers

import (
	"fmt"
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
// are those of real browsers, and wants the same: the verdict of each, the
// reasons of the decisions, and what the consoles say.
func TestTrialsAreExplained(t *testing.T) {
	loaded := policyfile.Load(fstest.MapFS{"policies.yaml": {Data: []byte(policies)}}, "")
	if loaded.HasErrors() {
		t.Fatal(loaded.Diagnostics)
	}
	ps := explain.Policies{Set: policy.Compile(loaded.Policies)}
	explained := 0
	for _, tr := range trials {
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
			for _, line := range tr.misjudged(r, i) {
				t.Errorf("%s, step %d: %s", tr.name, i+1, line)
			}
		}
	}
	if explained < 100 {
		t.Errorf("only %d steps were explained", explained)
	}
}

// question is what the step asks, if it is one request of a page in cors mode
// whose answer is not redirected.
func (st step) question() (q explain.Question, ok bool) {
	_, mode := st.options["mode"]
	_, redirect := st.options["redirect"]
	requests := []string{"", "xhr", "upload", "script", "font", "events"}
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
		Credentials: fetch.Credentials(st.options["credentials"]), Upload: st.by == "upload", Font: st.by == "font",
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

// blocked reports whether the page may not read the answer.
func (st step) blocked() bool { return st.want == "blocked" || st.want == "refused" }

// misjudged lists where the report is not what came of a step.
func (tr trial) misjudged(r explain.Report, i int) (lines []string) {
	about := tr.in(chromium) // or the first browser that blocks
	for _, engine := range slices.Backward(fetch.Engines()) {
		if tr := tr.in(engine); tr.steps[i].blocked() {
			about = tr
		}
	}
	if st := about.steps[i]; r.Allowed == st.blocked() {
		lines = append(lines, "the verdict is "+r.Because+", and was "+st.want)
	}
	for _, e := range r.Engines {
		st := tr.in(e.Engine).steps[i]
		if e.Allowed == st.blocked() {
			lines = append(lines, fmt.Sprintf("allowed by %s is %t, and what came of it was %s", e.Engine, e.Allowed, st.want))
		}
		if !strings.Contains(e.Console, st.console[e.Engine]) {
			lines = append(lines, fmt.Sprintf("the console of %s says %s", e.Engine, e.Console))
		}
	}
	var reasons []string
	for _, e := range []*explain.Exchange{r.Preflight, r.Request} {
		if e != nil && tr.steps[i].on != "" && e.Reason != policy.ReasonNotCORS.String() {
			reasons = append(reasons, e.Reason)
		}
	}
	if got := strings.Join(reasons, " "); len(tr.steps) == 1 && got != about.decided {
		lines = append(lines, "the reasons are "+got+", and were "+about.decided)
	}
	return lines
}
