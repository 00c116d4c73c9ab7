package paste

import (
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// sentRequest returns the question of a request as it was sent or recorded, with
// the headers that a browser added.
func sentRequest(method, target string, sent browser.Headers) explain.Question {
	q := explain.Question{Method: method, URL: target, Mode: modeOf(sent), Credentials: explain.Unknown}
	if q.Origin, _ = sent.Get("Origin"); q.Origin == "" {
		q.Origin, q.Notes = refererOrigin(sent)
	}
	if host, _ := sent.Get("Host"); host != "" { // which Envoy goes by (RFC 9112, section 3.2)
		q.URL = withHost(target, host)
	}
	if _, cookies := sent.Get("Cookie"); cookies {
		q.Credentials = browser.Include
	}
	destination, _ := sent.Get("Sec-Fetch-Dest")
	q.Font = destination == "font"
	asks, _ := sent.Get("Access-Control-Request-Method")
	q.Bare = method == "OPTIONS" && asks == ""
	for _, h := range sent {
		if !browserSets[strings.ToLower(h.Name)] {
			q.Headers = append(q.Headers, h)
		}
	}
	return q
}

// withHost returns the URL with that host in place of its own.
func withHost(target, host string) string {
	scheme, rest, absolute := strings.Cut(target, "://")
	if !absolute {
		return target
	}
	return scheme + "://" + host + rest[strings.IndexAny(rest+"/", "/?#"):]
}

// refererOrigin returns the origin of the Referer, and a note that says so:
// browsers record no Origin of a request that they did not send.
func refererOrigin(sent browser.Headers) (origin string, notes []string) {
	referer, _ := sent.Get("Referer")
	if origin = explain.PageOrigin(referer); origin == "" {
		return "", nil
	}
	return origin, []string{"the copied request has no Origin, as if the browser had sent none: the origin is taken from its Referer"}
}

// modes are the modes other than CORS by their words (Fetch,
// #concept-request-mode).
var modes = map[string]explain.Mode{"navigate": explain.Navigate, "no-cors": explain.NoCORS, "websocket": explain.WebSocket}

// modeOf returns the mode by Fetch Metadata and by the handshake of WebSocket (RFC 6455,
// section 4.1). It is empty for CORS.
func modeOf(sent browser.Headers) explain.Mode {
	if upgrade, _ := sent.Get("Upgrade"); strings.EqualFold(upgrade, "websocket") {
		return explain.WebSocket
	}
	mode, told := sent.Get("Sec-Fetch-Mode")
	if destination, _ := sent.Get("Sec-Fetch-Dest"); !told && (destination == "document" || destination == "iframe") {
		return explain.Navigate
	}
	return modes[mode]
}

// browserSets are headers that browsers add to requests by themselves, besides
// those that no page can set. If a page has set one of them nevertheless,
// --headers says so.
var browserSets = map[string]bool{
	"user-agent": true, "accept-encoding": true, "referer": true, "priority": true, "cache-control": true, "pragma": true,
	"if-none-match": true, "if-modified-since": true, "upgrade-insecure-requests": true, "x-client-data": true,
	"origin": true, "cookie": true, "host": true, "content-length": true, "connection": true,
}
