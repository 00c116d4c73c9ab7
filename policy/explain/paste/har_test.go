package paste

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// entry is one of a HAR file, with its request's header lines and what its
// response is.
func entry(kind, method, url, headers, response string) string {
	var lines []string
	for line := range strings.Lines(headers) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		lines = append(lines, fmt.Sprintf(`{"name": %q, "value": %q}`, name, value))
	}
	if response != "" {
		response = `, "response": ` + response
	}
	return fmt.Sprintf(`{"_resourceType": %q, "request": {"method": %q, "url": %q, "headers": [%s]}%s}`, kind, method, url, strings.Join(lines, ", "), response)
}

func read(t *testing.T, entries ...string) Recording {
	t.Helper()
	r, err := HAR(`{"log": {"entries": [` + strings.Join(entries, ", ") + `]}}`)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The parts of entries.
const (
	orders  = "https://api.example.com/v1/orders"
	origin  = "Origin: https://app.example.com"
	referer = "Referer: https://app.example.com/"
	failed  = `{"status": 0, "headers": [], "_error": "net::ERR_FAILED"}`
	noted   = " (its Referer)"
)

// shown is a question on one line.
func shown(q explain.Question) string {
	text := q.Method + " " + q.URL + " from " + q.Origin
	if len(q.Notes) > 0 {
		text += noted
	}
	for _, h := range q.Headers {
		if !strings.HasPrefix(strings.ToLower(h.Name), "sec-fetch") {
			text += " " + h.Name
		}
	}
	if q.Mode != "" {
		text += " in mode " + string(q.Mode)
	}
	if q.Upload {
		text += " of an upload"
	}
	if q.Credentials == browser.Include {
		text += " with credentials"
	}
	if q.Failed != "" {
		text += " failed: " + q.Failed
	}
	return text
}

func TestHAR(t *testing.T) {
	preflight := func(headers string) string {
		return entry("preflight", "OPTIONS", orders, origin+"\n"+headers, `{"status": 204}`)
	}
	const asks, names = "Access-Control-Request-Method: PUT", "\nAccess-Control-Request-Headers: x-a"
	for name, c := range map[string]struct {
		entries       []string
		want, skipped []string
	}{
		"a request with an Origin": {[]string{entry("fetch", "GET", orders, origin, `{"status": 200}`)}, []string{"GET " + orders + " from https://app.example.com"}, nil},
		"the site's own":           {[]string{entry("fetch", "GET", orders, referer, `{"status": 200}`), entry("image", "GET", orders, "", "")}, nil, nil},
		"one that was not sent": {[]string{entry("fetch", "PUT", orders, referer, failed)},
			[]string{"PUT " + orders + " from https://app.example.com" + noted + " failed: net::ERR_FAILED"}, nil},
		"one that was not sent, in Safari": {[]string{entry("", "PUT", orders, referer, `{"status": -1}`)},
			[]string{"PUT " + orders + " from https://app.example.com" + noted + " failed: status -1"}, nil},
		"one that nobody knows the page of": {[]string{entry("xhr", "PUT", orders, "", failed)}, []string{"PUT " + orders + " from  failed: net::ERR_FAILED"}, nil},
		"with its preflight before it": {[]string{preflight(asks + names), entry("fetch", "PUT", orders, referer+"\nX-A: 1\nX-B: 2", failed)},
			[]string{"PUT " + orders + " from https://app.example.com x-a failed: net::ERR_FAILED"}, nil},
		"with its preflight after it": {[]string{entry("fetch", "PUT", orders, referer, failed), preflight(asks + names)},
			[]string{"PUT " + orders + " from https://app.example.com x-a failed: net::ERR_FAILED"}, nil},
		"with one of another method": {[]string{preflight("Access-Control-Request-Method: DELETE"), entry("fetch", "PUT", orders, origin+"\nX-B: 2", `{"status": 200}`)},
			[]string{"OPTIONS " + orders + " from https://app.example.com Access-Control-Request-Method", "PUT " + orders + " from https://app.example.com X-B"}, nil},
		"with one of another page": {[]string{strings.ReplaceAll(preflight(asks+names), "app.", "www."), entry("fetch", "PUT", orders, origin, `{"status": 200}`)},
			[]string{"OPTIONS " + orders + " from https://www.example.com Access-Control-Request-Method Access-Control-Request-Headers", "PUT " + orders + " from https://app.example.com"}, nil},
		"with one that was recorded without its headers": {[]string{entry("preflight", "OPTIONS", orders, "", ""), entry("fetch", "PUT", orders, origin+"\nX-B: 2", `{"status": 200}`)},
			[]string{"PUT " + orders + " from https://app.example.com X-B"}, nil},
		"two, each with its own": {[]string{preflight(asks + names), entry("fetch", "PUT", orders, referer, failed), preflight(asks + "\nAccess-Control-Request-Headers: x-b"), entry("fetch", "PUT", orders, referer, failed)},
			[]string{"PUT " + orders + " from https://app.example.com x-a failed: net::ERR_FAILED", "PUT " + orders + " from https://app.example.com x-b failed: net::ERR_FAILED"}, nil},
		"two, each before its own": {[]string{entry("fetch", "PUT", orders, referer, failed), preflight(asks + names), entry("fetch", "PUT", orders, referer, failed), preflight(asks + "\nAccess-Control-Request-Headers: x-b")},
			[]string{"PUT " + orders + " from https://app.example.com x-a failed: net::ERR_FAILED", "PUT " + orders + " from https://app.example.com x-b failed: net::ERR_FAILED"}, nil},
		"two, of which the browser kept the first's": {[]string{preflight(asks + names), entry("fetch", "PUT", orders, origin, `{"status": 200}`), entry("fetch", "PUT", orders, origin, `{"status": 200}`)},
			[]string{"PUT " + orders + " from https://app.example.com x-a", "PUT " + orders + " from https://app.example.com x-a"}, nil},
		"a preflight for the method alone": {[]string{preflight(asks), entry("fetch", "PUT", orders, origin+"\nX-B: 2", `{"status": 200}`)},
			[]string{"PUT " + orders + " from https://app.example.com"}, nil},
		"an upload": {[]string{preflight("Access-Control-Request-Method: POST"), entry("xhr", "POST", orders, origin, `{"status": 200}`)},
			[]string{"POST " + orders + " from https://app.example.com of an upload"}, nil},
		"a preflight alone": {[]string{preflight(asks)}, []string{"OPTIONS " + orders + " from https://app.example.com Access-Control-Request-Method"}, nil},
		"a form's POST": {[]string{entry("document", "POST", orders, "Origin: https://idp.example\nSec-Fetch-Mode: navigate", `{"status": 302}`)},
			[]string{"POST " + orders + " from https://idp.example in mode navigate"}, nil},
		"a form's POST, told by its type": {[]string{entry("document", "POST", orders, "Origin: https://idp.example", `{"status": 302}`)},
			[]string{"POST " + orders + " from https://idp.example in mode navigate"}, nil},
		"a WebSocket": {[]string{entry("websocket", "GET", "wss://api.example.com/live", origin, `{"status": 101}`)},
			[]string{"GET wss://api.example.com/live from https://app.example.com in mode websocket"}, nil},
		"cookies": {[]string{`{"request": {"method": "GET", "url": "` + orders + `", "headers": [{"name": "Origin", "value": "https://app.example.com"}], "cookies": [{"name": "a"}]}}`},
			[]string{"GET " + orders + " from https://app.example.com with credentials"}, nil},
		"with a Host": {[]string{entry("fetch", "GET", "http://127.0.0.1:11000/v1?a", "Host: api.example.com\n"+origin, `{"status": 200}`)},
			[]string{"GET http://api.example.com/v1?a from https://app.example.com"}, nil},
		"with the authority of HTTP/2": {[]string{entry("fetch", "GET", "https://127.0.0.1:11000/v1", ":authority: api.example.com\n:method: GET\n"+origin, `{"status": 200}`)},
			[]string{"GET https://api.example.com/v1 from https://app.example.com"}, nil},
		"what failed otherwise": {[]string{entry("fetch", "GET", orders, referer, `{"status": 0, "_error": "net::ERR_NAME_NOT_RESOLVED"}`)}, nil,
			[]string{"GET " + orders + ": it failed with net::ERR_NAME_NOT_RESOLVED, which is not a failure of CORS"}},
		"an image that failed": {[]string{entry("image", "GET", orders, referer, failed)}, nil,
			[]string{"GET " + orders + ": it failed (net::ERR_FAILED), and CORS does not apply to a request of the mode no-cors"}},
		"an extension's file that failed": {[]string{entry("fetch", "GET", "chrome-extension://abc/x.js", referer, failed)}, nil,
			[]string{"GET chrome-extension://abc/x.js: it failed (net::ERR_FAILED), and CORS applies only to URLs of http, https, ws or wss"}},
		"an image with CORS that failed": {[]string{entry("image", "GET", orders, origin, failed)}, []string{"GET " + orders + " from https://app.example.com failed: net::ERR_FAILED"}, nil},
		"a link that failed": {[]string{entry("document", "GET", orders, referer, failed)}, nil,
			[]string{"GET " + orders + ": it failed (net::ERR_FAILED), and CORS does not apply to a request of the mode navigate"}},
		"an answer that nobody could read": {[]string{entry("", "GET", orders, origin, `{"status": 200, "headers": [{"name": "Vary", "value": "Origin"}]}`)},
			[]string{"GET " + orders + " from https://app.example.com failed: of its answer: there is no Access-Control-Allow-Origin"}, nil},
		"an answer that could be read": {[]string{entry("", "GET", orders, origin, `{"status": 200, "headers": [{"name": "access-control-allow-origin", "value": "https://app.example.com"}]}`)},
			[]string{"GET " + orders + " from https://app.example.com"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, c.entries...)
			var got []string
			for _, q := range r.Questions {
				got = append(got, shown(q))
			}
			if !slices.Equal(got, c.want) || !slices.Equal(r.Skipped, c.skipped) || r.Entries != len(c.entries) {
				t.Errorf("got\n%s\nwant\n%s\nskipped %q of %d", strings.Join(got, "\n"), strings.Join(c.want, "\n"), r.Skipped, r.Entries)
			}
		})
	}
}

// TestHARKeepsAnswers: what CORS is about of each answer, and nothing else, as it
// may be secret.
func TestHARKeepsAnswers(t *testing.T) {
	answer := func(status int, name, value string) string {
		return fmt.Sprintf(`{"status": %d, "headers": [{"name": "Set-Cookie", "value": "secret"}, {"name": %q, "value": %q}]}`, status, name, value)
	}
	const asks = origin + "\nAccess-Control-Request-Method: PUT"
	preflight := entry("preflight", "OPTIONS", orders, asks, answer(204, "access-control-allow-methods", "PUT"))
	put := entry("fetch", "PUT", orders, origin, answer(302, "Location", "/x"))
	const unknown = "0 (headers not known)"
	const methods, location = "204 access-control-allow-methods: PUT", "302 Location: /x"
	for name, c := range map[string]struct {
		entries            []string
		request, preflight string
	}{
		"a request":                {[]string{entry("fetch", "GET", orders, origin, answer(404, "Access-Control-Allow-Origin", "*"))}, "404 Access-Control-Allow-Origin: *", unknown},
		"one without CORS headers": {[]string{entry("fetch", "GET", orders, origin, answer(200, "Server", "s"))}, "200", unknown},
		"with its preflight":       {[]string{preflight, put}, location, methods},
		"without its preflight":    {[]string{put}, location, unknown},
		"a preflight alone":        {[]string{preflight}, unknown, methods},
		"one that was not sent":    {[]string{preflight, entry("fetch", "PUT", orders, origin, failed)}, unknown, methods},
		"without an answer":        {[]string{entry("fetch", "GET", orders, origin, "")}, unknown, unknown},
		"without headers":          {[]string{entry("fetch", "GET", orders, origin, `{"status": 200}`)}, "200 (headers not known)", unknown},
		"with status 0":            {[]string{entry("fetch", "GET", orders, origin, answer(0, "Access-Control-Allow-Origin", "*"))}, "0 Access-Control-Allow-Origin: *", unknown},
		"with status -1":           {[]string{entry("fetch", "GET", orders, origin, answer(-1, "Server", "s"))}, "0", unknown},
	} {
		q := read(t, c.entries...).Questions[0]
		if got := shownAnswer(q.Upstream); got != c.request {
			t.Errorf("%s: the answer is %q", name, got)
		}
		if got := shownAnswer(*q.UpstreamPreflight); got != c.preflight {
			t.Errorf("%s: the preflight's answer is %q", name, got)
		}
	}
}

func shownAnswer(u explain.Upstream) string {
	text := fmt.Sprint(u.Status)
	if u.Headers == nil {
		text += " (headers not known)"
	}
	for _, h := range u.Headers {
		text += " " + h.Name + ": " + h.Value
	}
	return text
}

// TestHARGoesByTime joins what was recorded next to each other.
func TestHARGoesByTime(t *testing.T) {
	at := func(second int, text string) string {
		return fmt.Sprintf(`{"startedDateTime": "2026-01-01T00:00:%02d.000Z", `, second) + strings.TrimPrefix(text, "{")
	}
	preflight := func(names string) string {
		return entry("preflight", "OPTIONS", orders, origin+"\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: "+names, "")
	}
	request := entry("fetch", "PUT", orders, origin, "")
	later := entry("fetch", "PUT", orders, origin+"\nCookie: a=b", "")
	r := read(t, at(9, later), at(3, preflight("x-a")), at(8, preflight("x-b")), at(2, request))
	var got []string
	for _, q := range r.Questions {
		got = append(got, shown(q))
	}
	want := []string{"PUT " + orders + " from https://app.example.com x-a", "PUT " + orders + " from https://app.example.com x-b with credentials"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestHARRefuses(t *testing.T) {
	entry := func(text string) string { return "\ufeff{\"log\": {\"entries\": [\n" + text + "]}}" }
	for text, want := range map[string]string{
		"":                                       "line 1: it is not JSON: ",
		"policies: []":                           "line 1: it is not JSON: ",
		"{\n\"log\": \n{":                        "line 3: it is not JSON: ",
		"[]":                                     "line 1: the whole of it is a list, and has to be an object",
		`{"log": {"entries": {}}}`:               "line 1: log.entries is an object, and has to be a list",
		entry(`{"response": {"status": "200"}}`): "line 2: log.entries.response.status is text, and has to be a whole number",
		entry(`{"response": {"status": 200.5}}`): "line 2: log.entries.response.status is a number, and has to be a whole number",
		entry(`{"request": {"url": 5}}`):         "line 2: log.entries.request.url is a number, and has to be text",
		entry(`{"request": {"headers": [{"value": true}]}}`): "line 2: log.entries.request.headers.value is true or false, and has to be text",
	} {
		if _, err := HAR(text); err == nil || !strings.HasPrefix(err.Error(), "read the HAR file: "+want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if r, err := HAR("\ufeff" + `{"log": {"entries": [null]}}`); err != nil || r.Entries != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestTheNearestIsNotSoughtFarAway bounds what a page costs that asks again and again.
func TestTheNearestIsNotSoughtFarAway(t *testing.T) {
	entries := make([]*harEntry, 10*maxApart)
	for i := range entries {
		entries[i] = &harEntry{place: 3 * i}
	}
	middle := entries[len(entries)/2]
	asked := 0
	if found := middle.nearest(entries, func(*harEntry) bool { asked++; return false }); found != nil || asked != maxApart {
		t.Errorf("found %v of %d entries", found, asked)
	}
	for _, far := range []int{1, -1, maxApart / 2, -maxApart / 2} {
		want := entries[len(entries)/2+far]
		if found := middle.nearest(entries, func(e *harEntry) bool { return e == want }); found != want {
			t.Errorf("the entry %d away is not found", far)
		}
	}
	if found := middle.nearest(entries, func(*harEntry) bool { return true }); found != entries[len(entries)/2-1] {
		t.Error("of two that are equally near, the later one is found")
	}
}
