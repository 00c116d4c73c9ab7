package e2e

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// TestMethodsAndSlashes tries what the generated configuration leaves to Envoy
// unless it is asked for: methods that Envoy does not know, and slashes.
func TestMethodsAndSlashes(t *testing.T) {
	up, service := startUpstream(t), startService(t, "127.0.0.1:0", policies)
	for _, profile := range envoy.Profiles() {
		for _, asked := range []bool{false, true} {
			name := string(profile) + map[bool]string{true: "/asked for"}[asked]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := envoy.Config{Profile: profile, Fail: envoy.FailClosed, AllowCustomMethods: asked, MergeSlashes: asked}
				s := start(t, name, c, up, service)
				s.testMethods(t, asked)
				s.testSlashes(t, asked)
				if warned := strings.Contains(s.envoy.Output.String(), "[warning][misc]"); warned != asked {
					t.Errorf("Envoy warned of its configuration: %v, want %v", warned, asked)
				}
			})
		}
	}
}

func (s *setup) testMethods(t *testing.T, asked bool) {
	let, refused := of("200", "seen", grants), of("400", "unseen")
	for method, want := range map[string]map[string][]string{
		"PATCH":      {"http/1": let, "http/2": let},
		"FROBNICATE": {"http/1": refused, "http/2": let}, // Envoy's list is its HTTP/1 codec's
	} {
		for client := range clients {
			lines := want[client]
			if asked {
				lines = let
			}
			e := exchange{name: method, do: method + " app.test/", with: []string{allowed}}
			for _, line := range differences(lines, e.send(t, s, client)) {
				t.Errorf("%s over %s: %s", method, client, line)
			}
		}
	}
}

// testSlashes sends a path as object stores sign it.
func (s *setup) testSlashes(t *testing.T, merged bool) {
	want := map[bool]string{false: "/bucket//key", true: "/bucket/key"}[merged]
	for client, transport := range clients {
		r, err := exchange{name: "slashes", do: "GET app.test/bucket//key", with: []string{allowed}}.request(t.Context(), s, client)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := captured(resp).Path; got != want {
			t.Errorf("over %s the upstream sees %s, want %s", client, got, want)
		}
		for _, line := range differences(grants, corsLines(resp.Header)) {
			t.Errorf("over %s: %s", client, line)
		}
		resp.Body.Close()
	}
}
