package browsers

import (
	"fmt"
	"strings"
)

// Headers that are not safelisted need a preflight, and Authorization its own name (Fetch, section Headers).
var headers = []trial{
	{
		name:   "a header that is listed",
		steps:  []step{{on: app, do: "GET list", with: "X-Token: t", want: "200", sent: "x-token: t"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name: "all headers that are listed",
		steps: []step{{
			on: app, do: "PUT list", with: "X-Token: t; Content-Type: application/json; Authorization: Bearer t", body: "{}",
			want: "200", sent: "authorization: Bearer t; content-type: application/json",
		}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "a header that is not listed",
		steps:  []step{{on: app, do: "GET list", with: "X-Token: t; X-Evil: e", want: "blocked", console: refused}},
		record: record{"preflight_header_denied", 0},
	}, {
		name:   "JSON where Content-Type is not listed",
		steps:  []step{{on: app, do: "POST minimal", with: "Content-Type: application/json", body: "{}", want: "blocked"}},
		record: record{"preflight_header_denied", 0},
	}, {
		name:   "text needs no preflight",
		steps:  []step{{on: app, do: "POST minimal", with: "Content-Type: text/plain", body: "x", want: "200"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "a simple range needs no preflight",
		steps:  []step{{on: app, do: "GET minimal", with: "Range: bytes=0-99", want: "200", sent: "range: bytes=0-99"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "another range does",
		steps:  []step{{on: app, do: "GET minimal", with: "Range: bytes=abc-def", want: "blocked"}},
		record: record{"preflight_header_denied", 0},
	}, {
		name:   "a long safelisted header needs a preflight",
		steps:  []step{{on: app, do: "GET minimal", with: "Accept-Language: " + long, want: "blocked"}},
		record: record{"preflight_header_denied", 0},
	}, {
		name: "forbidden headers are left out by browsers",
		steps: []step{{
			on: app, do: "GET minimal", with: "Cookie: a=b; Origin: https://evil.corp.test; Access-Control-Request-Method: PUT; Sec-X: y",
			want: "200", unsent: "cookie, sec-x, access-control-request-method", sent: "origin: " + app,
		}},
		record: record{"request_allowed", 1},
	}, {
		name:   "any header",
		steps:  []step{{on: app, do: "GET stars", with: "X-Any: a; X-Other: o", want: "200", sent: "x-any: a; x-other: o"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name: "any header with credentials",
		steps: []step{{
			on: app, do: "GET stars-private", with: "X-Any: a; X-Other: o", options: include,
			want: "200", sent: "x-any: a; x-other: o",
		}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "Authorization that is listed",
		steps:  []step{{on: app, do: "GET list", with: "Authorization: Bearer t", want: "200", sent: "authorization: Bearer t"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "Authorization is no header that a star stands for",
		steps:  []step{{on: app, do: "GET stars", with: "Authorization: Bearer t", want: "blocked"}},
		record: record{"preflight_header_denied", 0},
	}, {
		name: "Authorization beside the star",
		steps: []step{{
			on: app, do: "GET stars-authorization", with: "Authorization: Bearer t; X-Any: a",
			want: "200", sent: "authorization: Bearer t; x-any: a",
		}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name: "an application's star does not stand for Authorization, says the standard",
		steps: []step{{
			on: app, do: "GET plain", with: "Authorization: Bearer t", answers: grant + "; Access-Control-Allow-Headers: *",
			want: "blocked",
		}},
		record: record{"no_policy", 1},
		facts:  facts{chromium: starForAll, firefox: starForAll, webkit: starForAll},
	}, {
		name: "headers that browsers send by themselves need a preflight when a page sets them",
		steps: []step{
			{on: app, do: "GET minimal", with: "User-Agent: a page", want: "blocked", console: refused},
			{on: app, do: "GET minimal", with: "DPR: 2", want: "blocked", console: refused},
			{on: app, do: "GET minimal", with: "Save-Data: on", want: "blocked", console: refused},
		},
		record: record{"preflight_header_denied preflight_header_denied preflight_header_denied", 0},
		facts: facts{chromium: {
			why: "its own User-Agent and client hints are safelisted", want: "200",
			record: record{"request_allowed request_allowed request_allowed", 3},
		}},
	}, {
		name:   "many headers",
		steps:  []step{{on: app, do: "GET stars-private", with: headerLines(60), options: include, want: "200", sent: "x-1: v; x-60: v"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "more headers than a preflight may ask for",
		steps:  []step{{on: app, do: "GET stars-private", with: headerLines(129), options: include, want: "blocked"}},
		record: record{"preflight_malformed", 0},
	}, {
		name: "Authorization and a star with credentials",
		steps: []step{{
			on: app, do: "GET stars-private", with: "Authorization: Bearer t", options: include,
			want: "200", sent: "authorization: Bearer t",
		}},
		record: record{"preflight_allowed request_allowed", 1},
	},
}

// starForAll is what every browser does, whatever the standard says.
var starForAll = fact{why: "a star stands for every header", want: "200", record: record{"no_policy no_policy", 2}}

// long is a value that is longer than the 128 bytes that a safelisted header may
// have (Fetch, section CORS-safelisted request-header).
var long = "en" + strings.Repeat(", en", 33)

// headerLines returns the header lines "X-1: v" to "X-<n>: v". Envoy takes a
// hundred headers.
func headerLines(n int) string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("X-%d: v", i+1)
	}
	return strings.Join(lines, "; ")
}

// A page sees the CORS-safelisted response headers and those that are exposed (Fetch, section Headers).
var exposed = []trial{
	{
		name: "headers that are exposed, safelisted, and neither",
		steps: []step{{
			on: app, do: "GET list", answers: many, want: "200",
			shows: "x-total: 7; content-language: de; cache-control: no-store", hides: "x-secret, etag, set-cookie",
		}},
		record: record{"request_allowed", 1},
	}, {
		name: "headers that are exposed with credentials",
		steps: []step{{
			on: app, do: "GET private", options: include, answers: many,
			want: "200", shows: "x-total: 7", hides: "x-secret, set-cookie",
		}},
		record: record{"request_allowed", 1},
	}, {
		name:   "headers that are exposed to everybody",
		steps:  []step{{on: evil, do: "GET public", answers: many, want: "200", shows: "x-total: 7", hides: "x-secret"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "every header",
		steps:  []step{{on: app, do: "GET stars", answers: many, want: "200", shows: `x-total: 7; x-secret: s; etag: "e"`, hides: "set-cookie"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "no header where none is exposed",
		steps:  []step{{on: app, do: "GET minimal", answers: many, want: "200", shows: "content-language: de", hides: "x-total, x-secret, etag"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "headers after a preflight",
		steps:  []step{{on: app, do: "PUT list", answers: many, want: "200", shows: "x-total: 7", hides: "x-secret"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name: "what the upstream exposes by itself is not",
		steps: []step{{
			on: app, do: "GET list", answers: many + "; Access-Control-Expose-Headers: X-Secret",
			want: "200", shows: "x-total: 7", hides: "x-secret",
		}},
		record: record{"request_allowed", 1},
	},
}

// many is an answer with headers of every kind.
const many = `200; X-Total: 7; X-Secret: s; Etag: "e"; Content-Language: de; Cache-Control: no-store; Set-Cookie: a=b`

// setsCookie is an answer with a cookie for pages of other sites, and the paths
// of this trial only. Chromium keeps one that is not partitioned from them.
const setsCookie = "200; Set-Cookie: sid=42;SameSite=None;Secure;Partitioned"

// Fetch, section CORS protocol and credentials: no star counts, and a preflight never carries them.
var credentials = []trial{
	{
		name: "a cookie comes back with credentials only",
		steps: []step{
			{on: app, do: "POST private", options: include, answers: setsCookie, want: "200", unsent: "cookie"},
			{on: app, do: "GET private", options: include, want: "200", sent: "cookie: sid=42"},
			{on: shop, do: "GET private", options: include, want: "200", sent: "cookie: sid=42"},
			{on: app, do: "GET private", want: "200", unsent: "cookie"},
		},
		record: record{"request_allowed request_allowed request_allowed request_allowed", 4},
	}, {
		name: "a cookie after a preflight, which has none",
		steps: []step{
			{on: app, do: "GET private", options: include, answers: setsCookie, want: "200"},
			{on: app, do: "PUT private", options: include, with: "X-Token: t", want: "200", sent: "cookie: sid=42; x-token: t"},
		},
		record: record{"request_allowed preflight_allowed request_allowed", 2},
	}, {
		name: "an unknown origin cannot read with a cookie",
		steps: []step{
			{on: app, do: "GET private", options: include, answers: setsCookie, want: "200"},
			{on: evil, do: "GET private", options: include, want: "blocked"},
			{on: evil, do: "PUT private", options: include, want: "blocked"},
		},
		record: record{"request_allowed request_origin_denied preflight_origin_denied", 2},
	}, {
		name:   "credentials where a policy has none",
		steps:  []step{{on: app, do: "GET list", options: include, want: "blocked", console: noCredentials}},
		record: record{"request_allowed", 1},
	}, {
		name:   "a preflight for credentials where a policy has none",
		steps:  []step{{on: app, do: "PUT list", options: include, want: "blocked", console: noCredentials}},
		record: record{"preflight_allowed", 0},
	}, {
		name:   "credentials and a public policy",
		steps:  []step{{on: app, do: "GET public", options: include, want: "blocked", console: starWithCredentials}},
		record: record{"request_allowed", 1},
	}, {
		name: "the upstream's own credentials header is removed",
		steps: []step{{
			on: app, do: "GET list", options: include, answers: "200; Access-Control-Allow-Credentials: true",
			want: "blocked", console: noCredentials,
		}},
		record: record{"request_allowed", 1},
	}, {
		name: "XHR with credentials",
		steps: []step{{
			on: app, by: "xhr", do: "GET private", options: include, answers: many,
			want: "200", shows: "x-total: 7", hides: "x-secret",
		}},
		record: record{"request_allowed", 1},
	}, {
		name:   "XHR with credentials where a policy has none",
		steps:  []step{{on: app, by: "xhr", do: "GET list", options: include, want: "blocked", console: noCredentials}},
		record: record{"request_allowed", 1},
	},
}
