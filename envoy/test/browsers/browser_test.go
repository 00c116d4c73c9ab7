package browsers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// TestBrowser runs the trials in one browser.
func TestBrowser(t *testing.T) {
	cert := makeCertificate(t)
	upstream, s := startUpstream(t), startService(t, policies)
	proxy := startProxy(t, startPages(t, cert.tls).route)
	inEachBrowser(t, kinds, proxy, cert, func(t *testing.T, b *browser) {
		l := &lab{cert: cert, upstream: upstream, browser: b}
		for _, profile := range envoy.Profiles() {
			t.Run(string(profile), func(t *testing.T) { l.testProfile(t, profile, s) })
		}
		for _, profile := range []envoy.Profile{envoy.OneTrip, envoy.NoTrip} {
			t.Run("policies that change/"+string(profile), func(t *testing.T) { l.testChange(t, profile) })
		}
		t.Run("an outage", func(t *testing.T) { l.testOutage(t, s) })
	})
}

// mostAsked is how many of 100 requests with an Origin no-trip may ask about, with all
// those that the trials make for policies which are asked about whole.
const mostAsked = 5

// testProfile runs every trial.
func (l *lab) testProfile(t *testing.T, profile envoy.Profile, s *corsgate) {
	// No failure is hidden by forwarding.
	st := l.startStack(t, envoy.Config{Profile: profile, Fail: envoy.FailClosed}, s)
	for i, tr := range trials {
		id := fmt.Sprintf("%s-%s-%d", l.browser.name, profile, i)
		t.Run(tr.name, func(t *testing.T) { tr.run(t, l.browser, st, id) })
	}
	if profile == envoy.NoTrip {
		t.Run("Envoy asks about few requests", st.asksLittle)
	}
}

// asksLittle compares Envoy's own count of its questions with its access log.
func (s *stack) asksLittle(t *testing.T) {
	asked, all := s.envoy.Stat(t, "cluster.corsgate.upstream_rq_total"), withOrigin(s.envoy.Output.String())
	t.Logf("%d of %d requests with an Origin were asked about", asked, all)
	if asked == 0 || all == 0 || asked*100 > all*mostAsked {
		t.Errorf("%d of %d requests with an Origin were asked about, want at most %d %%", asked, all, mostAsked)
	}
}

// testChange takes an origin from the policies and adds another. A preflight
// that a browser remembers lets a page go on to send, but not to read.
func (l *lab) testChange(t *testing.T, profile envoy.Profile) {
	st := l.startStack(t, envoy.Config{Profile: profile, Fail: envoy.FailClosed}, startService(t, policies))
	before, after := fmt.Sprintf("%s-%s-before", l.browser.name, profile), fmt.Sprintf("%s-%s-after", l.browser.name, profile)
	trial{
		steps: []step{
			{on: app, do: "PUT list", want: "200"},
			{on: evil, do: "PUT list", want: "blocked"},
		},
		record: record{"preflight_allowed request_allowed preflight_origin_denied", 1},
	}.run(t, l.browser, st, before)
	st.replace(t, strings.ReplaceAll(policies, app, evil))
	trial{
		steps: []step{
			{on: app, do: "GET list", want: "blocked"},
			{on: app, do: "PUT list", path: "new", want: "blocked"},
			{on: evil, do: "PUT list", want: "200"},
		},
		record: record{"request_origin_denied preflight_origin_denied preflight_allowed request_allowed", 2},
	}.run(t, l.browser, st, after)
	trial{
		steps:  []step{{on: app, do: "PUT list", want: "blocked"}},
		record: record{"preflight_allowed request_allowed preflight_origin_denied request_origin_denied", 2},
	}.run(t, l.browser, st, before)
}

// testOutage has Envoy fail open while corsgate cannot be reached: what the
// upstream grants by itself is gone then, so that no page reads anything, but what
// Envoy need not ask about.
func (l *lab) testOutage(t *testing.T, s *corsgate) {
	const nobody = "127.0.0.1:1"
	grants := "200; Access-Control-Allow-Origin: " + app + "; Access-Control-Allow-Credentials: true; Access-Control-Allow-Methods: PUT"
	for _, profile := range envoy.Profiles() {
		st := l.startStack(t, envoy.Config{Profile: profile, Fail: envoy.FailOpen, Service: nobody}, s)
		t.Run(string(profile), func(t *testing.T) {
			unasked, decided := "blocked", ""
			if profile == envoy.NoTrip {
				unasked, decided = "200", "request_allowed request_allowed preflight_allowed request_allowed request_allowed unanswered"
			}
			trial{
				steps: []step{
					{on: app, do: "GET list", answers: grants, want: unasked},
					{on: app, do: "GET private", answers: grants, options: include, want: unasked},
					{on: app, do: "PUT list", answers: grants, want: unasked},
					{on: evil, do: "GET public", answers: grant, want: unasked},
					{on: app, do: "GET regex", answers: grants, want: "blocked"},
				},
				record: record{decided, 5},
			}.run(t, l.browser, st, string(l.browser.name)+"-outage-"+string(profile))
		})
	}
}
