package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// list returns n entries of a format.
func list(n int, format string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

// largest are policies about as large as they compile, and one that blocks, which
// must act beside them.
func largest() []policy.Spec {
	app := policy.CORS{AllowOrigins: []string{"https://app.example"}}
	stars := policy.CORS{
		AllowOrigins:  list(1000, "https://*.tenant-with-a-long-name-%04d.example"),
		AllowMethods:  list(1200, "METHOD%04d"),
		AllowHeaders:  list(180, "x-some-header-%03d"),
		ExposeHeaders: list(900, "x-exposed-%04d"),
	}
	echoed := app
	echoed.AllowHeaders = list(32, "x-some-header-with-a-long-name-%02d")
	return []policy.Spec{
		{Name: "stars", Hosts: []string{"stars.test"}, CORS: stars},
		{Name: "echo", Hosts: []string{"echo.test"}, CORS: echoed, PreflightLists: policy.ListsRequested},
		{Name: "paths", Hosts: []string{"paths.test"}, Paths: list(2000, "/v1/some/path/that/is/long/%04d"), CORS: app},
		{Name: "hosts", Hosts: list(900, "host-with-a-long-name-%04d.test"), CORS: app},
		{Name: "block", Hosts: []string{"block.test"}, CORS: app, DeniedRequests: policy.DeniedBlock},
	}
}

// TestEnvoyTakesTheLargestPolicies holds the compiler's bounds to Envoy's: a filter
// that Envoy refused would decide about nothing.
func TestEnvoyTakesTheLargestPolicies(t *testing.T) {
	doc, err := json.Marshal(map[string]any{"policies": largest()})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, alone, configs()[noTripOne], startUpstream(t), nobody(t, "", folderOf(string(doc))))
	s.compare(t, []exchange{
		{
			name: "the last pattern and method", do: "OPTIONS stars.test/", with: []string{"Origin: https://x.tenant-with-a-long-name-0999.example", "Access-Control-Request-Method: PATCH"},
			want: of("403", "unseen", "preflight_method_denied", preVary),
		}, {
			name: "the last echoed header", do: "OPTIONS echo.test/", with: []string{allowed, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-some-header-with-a-long-name-00,x-some-header-with-a-long-name-31"},
			want: of("204", "unseen", "preflight_allowed", "access-control-allow-origin: https://app.example", "access-control-allow-headers: x-some-header-with-a-long-name-00,x-some-header-with-a-long-name-31", "access-control-allow-methods: GET", preVary),
		}, {
			name: "the last path", do: "GET paths.test/v1/some/path/that/is/long/1999/x", with: []string{allowed},
			want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://app.example", vary),
		}, {
			name: "the last host", do: "GET host-with-a-long-name-0899.test/", with: []string{allowed},
			want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://app.example", vary),
		}, {
			name: "a blocked request", do: "POST block.test/", with: []string{denied, "Sec-Fetch-Site: cross-site"},
			want: of("403", "unseen", "request_blocked", vary),
		},
	})
}
