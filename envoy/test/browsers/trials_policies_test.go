package browsers

// A browser keeps answers from an unknown origin, and not requests from the
// upstream: that is what deniedRequests is for.
var strangers = []trial{
	{
		name:   "a simple POST of an unknown origin is sent, though it cannot be read",
		steps:  []step{{on: evil, do: "POST list", body: "x", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "a simple POST of an unknown origin is not sent where that is blocked",
		steps:  []step{{on: evil, do: "POST guarded", body: "x", want: "blocked"}},
		record: record{"request_blocked", 0},
	}, {
		name:   "a form of an unknown origin",
		steps:  []step{{on: evil, by: "form", do: "POST guarded", want: "sent"}},
		record: record{"request_blocked", 0},
	}, {
		name:   "a form of an allowed origin",
		steps:  []step{{on: app, by: "form", do: "POST guarded", want: "sent"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "POST in no-cors mode",
		steps:  []step{{on: evil, do: "POST guarded", options: map[string]string{"mode": "no-cors"}, want: "opaque"}},
		record: record{"request_blocked", 0},
	}, {
		name:   "GET where what changes something is blocked",
		steps:  []step{{on: evil, do: "GET guarded", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "GET where everything is blocked",
		steps:  []step{{on: evil, do: "GET strict", want: "blocked"}},
		record: record{"request_blocked", 0},
	}, {
		name:   "GET of an allowed origin where everything is blocked",
		steps:  []step{{on: app, do: "GET strict", want: "200"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "the site's own page is not blocked",
		steps:  []step{{on: "strict", do: "POST strict", body: "x", want: "200"}, {on: "strict", do: "PUT strict", body: "x", want: "200"}},
		record: record{"same_origin same_origin", 2},
	}, {
		name:   "the site's own form is not blocked",
		steps:  []step{{on: "strict", by: "form", do: "POST strict", want: "sent"}},
		record: record{"same_origin", 1},
	},
}

// The console says which check failed, as far as the answer lets it know.
var debugging = []trial{
	{
		name: "the console names a method that is denied",
		steps: []step{{
			on: app, do: "QUERY debug",
			want: "blocked", console: noMethod("QUERY"),
		}},
		record: record{"preflight_method_denied", 0},
	}, {
		name: "the console names a header that is denied",
		steps: []step{{
			on: app, do: "PUT debug", with: "X-Token: t; X-Evil: e",
			want: "blocked", console: said{
				chromium: "Request header field x-evil is not allowed by Access-Control-Allow-Headers in preflight response",
				firefox:  "header ‘x-evil’ is not allowed according to header ‘Access-Control-Allow-Headers’ from CORS preflight response",
				webkit:   "Request header field X-Evil is not allowed by Access-Control-Allow-Headers",
			},
		}},
		record: record{"preflight_header_denied", 0},
	}, {
		name: "the console names a method that is denied with credentials",
		steps: []step{{
			on: app, do: "DELETE debug-private", options: include,
			want: "blocked", console: noMethod("DELETE"),
		}},
		record: record{"preflight_method_denied", 0},
	}, {
		name:   "the console says that an origin is denied",
		steps:  []step{{on: evil, do: "PUT debug", want: "blocked", console: refused}},
		record: record{"preflight_origin_denied", 0},
	}, {
		name: "without debug the console blames the origin whatever is denied",
		steps: []step{{
			on: app, do: "QUERY list",
			want: "blocked", console: refused,
		}},
		record: record{"preflight_method_denied", 0},
	}, {
		name:   "debug lets through what is allowed",
		steps:  []step{{on: app, do: "PUT debug", with: "X-Token: t", want: "200"}},
		record: record{"preflight_allowed request_allowed", 1},
	},
}

// grant are CORS headers of the upstream for everybody.
const grant = "200; Access-Control-Allow-Origin: *"

// Who has a say: the policy, the upstream, or both.
var others = []trial{
	{
		name:   "the upstream's own headers do not let an unknown origin in",
		steps:  []step{{on: evil, do: "GET list", answers: grant, want: "blocked", console: noOrigin}},
		record: record{"request_origin_denied", 1},
	}, {
		name: "the upstream's own headers do not disturb an allowed one",
		steps: []step{{
			on: app, do: "GET list", answers: "200; Access-Control-Allow-Origin: https://a.test; Access-Control-Allow-Origin: https://b.test",
			want: "200",
		}},
		record: record{"request_allowed", 1},
	}, {
		name:   "the upstream's own headers hold where the policy defers",
		steps:  []step{{on: evil, do: "GET defer", answers: grant, want: "200"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "the policy holds where it defers and the upstream says nothing",
		steps:  []step{{on: app, do: "GET defer", want: "200"}, {on: evil, do: "GET defer", want: "blocked"}},
		record: record{"request_allowed request_origin_denied", 2},
	}, {
		name:   "a host without a policy answers for itself",
		steps:  []step{{on: evil, do: "GET plain", answers: grant, want: "200"}, {on: app, do: "GET plain", want: "blocked"}},
		record: record{"no_policy no_policy", 2},
	}, {
		name:   "a host whose policy is in shadow answers for itself",
		steps:  []step{{on: evil, do: "GET shadow", answers: grant, want: "200"}, {on: app, do: "GET shadow", want: "blocked"}},
		record: record{"no_policy no_policy", 2},
	}, {
		name:   "a host whose policy is off answers for itself",
		steps:  []step{{on: evil, do: "GET off", answers: grant, want: "200"}, {on: app, do: "PUT off", want: "blocked"}},
		record: record{"policy_off policy_off", 2},
	}, {
		name:   "a preflight that is forwarded gets the upstream's answer",
		steps:  []step{{on: evil, do: "PUT forward", answers: grant + "; Access-Control-Allow-Methods: PUT", want: "blocked"}},
		record: record{"preflight_origin_denied request_origin_denied", 2},
	},
}
