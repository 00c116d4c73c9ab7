package e2e

import (
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// TestContextExtensions names the policy in the context extensions of a route,
// beside those of the virtual host: only ext_authz has them.
func TestContextExtensions(t *testing.T) {
	up, service := startUpstream(t), startService(t, "127.0.0.1:0", policies)
	hosts := []testHost{
		{domain: "context.test", routeContext: "named"},
		{domain: "both.test", policy: "app", routeContext: "named"},
		{domain: "metadata.test", routePolicy: "named", routeContext: "app"},
	}
	named := of("200", "seen", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary)
	for _, match := range []envoy.MatchBy{envoy.ByMatcher, envoy.ByRoute} {
		t.Run(string(match), func(t *testing.T) {
			t.Parallel()
			c := envoy.Config{Profile: envoy.ExtAuthz, MatchBy: match, Fail: envoy.FailClosed}
			s := launch(t, string(match), c, up, service, func(b object) { addHosts(b, hosts) })
			for _, e := range []exchange{
				{name: "a route names the policy", do: "GET context.test/", with: []string{"Origin: https://named.example"}, answers: owns, want: named},
				{name: "it is the only policy", do: "GET context.test/", with: []string{allowed}, answers: owns, want: of("200", "seen", vary)},
				{name: "it answers preflights", do: "OPTIONS context.test/", with: []string{"Origin: https://named.example", "Access-Control-Request-Method: GET"},
					want: of("204", "unseen", named[2:4], preVary)},
				{name: "bytes that are no text stay bytes", do: "GET context.test/", with: []string{"Origin: https://named.example\xff"}, want: of("200", "seen", vary)},
				{name: "a route's name beats the virtual host's", do: "GET both.test/", with: []string{"Origin: https://named.example"}, want: named},
				{name: "metadata beats a context extension", do: "GET metadata.test/", with: []string{"Origin: https://named.example"}, want: named},
			} {
				for _, line := range differences(e.wanted(s), e.send(t, s, "http/1")) {
					t.Errorf("%s: %s", e.name, line)
				}
			}
		})
	}
}
