package e2e

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// While corsgate is down and Envoy fails open, the upstream's own headers are
// stripped and nothing is granted; the access log says that it was not answered.
// In no-trip Envoy goes on to decide what it need not ask about, and refuses what
// a policy may block.
var failedOpen = []exchange{
	{
		name: "an allowed origin", do: "GET app.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("200", "seen", "request_allowed", grants)},
	}, {
		name: "an unknown origin", do: "GET app.test/", with: []string{denied}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("200", "seen", "request_origin_denied", vary)},
	}, {
		name: "a preflight", do: "OPTIONS app.test/", with: []string{allowed, asksPut}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("204", "unseen", "preflight_allowed", grantsPreflight)},
	}, {
		name: "an origin that every profile asks about", do: "GET app.test/", with: []string{asked}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
	}, {
		name: "a preflight of one", do: "OPTIONS app.test/", with: []string{asked, asksPut}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
	}, {
		name: "what may be blocked", do: "POST block.test/", with: []string{asked}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("403", "unseen", "unanswered", vary)},
	}, {
		name: "a preflight of what may be blocked", do: "OPTIONS block.test/", with: []string{asked, asksPut}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("403", "unseen", "unanswered", vary)},
	}, {
		name: "what is safe where the rest may be blocked", do: "GET block.test/", with: []string{asked}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
	}, {
		name: "what the site sends to itself", do: "POST block.test/", with: []string{asked, fromSite}, answers: owns,
		want: of("200", "seen", "unanswered", vary),
	}, {
		name: "Vary of the upstream", do: "GET app.test/", with: []string{asked}, answers: "200; Vary: Accept",
		want: of("200", "seen", "unanswered", "vary: Accept, Origin"),
	}, {
		name: "a local reply", do: "GET app.test/limited", with: []string{asked},
		want: of("429", "unseen", "unanswered", vary),
	}, {
		name: "no origin", do: "GET app.test/", answers: owns,
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "unanswered", vary)},
	}, {
		name: "no origin and a policy that the virtual host names", do: "POST named.test/", answers: owns,
		want: unasked("200", "seen", vary),
		but: map[string][]string{
			twoPhase: of("200", "seen", "unanswered", vary),
			noTrip:   of("200", "seen", "unanswered", vary), // no policy blocks it
		},
	}, {
		name: "no origin and an unmanaged host", do: "GET plain.test/", answers: owns,
		want: unasked("200", "seen", owned),
		but:  map[string][]string{twoPhase: of("200", "seen", "unanswered", vary)}, // every request depends on corsgate
	}, {
		name: "an unmanaged host", do: "GET plain.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "unanswered", vary), // Envoy knows no policies
		but:  map[string][]string{noTrip: of("200", "seen", "no_policy", owned)},
	},
}

// While it fails closed, nothing that needs a decision reaches the upstream.
var failedClosed = []exchange{
	{
		name: "an allowed origin", do: "GET app.test/", with: []string{allowed}, answers: owns,
		want: of("503", "unseen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("200", "seen", "request_allowed", grants)},
	}, {
		name: "a preflight", do: "OPTIONS app.test/", with: []string{allowed, asksPut}, answers: owns,
		want: of("503", "unseen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("204", "unseen", "preflight_allowed", grantsPreflight)},
	}, {
		name: "an origin that every profile asks about", do: "GET app.test/", with: []string{asked}, answers: owns,
		want: of("503", "unseen", "unanswered", vary),
	}, {
		name: "a preflight of one", do: "OPTIONS app.test/", with: []string{asked, asksPut}, answers: owns,
		want: of("503", "unseen", "unanswered", vary),
	}, {
		name: "what may be blocked", do: "POST block.test/", with: []string{asked}, answers: owns,
		want: of("503", "unseen", "unanswered", vary),
		but:  map[string][]string{noTrip: of("403", "unseen", "unanswered", vary)},
	}, {
		name: "no origin", do: "GET app.test/", answers: owns,
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("503", "unseen", "unanswered", vary)},
	},
}

func TestOutage(t *testing.T) {
	up := startUpstream(t)
	for mode, table := range map[envoy.FailureMode][]exchange{envoy.FailOpen: failedOpen, envoy.FailClosed: failedClosed} {
		t.Run(string(mode), func(t *testing.T) {
			eachConfig(t, func(t *testing.T, name string, c envoy.Config) {
				c.Fail = mode
				s := start(t, name+"/"+string(mode), c, up, nobody(t, envoytest.FreeAddress(), folderOf(policies)))
				got := map[string][]string{} // :: id -> lines
				for _, e := range table {
					got[e.id(s, "http/1")] = e.send(t, s, "http/1")
				}
				reasons := s.reasons(t, len(got))
				for _, e := range table {
					id := e.id(s, "http/1")
					for _, line := range differences(e.wanted(s), append(got[id], reasons[id])) {
						t.Errorf("%s: %s", e.name, line)
					}
				}
			})
		})
	}
}

// TestUnixSocket has Envoy reach corsgate by a socket instead of a port.
func TestUnixSocket(t *testing.T) {
	for _, profile := range envoy.Profiles() {
		service := startService(t, "unix://"+filepath.Join(t.TempDir(), "corsgate.sock"), policies)
		s := start(t, "socket", envoy.Config{Profile: profile, Fail: envoy.FailClosed}, startUpstream(t), service)
		becomes(t, s, string(profile), of("200", "seen", grantsAsked))
	}
}

// TestRestart stops corsgate and starts it again at the same address: Envoy
// finds out by itself, both times.
func TestRestart(t *testing.T) {
	for _, profile := range envoy.Profiles() {
		t.Run(string(profile), func(t *testing.T) {
			t.Parallel()
			up := startUpstream(t)
			first := startService(t, envoytest.FreeAddress(), policies)
			s := start(t, "restart", envoy.Config{Profile: profile}, up, first)
			granted, stripped := of("200", "seen", grantsAsked), of("200", "seen", vary)
			becomes(t, s, "before", granted)
			first.stop()
			becomes(t, s, "between", stripped)
			foundDead(t, s)
			startService(t, first.address, policies)
			becomes(t, s, "after", granted)
		})
	}
}

// foundDead waits until Envoy's health checks have found corsgate dead.
func foundDead(t *testing.T, s *setup) {
	t.Helper()
	servertest.Await(t, "corsgate is taken for dead", func() bool {
		resp, err := http.Get("http://" + s.envoy.Admin + "/clusters")
		if err != nil {
			t.Fatal(err)
		}
		clusters, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(clusters, []byte("::health_flags::/failed_active_hc"))
	})
}

// becomes waits until an allowed request that is asked about is answered as wanted.
func becomes(t *testing.T, s *setup, when string, want []string) {
	t.Helper()
	e := exchange{name: when, do: "GET app.test/", with: []string{asked}, answers: owns}
	slices.Sort(want)
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		lines := differences(want, e.send(t, s, "http/1"))
		if len(lines) == 0 {
			return
		}
		if time.Since(start) > servertest.Patience {
			t.Fatalf("%s: %q", when, lines)
		}
	}
}
