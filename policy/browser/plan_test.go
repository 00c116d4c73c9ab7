package browser_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/browser"
)

const (
	page   = "https://app.example.com"
	target = "https://api.example.com"
)

// lines reads header lines separated by newlines.
func lines(text string) (hs browser.Headers) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		hs = append(hs, browser.Header{Name: name, Value: value})
	}
	return hs
}

func TestPlan(t *testing.T) {
	long := strings.Repeat("a", 128)
	for _, tc := range []struct {
		name, method, headers string
		upload                bool
		want                  string // the names asked for in brackets; empty: no preflight
	}{
		{name: "GET", method: "GET"},
		{name: "a method that browsers normalise", method: "post"},
		{name: "PUT", method: "PUT", want: "PUT []"},
		{name: "delete becomes DELETE", method: "delete", want: "DELETE []"},
		{name: "patch stays patch", method: "patch", want: "patch []"},
		{name: "an upload that is listened to", method: "POST", upload: true, want: "POST []"},
		{name: "names are sorted, lower-case, each once", method: "GET", headers: "X-B: 1\nx-a: 1\nX-b: 2", want: "GET [x-a,x-b]"},
		{name: "JSON", method: "POST", headers: "Content-Type: application/json", want: "POST [content-type]"},
		{name: "a form", method: "POST", headers: "Content-Type: application/x-www-form-urlencoded"},
		{name: "text with a parameter in any case", method: "POST", headers: "Content-Type: Text/Plain;charset=utf-8"},
		{name: "a type with a byte that is not safe", method: "POST", headers: "Content-Type: text/plain; a=\"b\"", want: "POST [content-type]"},
		{name: "a value of 128 bytes", method: "GET", headers: "Accept: " + long},
		{name: "a value of 129 bytes", method: "GET", headers: "Accept: a" + long, want: "GET [accept]"},
		{name: "values of 1024 bytes together", method: "GET", headers: strings.Repeat("Accept: "+long+"\n", 8)},
		{name: "values of 1025 bytes together", method: "GET", headers: strings.Repeat("Accept: "+long+"\n", 8) + "Content-Language: a", want: "GET [accept,content-language]"},
		{name: "a tab is safe, another control is not", method: "GET", headers: "Accept: a\tb"},
		{name: "another control", method: "GET", headers: "Accept: a\x01b", want: "GET [accept]"},
		{name: "languages", method: "GET", headers: "Accept-Language: de-DE, en;q=0.5"},
		{name: "no languages", method: "GET", headers: "Accept-Language: de_DE", want: "GET [accept-language]"},
		{name: "a range", method: "GET", headers: "Range: bytes=0-99"},
		{name: "a range without an end", method: "GET", headers: "Range: bytes=5-"},
		{name: "a range from the end", method: "GET", headers: "Range: bytes=-5", want: "GET [range]"},
		{name: "a range that ends before it starts", method: "GET", headers: "Range: bytes=10-9", want: "GET [range]"},
		{name: "forbidden headers are dropped", method: "GET", headers: "Cookie: a=b\nSec-X: y\nProxy-A: b\nX-Method-Override: trace"},
		{name: "an override of another method is not", method: "GET", headers: "X-Method-Override: PUT", want: "GET [x-method-override]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: tc.method, Headers: lines(tc.headers), UsePreflight: tc.upload})
			got := ""
			if p.Preflight {
				method, _ := p.PreflightHeaders().Get("Access-Control-Request-Method")
				names, _ := p.PreflightHeaders().Get("Access-Control-Request-Headers")
				got = method + " [" + names + "]"
			}
			if got != tc.want || p.Refused != "" {
				t.Errorf("the preflight is %q, want %q; refused: %q", got, tc.want, p.Refused)
			}
		})
	}
}

func TestPlanDropsForbiddenHeaders(t *testing.T) {
	p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: "GET", Headers: lines("Origin: x\nX-A: 1\nHost: y")})
	if diff := cmp.Diff([]string{"origin", "host"}, p.Dropped); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(lines("X-A: 1"), p.Headers); diff != "" {
		t.Error(diff)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, tc := range []struct{ name, method, header string }{
		{"a forbidden method", "TRACE", "X-A"},
		{"a forbidden method in any case", "connect", "X-A"},
		{"a method that is no token", "GE T", "X-A"},
		{"a header name that is no token", "GET", "X A"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: tc.method, Headers: browser.Headers{{Name: tc.header}}})
			if p.Refused == "" || p.Preflight {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestPlanOfTheOwnOrigin(t *testing.T) {
	p := browser.MakePlan(browser.Request{Origin: target, Target: target, Method: "PUT", Headers: lines("X-A: 1"), Credentials: browser.Include})
	if p.CrossOrigin || p.Preflight || !p.SendsOrigin() {
		t.Errorf("%+v", p)
	}
	r := browser.Response{Status: 200, Headers: lines("X-Any: a\nSet-Cookie: b")}
	if v := p.CheckResponse(r); v.Blocked {
		t.Errorf("%+v", v)
	}
	seen, hidden := p.Readable(r)
	if diff := cmp.Diff(lines("X-Any: a"), seen) + cmp.Diff([]string{"set-cookie"}, hidden); diff != "" {
		t.Error(diff)
	}
	if p := browser.MakePlan(browser.Request{Origin: target, Target: target, Method: "GET"}); p.SendsOrigin() {
		t.Error("a page's GET of its own origin has an Origin")
	}
	if p := browser.MakePlan(browser.Request{Origin: "null", Target: target, Method: "GET"}); !p.CrossOrigin {
		t.Error("an opaque origin is the target's")
	}
}

// TestChromiumSafelistsMore has what Chromium 156 sent without a preflight;
// Firefox 153 and WebKit 2.50 asked for each of these.
func TestChromiumSafelistsMore(t *testing.T) {
	for header, safe := range map[string]bool{
		"User-Agent: mine": true, "Save-Data: on": true, "Save-Data: off": false, "DPR: 1": true, "DPR: x": false, "Device-Memory: 8": true,
		"Device-Memory: x": false, "Width: 10": true, "Width: x": false, "Viewport-Width: 10": true, "RTT: 10": true, "RTT: x": false,
		"Downlink: 1.5": true, "ECT: 4g": true, "ECT: x": false, "Intervention: x": true,
		"Lang: en": false, "Purpose: prefetch": false, "Priority: u=1": false, "Cache-Control: no-cache": false,
	} {
		for _, engine := range browser.Engines() {
			p := browser.MakePlan(browser.Request{Engine: engine, Origin: page, Target: target, Method: "GET", Headers: lines(header + "\nX-A: 1")})
			name, _, _ := strings.Cut(strings.ToLower(header), ":")
			names, _ := p.PreflightHeaders().Get("Access-Control-Request-Headers")
			want := !safe || engine != browser.Chromium
			if got := slices.Contains(strings.Split(names, ","), name); got != want {
				t.Errorf("%s asks for %s with %q, want %t", engine, names, header, want)
			}
		}
	}
}

// TestChromiumListensToUploadsOnly: the others ask for a GET, too, which has no
// body.
func TestChromiumListensToUploadsOnly(t *testing.T) {
	for _, engine := range browser.Engines() {
		for method, want := range map[string]bool{"POST": true, "GET": engine != browser.Chromium, "head": engine != browser.Chromium} {
			p := browser.MakePlan(browser.Request{Engine: engine, Origin: page, Target: target, Method: method, UsePreflight: true})
			if p.Preflight != want {
				t.Errorf("%s has a preflight for %s: %t", engine, method, p.Preflight)
			}
		}
	}
}

func TestWebKitLoadsFontsWithoutCORS(t *testing.T) {
	for _, engine := range browser.Engines() {
		p := browser.MakePlan(browser.Request{Engine: engine, Origin: page, Target: target, Method: "GET", Font: true})
		v := p.CheckResponse(browser.Response{Status: 200})
		if without := engine == browser.WebKit; v.Blocked == without || p.SendsOrigin() == without {
			t.Errorf("%s: %+v, with an Origin: %t", engine, v, p.SendsOrigin())
		}
	}
}
