package console_test

import (
	"net/http"
	"strings"
	"testing"
)

// everyPage are pages of each view, and the files.
var everyPage = []string{
	"/console/", "/console/policies", "/console/policies/api", "/console/denied",
	"/console/draft", "/console/live", "/console/static/live.js", "/console/try", "/console/try?url=closed.test&origin=https://app.test:8443&credentials=include", "/console/nothing",
	"/console/static/style.css",
}

func TestEachPageIsStrict(t *testing.T) {
	l := newLab(t, specs...)
	for _, path := range everyPage {
		resp, body := l.ask(t, "GET", path, "")
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		csp := resp.Header.Get("Content-Security-Policy")
		wants(t, csp, "default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'")
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: %s", path, csp)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: a page of another origin may read it", path)
		}
		for _, inline := range []string{"<style", "style=", "onclick", "javascript:", "src=\"http", "href=\"http", "url("} {
			if strings.Contains(strings.ReplaceAll(body, `href="https://fetch.spec.whatwg.org/`, ""), inline) {
				t.Errorf("%s has %s", path, inline)
			}
		}
	}
}

func TestPagesOfOtherSitesAskInVain(t *testing.T) {
	l := newLab(t, specs...)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"a link of another site": {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		"typed by hand":          {[]string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		"its own page":           {[]string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}, 200},
		"a frame":                {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, 403},
		"a script":               {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}, 403},
		"another port":           {[]string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}, 403},
	} {
		for _, path := range []string{"/console/", "/console/policies"} {
			if resp, _ := l.ask(t, http.MethodGet, path, "", c.headers...); resp.StatusCode != c.status {
				t.Errorf("%s: %s: %d, want %d", name, path, resp.StatusCode, c.status)
			}
		}
	}
}
