package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestExplainRecordings asks about what Chromium and Firefox have recorded of
// pages that met the policies beside the files.
func TestExplainRecordings(t *testing.T) {
	const folder, both = "testdata/har", ""
	const credentials = "credentials are asked for, and Access-Control-Allow-Credentials is"
	for _, tc := range []struct {
		name, browser string
		code          int
		says          []string
	}{
		{"allowed-get", both, exitOK, []string{"allowed: GET https://api.example.com/v1/orders from https://app.example.com", "with credentials: include browsers would block this"}},
		{"allowed-put", both, exitOK, []string{"allowed: PUT ", "> access-control-request-headers: content-type", "(by the upstream, request_allowed)"}},
		{"denied-get", both, exitFailure, []string{"blocked: GET ", "browsers would block this because of the answer: there is no Access-Control-Allow-Origin (request_origin_denied)"}},
		{"blocked-preflight", both, exitFailure, []string{"blocked: PUT https://api.example.com/v1/orders/1 from https://other.example.org", "> access-control-request-headers: content-type", "(preflight_origin_denied)"}},
		{"blocked-method", both, exitFailure, []string{"blocked: DELETE https://api.example.com/v1/orders/1 from https://app.example.com", "no console names the cause", "policy api does not allow the method DELETE"}},
		{"blocked-credentials-preflight", both, exitFailure, []string{"blocked: PUT ", "because of the preflight's answer: " + credentials, "which credentials: include explains"}},
		{"blocked-credentials", "chromium", exitFailure, []string{"blocked: GET ", "because of the answer: " + credentials, "which credentials: include explains"}},
		// Firefox does not record that the page could not read it.
		{"blocked-credentials", "firefox", exitOK, []string{"with credentials: include browsers would block this because of the answer: " + credentials}},
		{"form-post", both, exitOK, []string{"allowed: POST https://api.example.com/login/callback from https://other.example.org", "a navigation is not a CORS request", "not same-site"}},
		{"websocket", both, exitOK, []string{"allowed: GET wss://api.example.com/live/ from https://app.example.com", "CORS is not applied to WebSocket"}},
	} {
		for _, browser := range []string{"chromium", "firefox"} {
			if tc.browser != both && tc.browser != browser {
				continue
			}
			t.Run(browser+" "+tc.name, func(t *testing.T) {
				var out, errs output
				code := run(t.Context(), []string{"explain", "--policies", filepath.Join(folder, "policies.yaml"), "--har", filepath.Join(folder, browser+"-"+tc.name+".har")}, nil, &out, &errs)
				if code != tc.code || errs.String() != "" {
					t.Errorf("exit code %d\n%s%s", code, &out, &errs)
				}
				for _, want := range tc.says {
					if !strings.Contains(out.String(), want) {
						t.Errorf("it does not say %q:\n%s", want, &out)
					}
				}
			})
		}
	}
}
