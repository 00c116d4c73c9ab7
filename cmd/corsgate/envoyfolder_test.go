package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// writeEnvoy runs envoy-config for an Envoy without a service.
func writeEnvoy(t *testing.T, folder, policies string, more ...string) (report string) {
	t.Helper()
	var out, errs output
	args := append([]string{"envoy-config", "--profile", "no-trip", "--policies", policies, "--out", folder, "--listen", "127.0.0.1:0"}, more...)
	if code := run(t.Context(), args, nil, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, &errs)
	}
	return out.String()
}

// TestEnvoyTakesWhatIsWrittenAgain starts an Envoy with what was written, and writes
// it anew: the Envoy follows without a restart, in one file and in many.
func TestEnvoyTakesWhatIsWrittenAgain(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(answerUpstream))
	defer upstream.Close()
	for _, more := range [][]string{{"--shards", "1"}, {"--shards", "3"}, {"--shards", "1", "--reply", "lua"}} {
		t.Run(strings.Join(more, " "), func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "envoy")
			policies := filepath.Join(t.TempDir(), "p.yaml")
			more := append(more, "--upstream", upstream.Listener.Addr().String())
			allow := func(origin string) string {
				t.Helper()
				text := "policies: [{name: app, hosts: [127.0.0.1, '*.example.com'], cors: {allowOrigins: ['" + origin + "']}}]\n"
				if err := os.WriteFile(policies, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return writeEnvoy(t, folder, policies, more...)
			}
			allow("https://old.example.com")
			bootstrap, err := os.ReadFile(filepath.Join(folder, bootstrapName))
			if err != nil {
				t.Fatal(err)
			}
			e := envoytest.Start(t, bootstrap)
			base := "http://" + e.Listeners["traffic"]
			if got := ask(t, base, "https://old.example.com"); got != "https://old.example.com" {
				t.Fatalf("at the start: %q", got)
			}
			if got := ask(t, base, "https://new.example.com"); got != "" {
				t.Fatalf("a denied origin at the start: %q", got)
			}
			if report := allow("https://new.example.com"); strings.Contains(report, "kept") || !strings.Contains(report, "an Envoy that runs with it reads the filters by itself") {
				t.Errorf("the second run says:\n%s", report)
			}
			servertest.Await(t, "the new policies", func() bool { return ask(t, base, "https://new.example.com") != "" })
			if got := ask(t, base, "https://old.example.com"); got != "" {
				t.Errorf("an origin that is not listed any more: %q", got)
			}
		})
	}
}

// ask returns the Access-Control-Allow-Origin that a page's request to
// api.example.com gets.
func ask(t *testing.T, base, origin string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "api.example.com"
	req.Header.Set("Origin", origin)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return strings.Join(resp.Header.Values("Access-Control-Allow-Origin"), "|")
}
