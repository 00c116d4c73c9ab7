package browsers

const (
	sandbox    = "a sandboxed frame"
	ownFrame   = "a frame of its own origin"
	dataFrame  = "a data: frame"
	dataWorker = "a data: worker"
	blobWorker = "a blob: worker"
)

// in lets a trial of one step happen elsewhere.
func in(where string, tr trial) trial {
	tr.name += " in " + where
	tr.steps[0].in = where
	return tr
}

// What has no origin of its own sends null (HTML, section Origin; Fetch, section Origin header).
var opaqueOrigins = []trial{
	in(sandbox, fails("an allowed page is no origin", app, "list")),
	in(dataFrame, fails("an allowed page is no origin", app, "list")),
	in(dataWorker, fails("an allowed page is no origin", app, "list")),
	in(sandbox, reads("a public answer", app, "public")),
	in(dataFrame, reads("a public answer", evil, "public")),
	in(dataWorker, reads("a public answer", app, "public")),
	in(sandbox, reads("null that is listed", evil, "null")),
	in(ownFrame, reads("the page's origin holds", app, "list")),
	in(blobWorker, reads("the page's origin holds", app, "list")),
	in(ownFrame, fails("an unknown origin", evil, "list")),
	in(blobWorker, fails("an unknown origin", evil, "list")),
	fails("an origin is not null", app, "null"),
	{
		name:   "PUT of no origin",
		steps:  []step{{on: app, in: sandbox, do: "PUT list", want: "blocked"}},
		record: record{"preflight_origin_denied", 0},
	}, {
		name:   "credentials of no origin",
		steps:  []step{{on: app, in: sandbox, do: "GET private", options: include, want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "any subdomain is not no origin",
		steps:  []step{{on: app, in: sandbox, do: "GET subdomains", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	},
}

// Other means than fetch, and what CORS does not know at all.
var otherMeans = []trial{
	{
		name:   "XHR",
		steps:  []step{{on: app, by: "xhr", do: "GET list", answers: many, want: "200", shows: "x-total: 7", hides: "x-secret"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "XHR of an unknown origin",
		steps:  []step{{on: evil, by: "xhr", do: "GET list", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "an upload that is listened to has a preflight for POST, and no header",
		steps:  []step{{on: app, by: "upload", do: "POST minimal", body: "x", want: "200"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "an upload that is listened to, of an unknown origin",
		steps:  []step{{on: evil, by: "upload", do: "POST minimal", body: "x", want: "blocked", console: refused}},
		record: record{"preflight_origin_denied", 0},
	}, {
		name:   "an upload that is listened to has a preflight, though nothing is sent",
		steps:  []step{{on: app, by: "upload", do: "GET minimal", want: "200"}},
		record: record{"preflight_allowed request_allowed", 1},
		facts:  facts{chromium: {why: "listening to nothing needs no preflight", record: record{"request_allowed", 1}}},
	}, {
		name:   "a font",
		steps:  []step{{on: app, by: "font", do: "GET list", answers: "200; Content-Type: font/ttf", want: "loaded"}},
		record: record{"request_allowed", 1},
		facts:  facts{webkit: {why: "fonts are loaded without CORS", record: record{"", 1}}},
	}, {
		name:   "a font for an unknown origin",
		steps:  []step{{on: evil, by: "font", do: "GET list", answers: "200; Content-Type: font/ttf", want: "blocked", console: noOrigin}},
		record: record{"request_origin_denied", 1},
		facts:  facts{webkit: {why: "fonts are loaded without CORS", want: "loaded", record: record{"", 1}}},
	}, {
		name:   "a stream that is sent has a preflight for POST",
		steps:  []step{{on: app, by: "stream", do: "POST minimal", body: "x", want: "200"}},
		record: record{"preflight_allowed request_allowed", 1},
		facts: facts{
			firefox: {why: "a stream is sent as the text of its name, which needs no preflight", record: record{"request_allowed", 1}},
			webkit:  {why: "no stream can be sent", want: "refused"},
		},
	}, {
		name:   "a script with CORS",
		steps:  []step{{on: app, by: "script", do: "GET list", answers: "200; Content-Type: text/javascript", want: "loaded"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "a script with CORS, of an unknown origin",
		steps:  []step{{on: evil, by: "script", do: "GET list", answers: "200; Content-Type: text/javascript", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name: "a script with credentials",
		steps: []step{{
			on: app, by: "script", do: "GET private", options: include, answers: "200; Content-Type: text/javascript",
			want: "loaded",
		}},
		record: record{"request_allowed", 1},
	}, {
		name:   "events",
		steps:  []step{{on: app, by: "events", do: "GET list", answers: "200; Content-Type: text/event-stream", want: "opened"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "events for an unknown origin",
		steps:  []step{{on: evil, by: "events", do: "GET list", answers: "200; Content-Type: text/event-stream", want: "blocked"}},
		record: record{"request_origin_denied", 1},
	}, {
		name: "events with credentials",
		steps: []step{{
			on: app, by: "events", do: "GET private", options: include, answers: "200; Content-Type: text/event-stream",
			want: "opened",
		}},
		record: record{"request_allowed", 1},
	}, {
		name:   "a WebSocket",
		steps:  []step{{on: app, by: "socket", do: "GET list", want: "opened"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "a WebSocket of an unknown origin, which CORS does not know",
		steps:  []step{{on: evil, by: "socket", do: "GET list", want: "opened"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "a WebSocket is not blocked",
		steps:  []step{{on: evil, by: "socket", do: "GET strict", want: "opened"}},
		record: record{"request_origin_denied", 1},
	}, {
		name:   "a WebSocket without TLS",
		steps:  []step{{on: plain, by: "socket", do: "GET list", want: "opened"}},
		record: record{"request_allowed", 1},
	}, {
		name:   "no-cors",
		steps:  []step{{on: app, do: "GET list", options: map[string]string{"mode": "no-cors"}, want: "opaque"}},
		record: record{"", 1},
	},
}
