package browsers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	fetch "github.com/corsgate/corsgate/policy/browser"
)

// TestVerdicts has pages make requests whose answers have every kind of CORS
// headers, right ones and wrong ones, and wants of package policy/browser what
// the browser does: which preflights it sends, what it blocks, and the words of
// its console.
func TestVerdicts(t *testing.T) {
	cert := makeCertificate(t)
	up := startAnswers(t)
	_, port, _ := net.SplitHostPort(up.address)
	target := "http://raw.api.test:" + port
	inEachBrowser(t, kinds, startProxy(t, startPages(t, cert.tls).route), cert, func(t *testing.T, page *browser) {
		testVerdicts(t, page, up, target)
	})
}

func testVerdicts(t *testing.T, page *browser, up *answers, target string) {
	rng := rand.New(rand.NewPCG(2, 7))
	page.show(t, plain+"/")
	blocked := 0
	const cases = 500
	for i := range cases {
		v := randomVerdict(rng)
		id := fmt.Sprintf("%s-verdict-%d", page.name, i)
		got, err := page.run(v.order(target, id))
		if err != nil {
			t.Fatal(err)
		}
		plan := fetch.MakePlan(v.request(page.name, target))
		want := v.judge(&plan)
		if want.Blocked {
			blocked++
		}
		for _, line := range v.differences(want, got, page, id, up.preflight(id), &plan) {
			t.Errorf("%+v: %s", v, line)
		}
	}
	if blocked < cases/4 || blocked > cases*3/4 {
		t.Errorf("%d of %d are blocked, which tells too little of one side", blocked, cases)
	}
}

// answers answers as the path's query says, preflights apart.
type answers struct {
	address string

	mu         sync.Mutex
	preflights map[string]string // :: id -> the headers asked for, in brackets
}

func startAnswers(t *testing.T) *answers {
	t.Helper()
	l := listen(t)
	a := &answers{address: l.Addr().String(), preflights: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/{id}", a.answer)
	serve(t, mux, l)
	return a
}

func (a *answers) answer(w http.ResponseWriter, r *http.Request) {
	text := r.FormValue("answer")
	if method := r.Header.Get("Access-Control-Request-Method"); r.Method == http.MethodOptions && method != "" {
		a.mu.Lock()
		a.preflights[r.PathValue("id")] = method + " [" + r.Header.Get("Access-Control-Request-Headers") + "]"
		a.mu.Unlock()
		text = r.FormValue("preflight")
	}
	status, lines := parseAnswer(text)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		w.Header().Add(name, value)
	}
	w.WriteHeader(status)
}

// preflight returns what the preflight of that id asked for.
func (a *answers) preflight(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.preflights[id]
}

// verdict is a request with the answers that it gets.
type verdict struct {
	by, method, with, credentials string
	preflight, answer             string
}

// pick returns one of the choices.
func pick(rng *rand.Rand, choices []string) string { return choices[rng.IntN(len(choices))] }

// randomVerdict makes one; what is right comes more often, so that the later
// checks have their turn.
func randomVerdict(rng *rand.Rand) verdict {
	v := verdict{
		by:          pick(rng, []string{"", "", "xhr", "upload"}),
		method:      pick(rng, []string{"GET", "POST", "PUT", "put", "PATCH", "patch", "DELETE", "QUERY", "OPTIONS"}),
		with:        pick(rng, requestHeaders),
		credentials: pick(rng, []string{"omit", "same-origin", "same-origin", "include", "include"}),
	}
	if v.by != "" && v.credentials == "omit" {
		v.credentials = "same-origin" // XMLHttpRequest has no other
	}
	statuses := []string{"200", "204", "204", "204", "204", "204", "299", "301", "302; Location: ?elsewhere", "304", "403", "500"}
	v.preflight = pick(rng, statuses) + granted(rng) +
		pick(rng, allowMethods) + pick(rng, allowHeaders)
	if rng.IntN(3) == 0 {
		v.preflight = "204; Access-Control-Allow-Origin: " + plain + credentialsLine + "true" + everyMethod + everyHeader
	}
	v.answer = pick(rng, []string{"200", "204", "404", "500"}) + granted(rng)
	return v
}

// granted returns the lines for origin and credentials.
func granted(rng *rand.Rand) string {
	right := "; Access-Control-Allow-Origin: " + plain
	line := right
	if rng.IntN(6) == 0 {
		line = pick(rng, []string{
			"", right + right, "; Access-Control-Allow-Origin: *", "; Access-Control-Allow-Origin: null", "; Access-Control-Allow-Origin: " + app,
			right + "/", "; Access-Control-Allow-Origin: nonsense", "; Access-Control-Allow-Origin: HTTP://APP.corp.test",
			right + ", https://b.test", right + " https://b.test", "; Access-Control-Allow-Origin:  " + plain, "; Access-Control-Allow-Origin: *, *",
		})
	}
	return line + pick(rng, []string{
		"", credentialsLine + "true", credentialsLine + "true", credentialsLine + "true", credentialsLine + "true", credentialsLine + "true", credentialsLine + "True", credentialsLine + "false",
		credentialsLine + "true" + credentialsLine + "true",
	})
}

const credentialsLine = "; Access-Control-Allow-Credentials: "

// requestHeaders are what pages set, a line each.
var requestHeaders = []string{
	"", "", "X-Token: t", "X-A: a\nX-Token: t", "Authorization: Bearer t", "Authorization: Bearer t", "Content-Type: application/json",
	"Content-Type: text/plain;charset=utf-8", "Content-Type: text/plain; x=(", "Content-Type: TEXT/PLAIN", "Content-Type: multipart/form-data; boundary=x",
	"Accept: text/html;q=1", "Accept: a(b", "Accept: " + strings.Repeat("a", 128), "Accept: " + strings.Repeat("a", 129),
	"Accept-Language: de-DE, en;q=0.5", "Accept-Language: de_DE", "Content-Language: en", "Content-Language: e@n",
	"Range: bytes=0-99", "Range: bytes=5-", "Range: bytes=-5", "Range: bytes=9-5", "Range: bytes=0-1,3-4", "Range: lines=0-1", "Range: bytes=0 - 9",
	"Cookie: a=b", "X-HTTP-Method-Override: TRACE", "X-HTTP-Method-Override: PUT", "Sec-X: y", "Proxy-X: y",
	"User-Agent: a page", "DPR: 2", "Save-Data: on", "Save-Data: off",
}

const (
	everyMethod = "; Access-Control-Allow-Methods: PUT, PATCH, patch, DELETE, QUERY, OPTIONS"
	everyHeader = "; Access-Control-Allow-Headers: x-token, x-a, content-type, authorization, accept, accept-language, " +
		"content-language, range, x-http-method-override"
)

var allowMethods = []string{
	"", "; Access-Control-Allow-Methods: *", "; Access-Control-Allow-Methods: PUT, PATCH,DELETE", "; Access-Control-Allow-Methods: put, QUERY,, OPTIONS",
	"; Access-Control-Allow-Methods: patch; Access-Control-Allow-Methods: PUT", "; Access-Control-Allow-Methods: PUT (", "; Access-Control-Allow-Methods: GET PUT",
	everyMethod, everyMethod, everyMethod, everyMethod, everyMethod, everyMethod, everyMethod, everyMethod,
}

var allowHeaders = []string{
	"", "; Access-Control-Allow-Headers: *", "; Access-Control-Allow-Headers: *", "; Access-Control-Allow-Headers: X-TOKEN, x-a", "; Access-Control-Allow-Headers: x-token,content-type, authorization",
	"; Access-Control-Allow-Headers: x-token (", "; Access-Control-Allow-Headers: *, Authorization",
	everyHeader, everyHeader, everyHeader, everyHeader, everyHeader, everyHeader,
}

// order has the page make the request.
func (v verdict) order(target, id string) order {
	o := order{By: v.by, Method: v.method, Headers: [][]string{}, Options: map[string]string{"credentials": v.credentials}}
	o.URL = target + "/" + id + "?preflight=" + url.QueryEscape(v.preflight) + "&answer=" + url.QueryEscape(v.answer)
	for _, h := range headersOf(split(v.with, "\n")) {
		o.Headers = append(o.Headers, []string{h.Name, h.Value})
	}
	if v.by == "upload" {
		o.Body = "x"
	}
	return o
}

// request is the same for package policy/browser. A body without a type of its
// own is text, which needs no preflight.
func (v verdict) request(engine fetch.Engine, target string) fetch.Request {
	return fetch.Request{
		Engine: engine,
		Origin: plain, Target: target, Method: v.method, Headers: headersOf(split(v.with, "\n")),
		Credentials: fetch.Credentials(v.credentials), UsePreflight: v.by == "upload",
	}
}

// judge returns the verdict about the whole.
func (v verdict) judge(p *fetch.Plan) fetch.Verdict {
	if p.Preflight {
		if got := p.CheckPreflight(responseOf(v.preflight)); got.Blocked {
			return got
		}
	}
	return p.CheckResponse(responseOf(v.answer))
}

func responseOf(answer string) fetch.Response {
	status, lines := parseAnswer(answer)
	return fetch.Response{Status: status, Headers: headersOf(lines)}
}

// differences lists what the browser did otherwise.
func (v verdict) differences(want fetch.Verdict, got result, page *browser, id, preflight string, p *fetch.Plan) (lines []string) {
	if blocked := got.Outcome == "blocked"; blocked != want.Blocked {
		lines = append(lines, fmt.Sprintf("the page saw %q, want blocked %t by %v", got.Outcome, want.Blocked, want.Steps))
	}
	if strings.Contains(v.with, "\n") {
		// Of several names that are missing a browser may tell another one.
		want.Console, _, _ = strings.Cut(want.Console, "X-")
		want.Console, _, _ = strings.Cut(want.Console, "x-")
	}
	if want.Console != "" && !page.said(id, want.Console) {
		lines = append(lines, fmt.Sprintf("the console does not say %q, but %q", want.Console, page.about(id)))
	}
	asked := ""
	if p.Preflight {
		hs := p.PreflightHeaders()
		names, _ := hs.Get("Access-Control-Request-Headers")
		asked = p.Method + " [" + names + "]"
	}
	if preflight != asked {
		lines = append(lines, fmt.Sprintf("the preflight asked for %q, want %q", preflight, asked))
	}
	return lines
}
