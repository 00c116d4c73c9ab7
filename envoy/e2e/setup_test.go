package e2e

import (
	_ "embed"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/envoytest"
)

//go:embed testdata/policies.yaml
var policies string

// messageTimeout is long enough for a busy machine under the race detector.
const messageTimeout = 2 * time.Second

// setup is an Envoy with corsgate and the upstream.
type setup struct {
	name     string
	config   envoy.Config
	upstream *upstream
	service  *service
	envoy    *envoytest.Running
}

// managed are the hosts whose policy is enforced and replaces, or denies.
var managed = []string{"app.test", "public.test", "block.test", "strict.test", "debug.test", "forward.test", "*.managed.test"}

// hosts are virtual hosts that are made from the managed one.
var hosts = []testHost{
	{domain: "noroute.test", only: "/only"},
	{domain: "named.test", policy: "named"},
	{domain: "routed.test", routePolicy: "named"},
	{domain: "unknown.test", policy: "no-such-policy"},
}

// start starts an Envoy with the profile and the rest of c.
func start(t *testing.T, name string, c envoy.Config, up *upstream, s *service) *setup {
	t.Helper()
	c.Listen, c.Upstream, c.ManagedHosts = "127.0.0.1:0", up.address, managed
	if c.Service == "" {
		c.Service = s.address
	}
	if c.MessageTimeout == 0 {
		c.MessageTimeout = messageTimeout
	}
	return &setup{name: name, config: c, upstream: up, service: s, envoy: envoytest.Start(t, bootstrap(t, c, hosts...))}
}

// eachSetup runs test with each profile, and each way to match requests, at the
// same time. They share an upstream and a service.
func eachSetup(t *testing.T, test func(*testing.T, *setup)) {
	up := startUpstream(t)
	s := startService(t, "127.0.0.1:0", policies)
	for _, profile := range envoy.Profiles() {
		for _, match := range []envoy.MatchBy{envoy.ByMatcher, envoy.ByRoute} {
			name := string(profile) + "/" + string(match)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// Fail closed, so that no failure is hidden by forwarding.
				test(t, start(t, name, envoy.Config{Profile: profile, MatchBy: match, Fail: envoy.FailClosed}, up, s))
			})
		}
	}
}

// logLine is what a test reads of a line of the access log.
type logLine struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// reasons reads the reasons in the access log, by the query of the request,
// once it has that many lines.
func (s *setup) reasons(t *testing.T, lines int) map[string]string {
	t.Helper()
	var found map[string]string // :: id -> reason
	for start := time.Now(); len(found) < lines; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("the access log has %d requests, want %d", len(found), lines)
		}
		found = readLog(s.envoy.Output.String())
	}
	return found
}

func readLog(text string) map[string]string {
	found := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		var l logLine
		if json.Unmarshal([]byte(line), &l) != nil {
			continue
		}
		_, id, _ := strings.Cut(l.Path, "?")
		if l.Reason == "" {
			l.Reason = "-"
		}
		found[id] = l.Reason
	}
	return found
}
