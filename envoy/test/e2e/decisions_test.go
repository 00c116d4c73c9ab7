package e2e

import (
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// TestDecisionsOfTwoTries counts the decisions where Envoy asks the upstream
// twice: a retry needs none of its own, and a redirect that Envoy follows is
// another request.
func TestDecisionsOfTwoTries(t *testing.T) {
	seen := &decisions{}
	up, service := startUpstream(t), serve(t, "127.0.0.1:0", folderOf(policies), seen)
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) {
		s := start(t, name, c, up, service)
		for _, tc := range []struct {
			path, answers string
			decided       []string // paths
		}{
			{"/once?", "200", []string{"/once?"}},
			{"/retried?", "503 | 200", []string{"/retried?"}},
			{"/followed?", "302; Location: http://app.test/after?" + name + " | 200", []string{"/followed?", "/after?"}},
		} {
			e := exchange{name: tc.path, do: "GET app.test" + tc.path + name, with: []string{asked}, answers: tc.answers, want: of("200", "seen", grantsAsked)}
			for _, line := range differences(e.wanted(s), e.send(t, s, "http/1")) {
				t.Errorf("%s: %s", tc.path, line)
			}
			if got, want := up.requests(e.id(s, "http/1")), len(parseAnswers(tc.answers)); got != want {
				t.Errorf("%s: the upstream saw %d requests, want %d", tc.path, got, want)
			}
			for _, path := range tc.decided {
				if n := seen.of(path + name); n != 1 {
					t.Errorf("%s: %d decisions on %s, want 1", tc.path, n, path)
				}
			}
		}
	})
}
