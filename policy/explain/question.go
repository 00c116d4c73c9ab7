package explain

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// Question is a request that a page makes.
type Question struct {
	// Origin is the page's origin, as in the header Origin.
	Origin string `json:"origin"`
	// URL is what the page asks for: http or https, and a host.
	URL string `json:"url"`
	// Method is as the page wrote it; empty means GET. Headers are those that the
	// page set; a name without a value needs a preflight if any value does.
	Method  string          `json:"method,omitempty"`
	Headers browser.Headers `json:"headers,omitempty"`
	// Credentials is the credentials mode, or Unknown; empty means same-origin.
	Credentials browser.Credentials `json:"credentials,omitempty"`
	// Upload says that the upload has listeners, which need a preflight.
	Upload bool `json:"upload,omitempty"`
	// Bare says that the request was sent without a preflight.
	Bare bool `json:"bare,omitempty"`
	// Mode is the request's mode; empty means cors. Font says that a style sheet
	// asks for a font.
	Mode Mode `json:"mode,omitempty"`
	Font bool `json:"font,omitempty"`
	// Failed is how a recording says that the request failed. It is empty if the
	// recording does not say so.
	Failed string `json:"failed,omitempty"`
	// Notes are remarks about a recording by the package that read it. The report
	// repeats them.
	Notes []string `json:"notes,omitempty"`
	// Policy is the name of the policy that Envoy gives; empty means none.
	Policy string `json:"policy,omitempty"`
	// Upstream is the upstream's answer, if UpstreamPreflight is nil also to
	// preflights that reach it. The zero Upstream is not known.
	Upstream          Upstream  `json:"upstream,omitzero"`
	UpstreamPreflight *Upstream `json:"upstreamPreflight,omitempty"`
}

// Upstream is what an upstream answers.
type Upstream struct {
	// Status is 0 if it is not known. It then counts as 200, or as 101 for a
	// WebSocket handshake.
	Status int `json:"status,omitempty"`
	// Headers are nil if they are not known, and empty if there are none.
	Headers browser.Headers `json:"headers,omitzero"`
}

// IsStatus reports whether n is a status of HTTP: three digits (RFC 9112, section
// 4), of which browsers take those above 599 too (Fetch, #concept-status).
func IsStatus(n int) bool { return n >= 100 && n <= 999 }

// check refuses a status that no answer has.
func (u Upstream) check() error {
	if u.Status != 0 && !IsStatus(u.Status) {
		return fmt.Errorf("no answer has the status %d: give one of 100 to 999", u.Status)
	}
	return nil
}

// known reports whether u has what CORS looks at. answers reports whether u is
// an answer at all.
func (u Upstream) known() bool   { return u.Headers != nil }
func (u Upstream) answers() bool { return u.Status != 0 || u.known() }

// preflightUpstream returns the upstream's answer to the preflight.
func (q *Question) preflightUpstream() Upstream {
	if q.UpstreamPreflight != nil {
		return *q.UpstreamPreflight
	}
	return q.Upstream
}

// asked is a question that has been read.
type asked struct {
	Question
	url    *url.URL // its host as browsers send it
	target string   // the origin of url
	// path is the normalised path. readings are the other ways in which
	// applications may read it, unless there are too many.
	path     string
	readings []string
	tooMany  bool
	// copied has the headers of a preflight, if the question is about one as it
	// was sent; otherwise it is nil. sentFor says why it was sent, if its request
	// does not show that.
	copied  browser.Headers
	sentFor string
}

// read checks q and fills in what is left out. The error says what to write.
func read(q Question) (asked, error) {
	if q.Origin == "" {
		return asked{}, errors.New("the origin is missing: CORS is not about a request without Origin; give the page's, such as https://app.example.com")
	}
	u, target, err := parseURL(q.URL)
	if err != nil {
		return asked{}, err
	}
	if u.socket {
		q.Mode = WebSocket
	}
	if err := cmp.Or(checkModes(&q), q.Upstream.check(), q.preflightUpstream().check()); err != nil {
		return asked{}, err
	}
	a := asked{Question: q, url: u.URL, target: target}
	a.path, a.readings, a.tooMany = policy.ReadPath(u.RequestURI())
	return fillIn(a), nil
}

// webURL is a URL of http or https, with its host as browsers send it. It may open a
// WebSocket.
type webURL struct {
	*url.URL
	socket bool
}

// parseURL reads a URL, and returns the origin of a page there, too.
func parseURL(text string) (u webURL, origin string, err error) {
	if u.URL, err = url.Parse(text); err != nil {
		return webURL{}, "", fmt.Errorf("read the URL: %w", err)
	}
	var scheme string
	if scheme, u.socket = webSocketSchemes[strings.ToLower(u.Scheme)]; u.socket {
		u.Scheme = scheme
	}
	if origin, err = originOf(u.URL); err != nil {
		return webURL{}, "", fmt.Errorf("the URL %q: %w", text, err)
	}
	u.Host = asciiHost(u.URL) + portOf(u.URL)
	return u, origin, nil
}

// Place returns the authority and the path of a request for the URL, which choose its
// policy.
func Place(text string) (authority, path string, err error) {
	u, _, err := parseURL(text)
	if err != nil {
		return "", "", err
	}
	return u.Host, u.RequestURI(), nil
}

// webSocketSchemes are the schemes of the requests that open a WebSocket
// (WebSockets, #concept-websocket-establish).
var webSocketSchemes = map[string]string{"ws": "http", "wss": "https"}

// checkModes fills in the mode.
func checkModes(q *Question) error {
	switch q.Credentials {
	case "", browser.Omit, browser.SameOrigin, browser.Include, Unknown:
	default:
		return fmt.Errorf("no credentials mode %q: write omit, same-origin or include", q.Credentials)
	}
	switch q.Mode {
	case "":
		q.Mode = CORS
	case CORS, Navigate, NoCORS, WebSocket:
	default:
		return fmt.Errorf("no mode %q: write cors, navigate, no-cors or websocket", q.Mode)
	}
	return nil
}

// fillIn replaces a missing value by its default, and a preflight by the
// request that it is for.
func fillIn(a asked) asked {
	if a.Method == "" {
		a.Method = "GET"
	}
	method, preflight := a.Headers.Get("Access-Control-Request-Method")
	if a.Method != "OPTIONS" || !preflight || method == "" {
		return a
	}
	a.copied = browser.Headers{{Name: "Origin", Value: a.Origin}}
	for _, h := range a.Headers {
		if strings.HasPrefix(strings.ToLower(h.Name), "access-control-request-") {
			a.copied = append(a.copied, h)
		}
	}
	// The names were unsafe, whatever their values.
	a.Method, a.Headers = method, nil
	for _, name := range requestedNames(a.copied) {
		if !policy.IsForbiddenRequestHeader(name) { // old browsers list what they set themselves
			a.Headers = append(a.Headers, browser.Header{Name: name, Value: browser.UnsafeValue})
		}
	}
	a.Upload = false
	a.guessReason()
	return a
}

// guessReason says why a preflight was sent although neither the method nor the
// headers of its request need one. A browser sends one for an upload (Fetch,
// #use-cors-preflight-flag). Older ones sent one before they asked a private
// network (Private Network Access, section 3.1.2), and listed their own headers.
func (a *asked) guessReason() {
	_, private := a.copied.Get("Access-Control-Request-Private-Network")
	names := requestedNames(a.copied)
	sent := policy.NormaliseMethod(a.Method)
	switch {
	case sent != a.Method:
		a.sentFor = "no browser sends this preflight: for a page's " + a.Method + " it asks for " + sent
	case len(a.Headers) > 0 || !policy.IsSafelistedMethod(sent):
	case private:
		a.sentFor = "the preflight asks whether a public page may reach a private network"
	case len(names) > 0:
		a.sentFor = "the preflight names only what no page sets (" + listed(names) + "), so it does not say which header of the request needs it"
	default:
		a.Upload = true
	}
}

// requestedNames returns the names that a preflight asks for, in lower case.
func requestedNames(preflight browser.Headers) (names []string) {
	value, _ := preflight.Get("Access-Control-Request-Headers")
	for name := range strings.SplitSeq(strings.ToLower(value), ",") {
		if name = strings.Trim(name, " \t"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// originOf returns the origin of a page at u as browsers send it (HTML, section
// "Origin"; Fetch, #origin-header).
func originOf(u *url.URL) (string, error) {
	scheme := strings.ToLower(u.Scheme)
	if u.Host == "" && u.Opaque == "" {
		return "", errors.New("its host is missing, write it as in https://api.example.com/v1")
	}
	if scheme != "http" && scheme != "https" || u.Hostname() == "" {
		return "", errors.New("it is not an http or https URL with a host, write it as in https://api.example.com/v1")
	}
	origin := scheme + "://" + asciiHost(u)
	if port := u.Port(); port != "" && port != defaultPorts[scheme] {
		origin += ":" + port
	}
	return origin, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// portOf returns the port of u with its colon, or nothing.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return ":" + port
	}
	return ""
}

// asciiHost returns the host of u as browsers serialise it.
func asciiHost(u *url.URL) string {
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil {
		host = strings.ToLower(u.Hostname())
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host
}
