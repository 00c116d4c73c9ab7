package browsers

import "github.com/corsgate/corsgate/envoy"

// cacheable is an answer that may be kept, and seen again.
const cacheable = "200; Cache-Control: max-age=600; X-Total: 7"

// The pages of one site share the browser's cache, so that only Vary keeps their
// answers apart (Fetch, section CORS protocol and HTTP caches).
var httpCache = []trial{
	{
		name:   "an answer that may be kept is not asked for twice",
		steps:  []step{{on: app, do: "GET list", answers: cacheable, want: "200"}, {on: app, do: "GET list", answers: cacheable, want: "200"}},
		record: record{"request_allowed", 1},
	}, {
		name: "an answer that is kept for one origin does not do for another",
		steps: []step{
			{on: app, do: "GET list", answers: cacheable, want: "200"},
			{on: shop, do: "GET list", answers: cacheable, want: "200", shows: "x-total: 7", sent: "origin: " + shop},
		},
		record: record{"request_allowed request_allowed", 2},
	}, {
		name: "an answer that is kept for an allowed origin is not for an unknown one",
		steps: []step{
			{on: app, do: "GET list", answers: cacheable, want: "200"},
			{on: evil, do: "GET list", answers: cacheable, want: "blocked"},
		},
		record: record{"request_allowed request_origin_denied", 2},
	}, {
		name: "an answer that is kept for an unknown origin does not keep an allowed one out",
		steps: []step{
			{on: evil, do: "GET list", answers: cacheable, want: "blocked"},
			{on: app, do: "GET list", answers: cacheable, want: "200"},
		},
		record: record{"request_origin_denied request_allowed", 2},
	}, {
		name: "an answer that is kept for a request without an origin does not keep an allowed one out",
		steps: []step{
			{on: app, by: "image", do: "GET list", answers: cacheable, want: "opaque"},
			{on: app, do: "GET list", answers: cacheable, want: "200"},
		},
		record: record{"request_allowed", 2},
	}, {
		name: "an answer that is kept for a request in no-cors mode does not keep an allowed one out",
		steps: []step{
			{on: app, do: "GET private", options: map[string]string{"mode": "no-cors", "credentials": "include"}, answers: cacheable, want: "opaque"},
			{on: app, do: "GET private", options: include, answers: cacheable, want: "200"},
		},
		record: record{"request_allowed", 2},
	}, {
		name: "a public answer that is kept does for all",
		steps: []step{
			{on: app, do: "GET public", answers: cacheable, want: "200"},
			{on: evil, do: "GET public", answers: cacheable, want: "200", sent: "origin: " + app},
		},
		record: record{"request_allowed", 1},
	}, {
		name: "a public answer that is kept for a request without an origin",
		steps: []step{
			{on: app, by: "image", do: "GET public", answers: cacheable, want: "opaque"},
			{on: app, do: "GET public", answers: cacheable, want: "200"},
		},
		record: record{"request_allowed", 2},
		// Without an Origin, too, everybody is granted the answer.
		but: map[envoy.Profile]record{envoy.TwoPhase: {"", 1}, envoy.NoTrip: {"", 1}},
		facts: facts{firefox: {
			why:    "what came with credentials, as an image does, is kept apart from what came without",
			record: record{"request_allowed", 2},
		}},
	}, {
		name: "an answer that is asked for again and has not changed",
		steps: []step{
			{on: app, do: "GET list", answers: tagged, want: "200"},
			{on: app, do: "GET list", answers: tagged, want: "200"},
			{on: shop, do: "GET list", answers: tagged, want: "200"},
		},
		record: record{"request_allowed request_allowed request_allowed", 3},
	}, {
		name: "an answer that is asked for again by an unknown origin",
		steps: []step{
			{on: app, do: "GET list", answers: tagged, want: "200"},
			{on: evil, do: "GET list", answers: tagged, want: "blocked"},
			{on: app, do: "GET list", answers: tagged, want: "200"},
		},
		record: record{"request_allowed request_origin_denied request_allowed", 3},
	}, {
		name: "Vary of the upstream counts as well",
		steps: []step{
			{on: app, do: "GET list", with: "Accept: text/plain", answers: cacheable + "; Vary: Accept", want: "200"},
			{on: app, do: "GET list", with: "Accept: text/html", answers: cacheable + "; Vary: Accept", want: "200", sent: "accept: text/html"},
			{on: shop, do: "GET list", with: "Accept: text/html", answers: cacheable + "; Vary: Accept", want: "200"},
		},
		record: record{"request_allowed request_allowed request_allowed", 3},
	},
}

// tagged is an answer that may be kept, and must be asked for again.
const tagged = `200; Cache-Control: no-cache; Etag: "v1"`

// A preflight's answer is kept for its origin, URL and credentials, a method or a
// header each (Fetch, section CORS-preflight cache).
var preflightCache = []trial{
	{
		name:   "a preflight holds for the next request",
		steps:  []step{{on: app, do: "PUT list", want: "200"}, {on: app, do: "PUT list", want: "200"}},
		record: record{"preflight_allowed request_allowed request_allowed", 2},
	}, {
		name:   "a preflight holds for another method and another header, as all are listed",
		steps:  []step{{on: app, do: "PUT list", want: "200"}, {on: app, do: "DELETE list", with: "X-Token: t", want: "200"}},
		record: record{"preflight_allowed request_allowed request_allowed", 2},
	}, {
		name: "a preflight whose answer lists what was asked for holds for that",
		steps: []step{
			{on: app, do: "PUT requested", want: "200"},
			{on: app, do: "PUT requested", want: "200"},
			{on: app, do: "DELETE requested", want: "200"},
		},
		record: record{"preflight_allowed request_allowed request_allowed preflight_allowed request_allowed", 3},
	}, {
		name:   "a preflight without an age holds for some seconds",
		steps:  []step{{on: app, do: "PUT unsaid", want: "200"}, {on: app, do: "PUT unsaid", want: "200"}},
		record: record{"preflight_allowed request_allowed request_allowed", 2},
	}, {
		name:   "a preflight of age 0 holds once",
		steps:  []step{{on: app, do: "PUT uncached", want: "200"}, {on: app, do: "PUT uncached", want: "200"}},
		record: record{"preflight_allowed request_allowed preflight_allowed request_allowed", 2},
	}, {
		name: "a preflight holds for its origin",
		steps: []step{
			{on: app, do: "PUT list", want: "200"},
			{on: shop, do: "PUT list", want: "200"},
			{on: evil, do: "PUT list", want: "blocked"},
		},
		record: record{"preflight_allowed request_allowed preflight_allowed request_allowed preflight_origin_denied", 2},
	}, {
		name:   "a preflight holds with and without credentials apart",
		steps:  []step{{on: app, do: "PUT private", want: "200"}, {on: app, do: "PUT private", options: include, want: "200"}},
		record: record{"preflight_allowed request_allowed preflight_allowed request_allowed", 2},
	}, {
		name:   "a preflight that is denied holds for nothing",
		steps:  []step{{on: app, do: "PUT minimal", want: "blocked"}, {on: app, do: "PUT minimal", want: "blocked"}},
		record: record{"preflight_method_denied preflight_method_denied", 0},
	}, {
		name:   "a preflight that is answered with 200",
		steps:  []step{{on: app, do: "PUT ok", want: "200"}, {on: evil, do: "PUT ok", want: "blocked"}},
		record: record{"preflight_allowed request_allowed preflight_origin_denied", 1},
	},
}
