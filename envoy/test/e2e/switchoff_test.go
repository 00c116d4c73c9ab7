package e2e

import (
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// TestSwitchedOff has a virtual host switch the filters off, as the runbook
// says: Envoy asks nobody, and the upstream's own headers come through.
func TestSwitchedOff(t *testing.T) {
	up := startUpstream(t)
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) {
		s := launch(t, name, c, up, nobody(t, envoytest.FreeAddress(), folderOf(policies)), switchOff)
		got := map[string][]string{} // :: id -> lines
		table := []exchange{
			{name: "a request", do: "GET app.test/", with: []string{allowed}, answers: owns},
			{name: "a preflight", do: "OPTIONS app.test/", with: []string{allowed, asksPut}, answers: owns},
			{name: "no origin", do: "GET app.test/", answers: owns},
		}
		for _, e := range table {
			got[e.id(s, "http/1")] = e.send(t, s, "http/1")
		}
		reasons := s.reasons(t, len(got))
		for id, lines := range got {
			for _, line := range differences(unasked("200", "seen", owned), append(lines, reasons[id])) {
				t.Errorf("%s: %s", id, line)
			}
		}
	})
}

// switchOff switches the filters off in all virtual hosts, and in their routes.
func switchOff(b object) {
	off := func() object {
		return object{"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}
	}
	for _, host := range manager(b)["route_config"].(object)["virtual_hosts"].([]any) {
		for _, part := range append([]any{host}, host.(object)["routes"].([]any)...) {
			part.(object)["typed_per_filter_config"] = object{"corsgate": off(), "corsgate.decide": off(), "corsgate.static": off()}
		}
	}
}
