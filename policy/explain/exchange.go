package explain

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/respond"
)

// request returns a request with these headers, as a Set sees it.
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

// fetchSite returns the Sec-Fetch-Site that a decision looks at (Fetch Metadata, section
// 2.4): whether the page asks its own origin. Plain http has no such header.
func (a *asked) fetchSite() string {
	switch {
	case a.url.Scheme != "https":
		return ""
	case a.Origin == a.target:
		return "same-origin"
	}
	return "cross-site"
}

// ask returns the exchange of r, without a verdict, which judge adds.
func (t *trip) ask(set *policy.Set, a asked, r policy.Request, up Upstream) *Exchange {
	d := set.Decide(&r)
	if d.Shadow.Answer != nil {
		t.shadow = &Shadow{d.Shadow.Policy, d.Shadow.Reason.String(), d.ShadowDiffers, d.Verdict.Differences(&d.Shadow)}
	}
	got := respond.To(d, a.upstreamOf(up))
	e := &Exchange{
		Method: r.Method, Reason: d.Reason.String(), Forwarded: d.Answer.Action != policy.Reply,
		Status: got.Status, Headers: linesOf(got.Headers), Sent: t.sentHeaders(a),
		defers:  d.Answer.Action == policy.Pass || d.Answer.Apply == policy.ApplyDefer,
		request: r,
	}
	if d.Preflight {
		e.Sent = t.asks
	}
	return e
}

// judge lets the browser check the answer. If up is not known, and could make the answer
// pass, the exchange stays undecided.
func (e *Exchange) judge(check func(browser.Response) browser.Verdict, up Upstream) {
	v := check(e.response())
	if v.Blocked && e.defers && !up.known() {
		e.Undecided, e.Status, e.Headers = true, up.Status, browser.Headers{}
		return
	}
	e.Verdict = v
}

// followFrom lets a preflight pass whose answer is not known, if the request's answer is
// known: then the request was sent.
func (e *Exchange) followFrom(request Upstream) {
	if e.Undecided && request.answers() {
		e.Undecided = false
		e.Steps = []browser.Step{{OK: true, Says: "the request has an answer, so its preflight passed", Section: preflightSection}}
	}
}

// isUndecided reports whether e is sent and its verdict is not known.
func (e *Exchange) isUndecided() bool { return e != nil && e.Undecided }

// upstreamOf returns u with its default status.
func (a *asked) upstreamOf(u Upstream) respond.Response {
	headers := respond.Headers{}
	for _, h := range u.Headers {
		name := strings.ToLower(h.Name)
		headers[name] = append(headers[name], h.Value)
	}
	status := http.StatusOK
	if a.Mode == WebSocket {
		status = http.StatusSwitchingProtocols // RFC 6455, section 4.2.2
	}
	return respond.Response{Status: cmp.Or(u.Status, status), Headers: headers}
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
