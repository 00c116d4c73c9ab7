package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// TestShards has an Envoy without a service find the shard of each of many hosts,
// with a port, too: corsgate's own hash is that of Envoy.
func TestShards(t *testing.T) {
	const hosts = 50
	var policies strings.Builder
	policies.WriteString("policies:\n")
	for i := range hosts {
		fmt.Fprintf(&policies, "- {name: p-%[1]d, hosts: [h-%[1]d.test], cors: {allowOrigins: [https://app.example], exposeHeaders: [x-%[1]d]}}\n", i)
	}
	policies.WriteString("- {name: stars, hosts: ['*.stars.test'], cors: {allowOrigins: [https://app.example], exposeHeaders: [x-stars]}}\n")
	up := startUpstream(t)
	for _, shards := range []int{16, 1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			t.Parallel()
			c := envoy.Config{Profile: envoy.NoTrip, Compiled: envoy.Compiled{Shards: shards, Ports: []uint16{8443}}}
			s := launch(t, fmt.Sprintf("%d shards", shards), c, up, nobody(t, "", folderOf(policies.String())), func(object) {})
			for i := range hosts {
				s.exposes(t, fmt.Sprintf("h-%d.test", i), fmt.Sprintf("x-%d", i))
				s.exposes(t, fmt.Sprintf("h-%d.test:8443", i), fmt.Sprintf("x-%d", i))
				s.exposes(t, fmt.Sprintf("h-%d.stars.test", i), "x-stars")
			}
		})
	}
}

// exposes sends a request to a host, which must expose that header.
func (s *setup) exposes(t *testing.T, host, header string) {
	t.Helper()
	e := exchange{name: host, do: "GET " + host + "/", with: []string{allowed}, answers: owns}
	want := of("200", "seen", "access-control-allow-origin: https://app.example", "access-control-expose-headers: "+header, vary)
	for _, line := range differences(want, e.send(t, s, "http/1")) {
		t.Errorf("%s: %s", host, line)
	}
}
