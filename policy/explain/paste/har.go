package paste

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// Recording is the content of a HAR file.
type Recording struct {
	// Questions has a question for each request with an Origin, and for each
	// request that failed and may have been blocked.
	Questions []explain.Question
	// Skipped names the failed requests that CORS cannot have blocked, and why.
	Skipped []string
	// Entries is the number of all requests.
	Entries int
}

// harFile are the parts of an HTTP Archive (HAR 1.2,
// http://www.softwareishard.com/blog/har-12-spec/) that matter. Only Chromium writes names
// with "_".
type harFile struct {
	Log struct {
		Entries []*harEntry `json:"entries"`
	} `json:"log"`
}

type harEntry struct {
	ResourceType string `json:"_resourceType"`
	Started      string `json:"startedDateTime"`
	Request      struct {
		Method  string          `json:"method"`
		URL     string          `json:"url"`
		Headers browser.Headers `json:"headers"`
		Cookies []struct{}      `json:"cookies"`
	} `json:"request"`
	Response *struct {
		Status  int             `json:"status"`
		Headers browser.Headers `json:"headers"`
		Error   string          `json:"_error"`
	} `json:"response"`

	place     int       // among all
	preflight *harEntry // that of this request
	joined    bool      // this preflight has its request
}

// HAR reads a HAR file. A preflight shows what the page set in its request. It
// is explained together with that request.
func HAR(text string) (Recording, error) {
	var f harFile
	text = strings.TrimPrefix(text, byteOrderMark)
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return Recording{}, fmt.Errorf("read the HAR file: %w", misread(text, err))
	}
	entries := slices.DeleteFunc(f.Log.Entries, func(e *harEntry) bool { return e == nil })
	if !slices.ContainsFunc(entries, func(e *harEntry) bool { return e.Started == "" }) {
		// ISO 8601, of one clock.
		slices.SortStableFunc(entries, func(a, b *harEntry) int { return cmp.Compare(a.Started, b.Started) })
	}
	join(entries)
	r := Recording{Entries: len(entries)}
	for _, e := range entries {
		r.add(e)
	}
	return r, nil
}

// join gives each request its preflight: the nearest of those for its URL and
// method. A preflight goes to a request of its own first, since browsers keep
// what it allowed for later ones.
func join(entries []*harEntry) {
	byURL := map[string][]*harEntry{}
	for i, e := range entries {
		e.place = i
		byURL[e.Request.URL] = append(byURL[e.Request.URL], e)
	}
	for _, e := range entries {
		if !e.isPreflight() {
			continue
		}
		if request := e.nearest(byURL[e.Request.URL], func(r *harEntry) bool { return r.preflight == nil && e.isFor(r) }); request != nil {
			request.preflight, e.joined = e, true
		}
	}
	for _, e := range entries {
		if e.preflight == nil && !e.isPreflight() {
			e.preflight = e.nearest(byURL[e.Request.URL], func(p *harEntry) bool { return p.isPreflight() && p.isFor(e) })
		}
	}
}

// maxApart bounds how many entries of a URL are looked at in search of the nearest one. A
// page that asks again and again makes many.
const maxApart = 1000

// nearest returns the entry nearest to e that fits, or nil. If two are equally near, it
// returns the earlier one. The entries are in order, and e is among them.
func (e *harEntry) nearest(among []*harEntry, fits func(*harEntry) bool) *harEntry {
	at, _ := slices.BinarySearchFunc(among, e.place, func(o *harEntry, place int) int { return cmp.Compare(o.place, place) })
	before, after := at-1, at+1
	for range maxApart {
		var next *harEntry
		switch {
		case before >= 0 && (after == len(among) || e.place-among[before].place <= among[after].place-e.place):
			next, before = among[before], before-1
		case after < len(among):
			next, after = among[after], after+1
		default:
			return nil
		}
		if fits(next) {
			return next
		}
	}
	return nil
}

// isPreflight reports whether e is a preflight (Fetch, #cors-preflight-request).
func (e *harEntry) isPreflight() bool {
	return e.Request.Method == "OPTIONS" && (e.ResourceType == "preflight" || e.header("Access-Control-Request-Method") != "")
}

// isFor reports whether the preflight e may be that of r, which is for its URL.
func (e *harEntry) isFor(r *harEntry) bool {
	method, origin := e.header("Access-Control-Request-Method"), r.header("Origin")
	return !r.isPreflight() && (method == "" || method == r.Request.Method) &&
		(origin == "" || origin == e.header("Origin"))
}

func (e *harEntry) header(name string) string {
	value, _ := e.Request.Headers.Get(name)
	return value
}

// failed returns how the recording says that e got no answer. It returns nothing
// if the recording does not say so.
func (e *harEntry) failed() string {
	switch {
	case e.Response == nil:
		return ""
	case e.Response.Error != "":
		return e.Response.Error
	case e.Response.Status <= 0:
		return fmt.Sprintf("status %d", e.Response.Status)
	}
	return ""
}

// add adds the question of e. It leaves out requests without an Origin, which
// are the site's own or not CORS, unless they failed.
func (r *Recording) add(e *harEntry) {
	q := e.question()
	switch {
	case e.isPreflight() && e.joined:
	case e.header("Origin") != "" || e.preflight != nil:
		r.Questions = append(r.Questions, q)
	case q.Failed == "":
	case !isHTTP(q.URL):
		r.skip(q, "it failed ("+q.Failed+"), and CORS applies only to URLs of http, https, ws or wss")
	case strings.HasPrefix(q.Failed, "net::") && q.Failed != "net::ERR_FAILED":
		r.skip(q, "it failed with "+q.Failed+", which is not a failure of CORS")
	case q.Mode != "":
		r.skip(q, "it failed ("+q.Failed+"), and CORS does not apply to a request of the mode "+string(q.Mode))
	default:
		r.Questions = append(r.Questions, q)
	}
}

// isHTTP reports whether Fetch asks a server for the URL (Fetch, #http-scheme and
// #concept-websocket-connection-obtain).
func isHTTP(url string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(url), ":")
	return slices.Contains([]string{"http", "https", "ws", "wss"}, scheme)
}

func (r *Recording) skip(q explain.Question, why string) {
	r.Skipped = append(r.Skipped, q.Method+" "+q.URL+": "+why)
}

// question returns what e asks.
func (e *harEntry) question() explain.Question {
	q := sentRequest(e.Request.Method, e.Request.URL, e.headers())
	q.Failed = e.failed()
	q.Font = q.Font || e.ResourceType == "font"
	if len(e.Request.Cookies) > 0 {
		q.Credentials = browser.Include
	}
	if q.Mode == "" && e.header("Sec-Fetch-Mode") == "" {
		q.Mode = e.modeOfType()
	}
	q.Upstream, q.UpstreamPreflight = e.answer(), &explain.Upstream{}
	switch {
	case e.isPreflight():
		*q.UpstreamPreflight, q.Upstream = q.Upstream, explain.Upstream{}
	case e.preflight != nil:
		*q.UpstreamPreflight = e.preflight.answer()
		e.addPreflight(&q)
	}
	if refusal := e.refusal(&q); refusal != "" {
		q.Failed, q.Credentials = refusal, cmp.Or(told(q.Credentials), browser.SameOrigin)
	}
	return q
}

// answer is the recorded answer. It counts as the upstream's if corsgate does
// not change the upstream's headers; otherwise corsgate's replace them. Only
// headers that CORS is about are kept, since others may have secrets.
func (e *harEntry) answer() (u explain.Upstream) {
	if e.Response == nil {
		return u
	}
	u.Status = max(e.Response.Status, 0)
	if len(e.Response.Headers) == 0 {
		return u // the browser did not record them: every answer has headers
	}
	u.Headers = browser.Headers{}
	for _, h := range e.Response.Headers {
		name := strings.ToLower(h.Name)
		if name == "vary" || name == "location" || policy.IsCORSHeader(name) {
			u.Headers = append(u.Headers, h)
		}
	}
	return u
}

// told returns the credentials mode if it is known, otherwise nothing.
func told(c browser.Credentials) browser.Credentials {
	if c == explain.Unknown {
		return ""
	}
	return c
}

// refusal says what in the recorded answer keeps every page of the origin from
// reading it. Firefox records such an answer as if the page had read it.
func (e *harEntry) refusal(q *explain.Question) string {
	if q.Failed != "" || q.Mode != "" || q.Origin == "" || e.Response == nil || len(e.Response.Headers) == 0 {
		return ""
	}
	plan := browser.MakePlan(browser.Request{Origin: q.Origin, Target: explain.PageOrigin(q.URL), Method: q.Method, Credentials: browser.SameOrigin})
	v := plan.CheckResponse(browser.Response{Status: e.Response.Status, Headers: e.Response.Headers})
	if !v.Blocked {
		return ""
	}
	return "of its answer: " + v.Steps[len(v.Steps)-1].Says
}

// addPreflight puts into q what the preflight tells: the origin, and the names
// of the headers that the page set. If the page set no headers, and the method
// needs no preflight, the preflight was sent because the upload has listeners.
func (e *harEntry) addPreflight(q *explain.Question) {
	if origin := e.preflight.header("Origin"); origin != "" {
		q.Origin, q.Notes = origin, nil
	}
	names, told := e.preflight.Request.Headers.Get("Access-Control-Request-Headers")
	if e.preflight.header("Access-Control-Request-Method") == "" {
		return // it was recorded without its headers
	}
	q.Headers = nil
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			value, _ := e.headers().Get(name)
			q.Headers = append(q.Headers, browser.Header{Name: name, Value: value})
		}
	}
	q.Upload = !told && policy.IsSafelistedMethod(q.Method)
}

// headers are the request's without the pseudo-headers of HTTP/2, of which
// :authority is its Host (RFC 9113, section 8.3.1).
func (e *harEntry) headers() (hs browser.Headers) {
	for _, h := range e.Request.Headers {
		if h.Name == ":authority" {
			h.Name = "Host"
		}
		if !strings.HasPrefix(h.Name, ":") {
			hs = append(hs, h)
		}
	}
	return hs
}

// modeOfType goes by what Chromium calls the request, which it also does of one
// that was not sent. One with an Origin is of the mode cors, or a document's.
func (e *harEntry) modeOfType() explain.Mode {
	switch e.ResourceType {
	case "document":
		return explain.Navigate
	case "websocket":
		return explain.WebSocket
	case "ping", "csp-report":
		return explain.NoCORS
	case "image", "media", "script", "stylesheet", "other":
		if e.header("Origin") == "" {
			return explain.NoCORS
		}
	}
	return ""
}
