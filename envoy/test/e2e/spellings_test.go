package e2e

import (
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

const spellingsPolicies = `policies:
- {name: calm, hosts: [calm.test, calm.below.test], cors: {allowOrigins: [https://app.example]}}
- {name: blocking, hosts: [blocking.test], deniedRequests: block, cors: {allowOrigins: [https://app.example]}}
- {name: below, hosts: ["*.below.test"], deniedRequests: block, cors: {allowOrigins: [https://app.example]}}
`

// TestOddSpellingsOfOtherHosts holds that a policy that blocks has only odd spellings
// of its own hosts refused if nobody can be asked.
func TestOddSpellingsOfOtherHosts(t *testing.T) {
	up := startUpstream(t)
	for name, shards := range map[string]int{"one": 1, "several": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configs()[noTripOne]
			c.Compiled = envoy.Compiled{Folder: t.TempDir(), Shards: shards}
			s := launch(t, name, c, up, nobody(t, "", folderOf(spellingsPolicies)), func(object) {})
			var all []exchange
			for _, host := range []string{"calm.test:9", "CALM.test", "calm.test.", "CALM.below.test"} {
				all = append(all, exchange{name: host, do: "POST " + host + "/", with: []string{allowed}, want: of("200", "seen", "needs_service", vary)})
			}
			for _, host := range []string{"blocking.test:9", "BLOCKING.test", "x.BELOW.test", "x.below.test:9"} {
				all = append(all, exchange{name: host, do: "POST " + host + "/", with: []string{allowed}, want: of("403", "unseen", "needs_service", vary)})
			}
			all = append(all, exchange{name: "unmanaged", do: "POST UNMANAGED.test:9/", with: []string{allowed}, want: of("200", "seen", "no_policy")})
			s.compare(t, all)
		})
	}
}
