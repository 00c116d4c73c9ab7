package browsers

// Once another origin has redirected to a third one, the origin is null (Fetch, section HTTP-redirect fetch).
var redirects = []trial{
	{
		name:   "a redirect on the same host keeps the origin",
		steps:  []step{{on: app, do: "GET list", answers: "302; Location: {list}", want: "200", sent: "origin: " + app}},
		record: record{"request_allowed request_allowed", 2},
	}, {
		name:   "a redirect to another host loses the origin",
		steps:  []step{{on: app, do: "GET list", answers: "302; Location: {second}", want: "blocked", console: said{chromium: "(redirected from", webkit: "Origin null is not allowed"}}},
		record: record{"request_allowed request_origin_denied", 2},
	}, {
		name:   "a redirect to a public host",
		steps:  []step{{on: app, do: "GET list", answers: "302; Location: {public}", want: "200", sent: "origin: null"}},
		record: record{"request_allowed request_allowed", 2},
	}, {
		name:   "a redirect to a host that allows null",
		steps:  []step{{on: app, do: "GET list", answers: "302; Location: {null}", want: "200", sent: "origin: null"}},
		record: record{"request_allowed request_allowed", 2},
	}, {
		name:   "the redirect itself must be allowed",
		steps:  []step{{on: evil, do: "GET list", answers: "302; Location: {public}", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "a redirect from the page's own host keeps the origin",
		steps:  []step{{on: app, do: "GET list", redirected: true, want: "200", sent: "origin: " + app}},
		record: record{"request_allowed", 1},
	}, {
		name:   "a redirect from the page's own host does not help an unknown origin",
		steps:  []step{{on: evil, do: "GET list", redirected: true, want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "a redirect of a preflighted request has a preflight of its own",
		steps:  []step{{on: app, do: "PUT list", body: "x", answers: "307; Location: {list}", want: "200", sent: "method: PUT; origin: " + app}},
		record: record{"preflight_allowed request_allowed preflight_allowed request_allowed", 2},
	}, {
		name: "a redirect of a preflighted request to another host",
		steps: []step{{on: app, do: "PUT list", body: "x", answers: "307; Location: {second}", want: "blocked", console: said{
			chromium: refused[chromium], firefox: noOrigin[firefox], webkit: refused[webkit],
		}}},
		record: record{"preflight_allowed request_allowed preflight_origin_denied", 1},
		facts: facts{firefox: {
			why:    "the preflight after a redirect still has the page's origin, and only the request has null",
			record: record{"preflight_allowed request_allowed preflight_allowed request_origin_denied", 2},
		}},
	}, {
		name: "a redirect of a preflighted request to a public host",
		steps: []step{{
			on: app, do: "PUT list", body: "x", answers: "307; Location: {stars}",
			want: "200", sent: "method: PUT; origin: null",
		}},
		record: record{"preflight_allowed request_allowed preflight_allowed request_allowed", 2},
	}, {
		name: "a redirect on the same host keeps Authorization",
		steps: []step{{
			on: app, do: "GET list", with: "Authorization: Bearer t", answers: "302; Location: {list}",
			want: "200", sent: "authorization: Bearer t",
		}},
		record: record{"preflight_allowed request_allowed preflight_allowed request_allowed", 2},
	}, {
		name: "a redirect to another host takes Authorization away, and with it the need of a preflight",
		steps: []step{{
			on: app, do: "GET list", with: "Authorization: Bearer t", answers: "302; Location: {public}",
			want: "200", unsent: "authorization",
		}},
		record: record{"preflight_allowed request_allowed request_allowed", 2},
		facts: facts{
			firefox: {
				why:    "a request that had a preflight has another one after a redirect, which asks for no header",
				record: record{"preflight_allowed request_allowed preflight_allowed request_allowed", 2},
			},
			webkit: {
				why: "the preflight after a redirect still asks for authorization", want: "blocked",
				record: record{"preflight_allowed request_allowed preflight_header_denied", 1},
			},
		},
	}, {
		name: "a redirect that is not followed",
		steps: []step{{
			on: app, do: "GET list", options: map[string]string{"redirect": "manual"}, answers: "302; Location: {list}",
			want: "opaqueredirect",
		}},
		record: record{"request_allowed", 1},
	}, {
		name: "credentials go along with a redirect",
		steps: []step{
			{on: app, do: "GET private", options: include, answers: setsCookie, want: "200"},
			{on: app, do: "GET private", options: include, answers: "302; Location: {private}", want: "200", sent: "cookie: sid=42"},
		},
		record: record{"request_allowed request_allowed request_allowed", 3},
	},
}

// status is a trial with an answer of that status of the upstream, which a page
// can read.
func status(text string) trial {
	return trial{
		name: text + " of the upstream", record: record{"request_allowed", 1},
		steps: []step{{on: app, do: "GET list", answers: text + "; X-Total: 7", want: text, shows: "x-total: 7"}},
	}
}

// local is a trial with an answer of that status of Envoy itself.
func local(text string) trial {
	return trial{
		name: text + " of Envoy itself", record: record{"request_allowed preflight_allowed request_allowed", 0},
		steps: []step{
			{on: app, do: "GET private", path: "?envoy=" + text, options: include, want: text},
			{on: app, do: "PUT private", path: "?envoy=" + text, options: include, want: text},
		},
	}
}

// Every status is subject to the CORS check, whoever answers (Fetch, section HTTP fetch).
var statuses = []trial{
	status("204"), status("401"), status("403"), status("404"), status("429"), status("500"), status("503"),
	local("401"), local("429"), local("503"),
	{
		name:   "503 of Envoy when the upstream hangs up",
		steps:  []step{{on: app, do: "POST list", body: "x", answers: "hang up", want: "503"}},
		record: record{"request_allowed", 1},
	}, {
		name: "an error is not read by an unknown origin",
		steps: []step{
			{on: evil, do: "GET list", answers: "500", want: "blocked"},
			{on: evil, do: "GET list", path: "?envoy=429", want: "blocked"},
		},
		record: record{"request_origin_denied request_origin_denied", 1},
	}, {
		name:   "an error of Envoy itself is read by everybody where the policy is public",
		steps:  []step{{on: evil, do: "GET public", path: "?envoy=429", want: "429"}},
		record: record{"request_allowed", 0},
	},
}
