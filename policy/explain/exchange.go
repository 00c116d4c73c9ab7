package explain

import (
	"maps"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/respond"
)

// request is what a Set sees of a request with these headers.
func (a *asked) request(method string, hs browser.Headers) policy.Request {
	value := func(name string) string {
		var lines []string
		for _, h := range hs {
			if strings.EqualFold(h.Name, name) {
				lines = append(lines, strings.Trim(h.Value, " \t\r\n"))
			}
		}
		return strings.Join(lines, ",")
	}
	return policy.Request{
		Policy: a.Policy, Method: method, Authority: a.url.Host, Path: a.url.RequestURI(),
		Origin:                value("Origin"),
		RequestMethod:         value("Access-Control-Request-Method"),
		RequestHeaders:        value("Access-Control-Request-Headers"),
		RequestPrivateNetwork: value("Access-Control-Request-Private-Network"),
		SecFetchSite:          a.fetchSite(),
		Upgrade:               a.upgrade(),
	}
}

// upgrade is the header that a handshake of WebSocket has.
func (a *asked) upgrade() string {
	if a.Mode == WebSocket {
		return "websocket"
	}
	return ""
}

// fetchSite is Sec-Fetch-Site as far as a decision looks at it (Fetch Metadata,
// section 2.4): whether it is the page's own origin. Plain http has none.
func (a *asked) fetchSite() string {
	switch {
	case a.url.Scheme != "https":
		return ""
	case a.Origin == a.target:
		return "same-origin"
	}
	return "cross-site"
}

// ask returns the exchange of r without the browser's verdict.
func (t *trip) ask(set *policy.Set, a asked, r policy.Request) *Exchange {
	d := set.Decide(&r)
	if d.Shadow.Answer != nil {
		t.shadow = &Shadow{d.Shadow.Policy, d.Shadow.Reason.String(), d.ShadowDiffers, d.Verdict.Differences(&d.Shadow)}
	}
	got := respond.To(d, upstreamOf(a.Upstream))
	e := &Exchange{
		Method: r.Method, Reason: d.Reason.String(), Forwarded: d.Answer.Action != policy.Reply,
		Status: got.Status, Headers: linesOf(got.Headers), Sent: t.sentHeaders(a),
	}
	if d.Preflight {
		e.Sent = t.asks
	}
	return e
}

func upstreamOf(u Upstream) respond.Response {
	headers := respond.Headers{}
	for _, h := range u.Headers {
		name := strings.ToLower(h.Name)
		headers[name] = append(headers[name], h.Value)
	}
	return respond.Response{Status: u.Status, Headers: headers}
}

// linesOf returns the lines sorted by name.
func linesOf(hs respond.Headers) browser.Headers {
	lines := browser.Headers{}
	for _, name := range slices.Sorted(maps.Keys(hs)) {
		for _, value := range hs[name] {
			lines = append(lines, browser.Header{Name: name, Value: value})
		}
	}
	return lines
}

func (e *Exchange) response() browser.Response {
	return browser.Response{Status: e.Status, Headers: e.Headers}
}
