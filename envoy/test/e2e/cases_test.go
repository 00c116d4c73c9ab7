package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/respond"
	"github.com/corsgate/corsgate/server/contract"
)

// TestCases sends every case of package cases through one Envoy for each
// setup, which all files share.
func TestCases(t *testing.T) {
	files, err := cases.Files()
	if err != nil {
		t.Fatal(err)
	}
	policies, err := cases.FS(files...)
	if err != nil {
		t.Fatal(err)
	}
	hosts := caseHosts(t, files)
	up, service := startUpstream(t), serve(t, "127.0.0.1:0", policies, nil)
	test := func(t *testing.T, name string, c envoy.Config, service *corsgate) {
		s := launch(t, name, c, up, service, func(b object) { addHosts(b, hosts) })
		got := map[string]cases.Outcome{} // :: id -> what came of it
		for _, w := range wires {
			s.sendCases(t, files, w, got)
		}
		log := awaitLog(t, s.envoy, len(got))
		for _, w := range wires {
			s.compareCases(t, files, w, got, log)
		}
		s.countAsked(t, log)
	}
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) { test(t, name, c, service) })
	t.Run(alone, func(t *testing.T) {
		t.Parallel()
		test(t, alone, configs()[noTripOne], nobody(t, "", policies))
	})
}

// mostAsked is how many of 100 cases no-trip may ask about. Cases stand at the
// borders of rules, so that many are about what is spelled oddly.
const mostAsked = 40

// countAsked holds no-trip to decide most cases by itself.
func (s *setup) countAsked(t *testing.T, log map[string]logLine) {
	t.Helper()
	asked := 0
	for _, line := range log {
		if line.Asked != "" || line.Reason == contract.NeedsService {
			asked++
		}
	}
	if asked*100 > len(log)*mostAsked {
		t.Errorf("%d of %d cases were asked about, want at most %d %%", asked, len(log), mostAsked)
	}
}

// protocol is a version of HTTP to send cases over.
type protocol struct {
	name string
	// carries reports whether it can carry what the client sends.
	carries func(cases.Request) bool
	send    func(address string, r cases.Request) (respond.Response, error)
	// most of 100 cases that run in a profile must be sent over it.
	most int
}

var wires = []protocol{
	{"http/1", func(cases.Request) bool { return true }, sendHTTP1, 100},
	{"http/2", isHTTP2, sendHTTP2, 90},
}

// caseID names a case to the upstream and in the access log.
func (s *setup) caseID(w protocol, f cases.File, c cases.Case) string {
	return fmt.Sprintf("%s %s %s.yaml:%d", s.name, w.name, f.Name, c.Line)
}

// sendCases sends all that can be sent, and adds what came of each to got,
// without what only the access log tells.
func (s *setup) sendCases(t *testing.T, files []cases.File, w protocol, got map[string]cases.Outcome) {
	t.Helper()
	sent, all := 0, 0
	for _, f := range files {
		for _, c := range f.Cases {
			if !c.Runs(cases.Profile(s.config.Profile)) {
				continue
			}
			all++
			if !w.carries(c.Client) {
				continue
			}
			sent++
			id := s.caseID(w, f, c)
			o, err := s.sendCase(w, c, id)
			if err != nil {
				t.Errorf("%s: %s: %v", id, c.Name, err)
				continue
			}
			got[id] = o
		}
	}
	if all == 0 || sent*100 < all*w.most {
		t.Errorf("%s: %d of %d cases were sent over %s, want %d %%", s.name, sent, all, w.name, w.most)
	}
}

func (s *setup) sendCase(w protocol, c cases.Case, id string) (cases.Outcome, error) {
	answers, err := json.Marshal([]answer{answerOf(c.Upstream)})
	if err != nil {
		return cases.Outcome{}, err
	}
	r := c.Client
	r.Headers = respond.Headers{}
	maps.Copy(r.Headers, c.Client.Headers)
	r.Headers[strings.ToLower(answerHeader)] = []string{string(answers)}
	r.Headers[strings.ToLower(caseHeader)] = []string{id}
	response, err := w.send(s.address(), r)
	return cases.Outcome{Forwarded: s.upstream.requests(id) > 0, Response: response}, err
}

// answerOf is what the upstream is told to answer.
func answerOf(r respond.Response) answer {
	a := answer{Status: r.Status}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		for _, line := range r.Headers[name] {
			a.Lines = append(a.Lines, headerLine{name, []byte(line)})
		}
	}
	return a
}

// compareCases prints a line for each difference.
func (s *setup) compareCases(t *testing.T, files []cases.File, w protocol, got map[string]cases.Outcome, log map[string]logLine) {
	t.Helper()
	for _, f := range files {
		for _, c := range f.Cases {
			id := s.caseID(w, f, c)
			o, sent := got[id]
			if !sent {
				continue
			}
			log[id].tell(&o)
			want, _ := c.Want(cases.Profile(s.config.Profile))
			if s.config.Service == "" && o.Reason == contract.NeedsService {
				want = unserved(c, want, o.Forwarded)
			}
			for _, line := range o.Diff(want) {
				t.Errorf("%s: %s: %s", id, c.Name, line)
			}
			if n := s.upstream.requests(id); n > 1 {
				t.Errorf("%s: %s: the upstream saw it %d times", id, c.Name, n)
			}
		}
	}
}

// unserved is what must come of a case that no-trip can only ask about, and nobody
// is there: nothing is granted, preflights are refused, and so is what is blocked.
// More may be refused, since it is not known which policy acts.
func unserved(c cases.Case, want cases.Outcome, forwarded bool) cases.Outcome {
	r := c.Request()
	preflight := r.Method == http.MethodOptions && r.Origin != "" && r.RequestMethod != ""
	switch {
	case preflight:
		return refused("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	case !want.Forwarded || !forwarded && r.Origin != "":
		return refused("Origin")
	}
	strip := policy.Decision{Verdict: policy.Verdict{Answer: &policy.Answer{Action: policy.Edit, Apply: policy.ApplyStrip}}}
	return cases.Outcome{Reason: contract.NeedsService, Forwarded: true, Response: respond.To(strip, c.Upstream)}
}

func refused(vary string) cases.Outcome {
	return cases.Outcome{Reason: contract.NeedsService, Response: respond.Response{
		Status: http.StatusForbidden, Headers: respond.Headers{"vary": {vary}},
	}}
}

// tell adds what the access log has of the decision.
func (l logLine) tell(o *cases.Outcome) {
	o.Policy, o.Reason = l.Policy, l.Reason
	if l.ShadowReason != "" {
		o.Shadow = &cases.Shadow{Policy: l.ShadowPolicy, Reason: l.ShadowReason, Differs: l.ShadowDiffers}
	}
}

// port is what ends a host that has one.
var port = regexp.MustCompile(`:\d+$`)

// caseHosts are the virtual hosts that cases need besides the generated one:
// where Envoy names the policy, or corsgate.static must not serve.
func caseHosts(t *testing.T, files []cases.File) []testHost {
	t.Helper()
	hosts := map[string]testHost{} // :: domain
	for _, f := range files {
		for _, c := range f.Cases {
			domain := strings.ToLower(port.ReplaceAllString(c.Client.Host, ""))
			h := testHost{domain: domain, policy: c.Policy, bare: !f.Static}
			if before, again := hosts[domain]; again && (before.policy != h.policy || before.bare != h.bare) {
				t.Errorf("%s.yaml:%d: another case names another policy for %s: give it a host of its own", f.Name, c.Line, domain)
			}
			hosts[domain] = h
		}
	}
	maps.DeleteFunc(hosts, func(_ string, h testHost) bool { return h.policy == "" && !h.bare })
	return slices.Collect(maps.Values(hosts))
}
