package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// harFile is what matters of an HTTP Archive (HAR 1.2,
// http://www.softwareishard.com/blog/har-12-spec/).
type harFile struct {
	Log struct {
		Entries []harEntry `json:"entries"`
	} `json:"log"`
}

type harEntry struct {
	Request struct {
		Method  string          `json:"method"`
		URL     string          `json:"url"`
		Headers browser.Headers `json:"headers"`
		Cookies []struct{}      `json:"cookies"`
	} `json:"request"`
}

// fromHAR returns a question for each request with an Origin. A preflight tells
// which headers the page of its request has set, and is explained with it.
func fromHAR(text string) ([]explain.Question, error) {
	const hint = "give --har the file that \"Save all as HAR\" in the browser's developer tools writes"
	var f harFile
	// Some tools begin the file with a byte order mark.
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &f); err != nil {
		return nil, misused(hint, "read the HAR file: %w", err)
	}
	qs := f.questions()
	if len(qs) == 0 {
		return nil, misused(hint, "none of the %d requests of the HAR file has an Origin", len(f.Log.Entries))
	}
	return qs, nil
}

// asked is what a preflight asked for.
type asked struct {
	names string
	taken bool // the request that it was for is there
}

func (f *harFile) questions() (qs []explain.Question) {
	preflights := map[string]*asked{} // :: harEntry.key
	for _, e := range f.Log.Entries {
		if method, names, ok := e.preflight(); ok {
			preflights[e.key(method)] = &asked{names: names}
		}
	}
	for _, e := range f.Log.Entries {
		if q, ok := e.question(preflights); ok {
			qs = append(qs, q)
		}
	}
	// A preflight whose request was not kept stands for it.
	for _, e := range f.Log.Entries {
		method, _, ok := e.preflight()
		if a := preflights[e.key(method)]; ok && !a.taken {
			a.taken = true
			qs = append(qs, sentRequest(e.Request.Method, e.Request.URL, e.headers()))
		}
	}
	return qs
}

// preflight returns what a preflight asks for; ok is false for other requests.
func (e *harEntry) preflight() (method, names string, ok bool) {
	method, ok = e.Request.Headers.Get("Access-Control-Request-Method")
	names, _ = e.Request.Headers.Get("Access-Control-Request-Headers")
	return method, names, ok && e.Request.Method == "OPTIONS"
}

// key names a request for its preflight to be found.
func (e *harEntry) key(method string) string {
	origin, _ := e.Request.Headers.Get("Origin")
	return fmt.Sprintf("%s %s %s", method, e.Request.URL, origin)
}

// headers are the request's without the pseudo-headers of HTTP/2.
func (e *harEntry) headers() (hs browser.Headers) {
	for _, h := range e.Request.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			hs = append(hs, h)
		}
	}
	return hs
}

// question returns the entry's; ok is false without an Origin, for
// preflights and for WebSockets. Its own preflight is marked as taken.
func (e *harEntry) question(preflights map[string]*asked) (q explain.Question, ok bool) {
	_, _, preflight := e.preflight()
	origin, _ := e.Request.Headers.Get("Origin")
	if preflight || origin == "" || !e.overHTTP() {
		return q, false
	}
	q = sentRequest(e.Request.Method, e.Request.URL, e.headers())
	if len(e.Request.Cookies) > 0 {
		q.Credentials = browser.Include
	}
	if a := preflights[e.key(e.Request.Method)]; a != nil {
		a.taken = true
		q.Headers, q.Upload = headersAsked(e.headers(), a.names), a.names == ""
	}
	return q, true
}

// overHTTP tells requests from WebSockets, which CORS is not about.
func (e *harEntry) overHTTP() bool {
	scheme, _, _ := strings.Cut(e.Request.URL, "://")
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// headersAsked returns those of sent that a preflight asked for.
func headersAsked(sent browser.Headers, names string) (hs browser.Headers) {
	for _, h := range headersOf(names) {
		h.Value, _ = sent.Get(h.Name)
		hs = append(hs, h)
	}
	return hs
}
