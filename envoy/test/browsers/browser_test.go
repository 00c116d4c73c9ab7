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
		t.Run("policies that change", l.testChange)
		t.Run("an outage", func(t *testing.T) { l.testOutage(t, s) })
	})
}

// testProfile runs every trial.
func (l *lab) testProfile(t *testing.T, profile envoy.Profile, s *corsgate) {
	// No failure is hidden by forwarding.
	st := l.startStack(t, envoy.Config{Profile: profile, Fail: envoy.FailClosed}, s)
	for i, tr := range trials {
		t.Run(tr.name, func(t *testing.T) { tr.run(t, l.browser, st, fmt.Sprintf("%s-%s-%d", l.browser.name, profile, i)) })
	}
}

// testChange takes an origin from the policies and adds another. A preflight
// that a browser remembers lets a page go on to send, but not to read.
func (l *lab) testChange(t *testing.T) {
	s := startService(t, policies)
	st := l.startStack(t, envoy.Config{Profile: envoy.OneTrip, Fail: envoy.FailClosed}, s)
	trial{
		steps: []step{
			{on: app, do: "PUT list", want: "200"},
			{on: evil, do: "PUT list", want: "blocked"},
		},
		record: record{"preflight_allowed request_allowed preflight_origin_denied", 1},
	}.run(t, l.browser, st, string(l.browser.name)+"-before")
	s.replace(t, strings.ReplaceAll(policies, app, evil))
	trial{
		steps: []step{
			{on: app, do: "GET list", want: "blocked"},
			{on: app, do: "PUT list", path: "new", want: "blocked"},
			{on: evil, do: "PUT list", want: "200"},
		},
		record: record{"request_origin_denied preflight_origin_denied preflight_allowed request_allowed", 2},
	}.run(t, l.browser, st, string(l.browser.name)+"-after")
	trial{
		steps:  []step{{on: app, do: "PUT list", want: "blocked"}},
		record: record{"preflight_allowed request_allowed preflight_origin_denied request_origin_denied", 2},
	}.run(t, l.browser, st, string(l.browser.name)+"-before")
}

// testOutage has Envoy fail open while corsgate cannot be reached: what the
// upstream grants by itself is gone then, so that no page reads anything.
func (l *lab) testOutage(t *testing.T, s *corsgate) {
	const nobody = "127.0.0.1:1"
	grants := "200; Access-Control-Allow-Origin: " + app + "; Access-Control-Allow-Credentials: true; Access-Control-Allow-Methods: PUT"
	for _, profile := range envoy.Profiles() {
		st := l.startStack(t, envoy.Config{Profile: profile, Fail: envoy.FailOpen, Service: nobody}, s)
		t.Run(string(profile), func(t *testing.T) {
			trial{
				steps: []step{
					{on: app, do: "GET list", answers: grants, want: "blocked"},
					{on: app, do: "GET private", answers: grants, options: include, want: "blocked"},
					{on: app, do: "PUT list", answers: grants, want: "blocked"},
					{on: evil, do: "GET public", answers: grant, want: "blocked"},
				},
				record: record{"", 4},
			}.run(t, l.browser, st, string(l.browser.name)+"-outage-"+string(profile))
		})
	}
}
