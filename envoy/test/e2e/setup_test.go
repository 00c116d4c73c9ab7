package e2e

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

//go:embed testdata/policies.yaml
var policies string

// setup is an Envoy with corsgate and the upstream.
type setup struct {
	name     string
	config   envoy.Config
	upstream *upstream
	service  *corsgate
	envoy    *envoytest.Running
}

// managed are the hosts whose policy is enforced and replaces, or denies.
var managed = []string{"app.test", "public.test", "block.test", "strict.test", "debug.test", "forward.test",
	"star.test", "lists.test", "status.test", "overlaid.test", "web.test", "*.managed.test"}

// hosts are virtual hosts that are made from the managed one.
var hosts = []testHost{
	{domain: "noroute.test", only: "/only"},
	{domain: "named.test", policy: "named"},
	{domain: "routed.test", routePolicy: "named"},
	{domain: "twice.test", policy: "app", routePolicy: "named"},
	{domain: "beside.test", policy: "named", routeSays: object{"owner": "shop"}},
	{domain: "empty.test", policy: "named", routeSays: object{"policy": ""}},
	{domain: "null.test", policy: "named", routeSays: object{"policy": nil}},
	{domain: "number.test", policy: "named", routeSays: object{"policy": 2024}},
	{domain: "unknown.test", policy: "no-such-policy"},
}

// start starts an Envoy with the profile and the rest of c.
func start(t *testing.T, name string, c envoy.Config, up *upstream, s *corsgate) *setup {
	t.Helper()
	c.ManagedHosts = managed
	return launch(t, name, c, up, s, func(b object) { amend(b, hosts) })
}

// launch starts an Envoy with a bootstrap that change has changed.
func launch(t *testing.T, name string, c envoy.Config, up *upstream, s *corsgate, change func(object)) *setup {
	t.Helper()
	c.Listen, c.Upstream, c.Service = "127.0.0.1:0", up.address, s.address
	if c.MessageTimeout == 0 {
		c.MessageTimeout = envoytest.MessageTimeout
	}
	if c.Profile == envoy.NoTrip {
		c.ManagedHosts = nil // it knows the policies' hosts
		if c.Compiled.Folder == "" {
			c.Compiled.Folder, c.Compiled.NamedPolicies, c.Compiled.PolicyNames = t.TempDir(), true, true
		}
		envoytest.WriteFilters(t, c, envoytest.Set(t, s.folder))
	}
	b := generate(t, c)
	change(b)
	return &setup{name: name, config: c, upstream: up, service: s, envoy: envoytest.Start(t, encode(t, b))}
}

// address is where the Envoy listens.
func (s *setup) address() string { return s.envoy.Listeners["traffic"] }

// eachSetup runs test with each of configs, and with no-trip without a service,
// at the same time. They share an upstream, and a service.
func eachSetup(t *testing.T, test func(*testing.T, *setup)) {
	up := startUpstream(t)
	s := startService(t, "127.0.0.1:0", policies)
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) { test(t, start(t, name, c, up, s)) })
	t.Run(alone, func(t *testing.T) {
		t.Parallel()
		test(t, start(t, alone, configs()[noTripOne], up, nobody(t, "", folderOf(policies))))
	})
}

// eachConfig runs test with each of configs at the same time.
func eachConfig(t *testing.T, test func(t *testing.T, name string, c envoy.Config)) {
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name, c)
		})
	}
}

// configs are each profile and each way to match requests, by name; no-trip, which
// matches by itself, is there as one filter and as several. They fail closed, so
// that no failure is hidden by forwarding, and let every method through.
func configs() map[string]envoy.Config {
	all := map[string]envoy.Config{
		noTripOne:    {Profile: envoy.NoTrip},
		noTripShards: {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Shards: 16, Ports: []uint16{8443}, Reply: notrip.ByLua}},
	}
	for _, profile := range []envoy.Profile{envoy.OneTrip, envoy.TwoPhase, envoy.ExtAuthz} {
		for _, match := range []envoy.MatchBy{envoy.ByMatcher, envoy.ByRoute} {
			all[string(profile)+"/"+string(match)] = envoy.Config{Profile: profile, MatchBy: match}
		}
	}
	for name, c := range all {
		c.Fail, c.AllowCustomMethods = envoy.FailClosed, true
		all[name] = c
	}
	return all
}

// logLine is what a test reads of a line of the access log.
type logLine struct {
	Case          string `json:"case"`
	Policy        string `json:"policy"`
	Reason        string `json:"reason"`
	Origin        string `json:"origin"`
	Asked         string `json:"asked"` // in no-trip, empty if nobody was asked
	ShadowPolicy  string `json:"shadow_policy"`
	ShadowReason  string `json:"shadow_reason"`
	ShadowDiffers bool   `json:"shadow_differs"`
}

// reasons reads the reasons in the access log by case, once it has that many.
func (s *setup) reasons(t *testing.T, cases int) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	for id, line := range awaitLog(t, s.envoy, cases) {
		reasons[id] = cmp.Or(line.Reason, "-")
	}
	return reasons
}

// awaitLog reads the access log by case, once it has that many.
func awaitLog(t *testing.T, e *envoytest.Running, cases int) map[string]logLine {
	t.Helper()
	var found map[string]logLine // :: case
	servertest.Await(t, fmt.Sprintf("an access log of %d cases", cases), func() bool {
		found = readLog(e.Output.String())
		return len(found) >= cases
	})
	return found
}

func readLog(text string) map[string]logLine {
	found := map[string]logLine{}
	for _, line := range strings.Split(text, "\n") {
		var l logLine
		if json.Unmarshal([]byte(line), &l) == nil && l.Case != "" {
			found[l.Case] = l
		}
	}
	return found
}
