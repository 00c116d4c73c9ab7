package export

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/exporter"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/respond"
)

// seeds are how many sets of policies are made up, each for an Envoy of its own.
const seeds = 3

// TestEnvoyLetsPagesDoWhatPoliciesSay compares, by made-up policies and requests, what a
// browser makes of the answers of Envoy's own filter and of corsgate's decisions.
func TestEnvoyLetsPagesDoWhatPoliciesSay(t *testing.T) {
	up := newUpstream(t)
	allowed, lossy := 0, 0
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 1))
		specs := randomSpecs(random)
		valid := policy.Examine(specs, func(policy.Problem) {})
		if valid == nil {
			_, problems := policy.Validate(specs)
			t.Fatal(problems)
		}
		w := world{set: policy.Compile(valid), specs: valid.Specs(), told: map[string][]source.Finding{}}
		r, err := exporter.Export(exporter.Envoy, exporter.Policies{Specs: w.specs, Locate: func(int, string) source.Place { return source.Place{} }})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			if exporter.IsLossy(f) {
				w.told[f.Policy] = append(w.told[f.Policy], f)
				lossy++
			}
		}
		w.address = startEnvoy(t, r.Document, up)
		for range 400 {
			if w.compare(t, randomRequest(random)) {
				allowed++
			}
		}
	}
	if allowed < seeds*50 || lossy == 0 {
		t.Errorf("only %d requests were allowed, and %d findings were lossy", allowed, lossy)
	}
}

// own are the headers that the upstream sends by itself, which must not reach a page.
var own = map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*", "Access-Control-Expose-Headers": "*"}

func newUpstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range own {
			w.Header().Set(name, value)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// startEnvoy runs an Envoy with what was exported, and returns its address.
func startEnvoy(t *testing.T, exported []byte, up string) string {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(exported, &doc); err != nil {
		t.Fatal(err)
	}
	b := envoytest.Bootstrap(t, envoy.Config{Profile: envoy.TwoPhase, Listen: "127.0.0.1:0", Upstream: up, Service: "127.0.0.1:1"})
	static := b["static_resources"].(map[string]any)
	static["clusters"] = static["clusters"].([]any)[:1] // without corsgate
	manager := envoytest.Manager(b)
	filters := manager["http_filters"].([]any)
	manager["http_filters"] = append(doc["http_filters"].([]any), filters[len(filters)-1])
	manager["route_config"] = doc["route_config"]
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range envoytest.Start(t, text).Listeners {
		return address
	}
	t.Fatal("Envoy has no listener")
	return ""
}

// world is a set of policies, and an Envoy that they were exported to.
type world struct {
	set     *policy.Set
	specs   []policy.Spec
	told    map[string][]source.Finding // :: policy -> what is lost of it
	address string
}

// sent is a request of a page.
type sent struct {
	host, path string
	browser    browser.Request
}

// compare sends a request, and its preflight if there is one, to both sides. It reports
// whether the page may read the answer.
func (w *world) compare(t *testing.T, s sent) bool {
	t.Helper()
	plan := browser.MakePlan(s.browser)
	if plan.Refused != "" {
		return false
	}
	ours, theirs := w.decided(&plan, s), w.asked(t, &plan, s)
	name := w.set.Decide(&policy.Request{Method: plan.Method, Authority: s.host, Path: s.path, Origin: s.browser.Origin}).Policy
	if ours != theirs && !w.tells(name, s, theirs) {
		t.Errorf("%s %s%s of %s with %v, policy %q: corsgate allows %v, Envoy %v", plan.Method, s.host, s.path, s.browser.Origin, s.browser.Headers, name, ours, theirs)
	}
	return ours && theirs
}

// tells reports whether the report says of a policy that such a request is allowed from
// now on, or no longer.
func (w *world) tells(name string, s sent, more bool) bool {
	fidelity := source.Narrowed
	if more {
		fidelity = source.Widened
		if _, asks := s.browser.Headers.Get("Authorization"); !asks { // only a star for headers allows more
			return false
		}
	}
	return slices.ContainsFunc(w.told[name], func(f source.Finding) bool { return f.Fidelity == fidelity })
}

// may asks about the preflight and the request.
func may(plan *browser.Plan, ask func(method string, headers browser.Headers) browser.Response) bool {
	if plan.Preflight {
		answer := ask(http.MethodOptions, plan.PreflightHeaders())
		if v := plan.CheckPreflight(answer); v.Blocked {
			return false
		}
	}
	v := plan.CheckResponse(ask(plan.Method, append(slices.Clone(plan.Headers), browser.Header{Name: "Origin", Value: plan.PreflightHeaders()[0].Value})))
	return !v.Blocked
}

func (w *world) decided(plan *browser.Plan, s sent) bool {
	upstream := respond.Headers{}
	for name, value := range own {
		upstream[strings.ToLower(name)] = []string{value}
	}
	return may(plan, func(method string, headers browser.Headers) browser.Response {
		_, answer := decide(w.set, s, method, headers, upstream)
		return answer
	})
}

// decide returns what policies decide about a request, and what a page gets if the
// application answers with these headers.
func decide(set *policy.Set, s sent, method string, headers browser.Headers, upstream respond.Headers) (policy.Decision, browser.Response) {
	r := policy.Request{Method: method, Authority: s.host, Path: s.path}
	r.Origin, _ = headers.Get("Origin")
	r.RequestMethod, _ = headers.Get("Access-Control-Request-Method")
	r.RequestHeaders, _ = headers.Get("Access-Control-Request-Headers")
	d := set.Decide(&r)
	got := respond.To(d, respond.Response{Status: 200, Headers: upstream})
	answer := browser.Response{Status: got.Status}
	for name, lines := range got.Headers {
		for _, line := range lines {
			answer.Headers = append(answer.Headers, browser.Header{Name: name, Value: line})
		}
	}
	return d, answer
}

func (w *world) asked(t *testing.T, plan *browser.Plan, s sent) bool {
	t.Helper()
	return may(plan, func(method string, headers browser.Headers) browser.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.address+s.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = s.host
		for _, h := range headers {
			req.Header.Add(h.Name, h.Value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		answer := browser.Response{Status: resp.StatusCode}
		for name, lines := range resp.Header {
			for _, line := range lines {
				answer.Headers = append(answer.Headers, browser.Header{Name: name, Value: line})
			}
		}
		if method != http.MethodOptions && w.isCORS(s) && !slices.Contains(resp.Header.Values("Vary"), "Origin") {
			t.Errorf("%s%s: no Vary", s.host, s.path)
		}
		return answer
	})
}

// isCORS reports whether an enforced policy is about a request.
func (w *world) isCORS(s sent) bool {
	d := w.set.Decide(&policy.Request{Method: "GET", Authority: s.host, Path: s.path, Origin: "https://stranger.example"})
	return d.Policy != "" && d.Answer.Apply != policy.ApplyNone
}

var client = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}

func oneOf[T any](random *rand.Rand, list ...T) T { return list[random.IntN(len(list))] }

// some returns some of a list.
func some(random *rand.Rand, list ...string) (part []string) {
	for _, entry := range list {
		if random.IntN(3) == 0 {
			part = append(part, entry)
		}
	}
	return part
}

// randomSpecs makes policies up, most of them for a host or a path of their own.
func randomSpecs(random *rand.Rand) []policy.Spec {
	specs := []policy.Spec{
		{Name: "everywhere", CORS: randomCORS(random)},
		{Name: "below", Hosts: []string{"*.test"}, Paths: []string{"/a/b", "/c"}, CORS: randomCORS(random)},
		{Name: "off", Hosts: []string{"off.test"}, Paths: []string{"/a"}, Mode: policy.ModeOff, CORS: policy.CORS{AllowOrigins: []string{"https://a.example"}}},
		{Name: "rehearsed", Hosts: []string{"h0.test"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"*"}}},
	}
	for i := range 24 {
		s := policy.Spec{Name: fmt.Sprintf("p%d", i), Hosts: []string{fmt.Sprintf("h%d.test", i)}, CORS: randomCORS(random)}
		s.Paths = some(random, "/a", "/a/b", "/d")
		specs = append(specs, s)
	}
	for i := range specs {
		s := &specs[i]
		s.Dangerously = []policy.OptIn{policy.OptInAnyOriginWithCredentials, policy.OptInInsecureOrigins, policy.OptInNullOrigin, policy.OptInOriginRegex}
		s.UnmatchedPreflights = oneOf(random, policy.UnmatchedReject, policy.UnmatchedReject, policy.UnmatchedForward)
	}
	return specs
}

// origins are entries of policies, of each form.
var origins = []string{
	"https://a.example", "https://*.a.example", "https://app-*.a.example", "https://*-app.a.example:8443", "http://localhost:*", "https://*:8443", "https://*", "http://[::1]:3000",
	"capacitor://localhost", "chrome-extension://*", "app://.", "null", "https://*.x.a.example:*",
}

// regexes are those of policies: some are equal to patterns, and some match more in Envoy
// than in a policy.
var regexes = []string{`https://r[0-9]+\.example`, `https://.*\.b\.example`, `.*`, `null|https://n\.example`, `(file|https)://.*\.c\.example`, `.*\.d\.example`}

func randomCORS(random *rand.Rand) policy.CORS {
	c := policy.CORS{AllowOrigins: some(random, origins...)}
	if len(c.AllowOrigins) == 0 {
		c.AllowOrigins = []string{"*"}
	} else if random.IntN(2) == 0 {
		c.AllowOriginRegexes = some(random, regexes...)
	}
	c.AllowCredentials = random.IntN(2) == 0
	c.AllowMethods = oneOf(random, nil, []string{"PUT", "PATCH"}, []string{"DELETE"}, []string{"PURGE", "PUT"}, []string{"*"}, []string{"*", "PUT"})
	c.AllowHeaders = oneOf(random, nil, []string{"x-a", "Content-Type"}, []string{"authorization"}, []string{"*"}, []string{"*", "authorization"})
	if c.AllowCredentials {
		c.ExposeHeaders = some(random, "x-b", "x-c")
	} else {
		c.ExposeHeaders = some(random, "x-b", "*")
	}
	if age := oneOf(random, -1, 0, 600); age >= 0 {
		c.MaxAge = &age
	}
	return c
}

// randomRequest makes up a request of a page that some policy may be about.
func randomRequest(random *rand.Rand) sent {
	s := sent{
		host: oneOf(random, "other.example", "x.test", "off.test", fmt.Sprintf("h%d.test", random.IntN(24)), fmt.Sprintf("h%d.test", random.IntN(24)), fmt.Sprintf("h%d.test:8080", random.IntN(24))),
		path: oneOf(random, "/", "/a", "/a/", "/a/b", "/a/bc", "/ab", "/a/b/c?d=e", "/c", "/d/x"),
	}
	s.browser = browser.Request{
		Origin: oneOf(random,
			"https://a.example", "https://b.a.example", "https://c.b.a.example", "https://app-1.a.example", "https://app-.a.example", "https://appa.example", "https://x-app.a.example:8443",
			"http://localhost", "http://localhost:3000", "https://evil.example", "https://evil.example:8443", "http://[::1]:3000", "capacitor://localhost", "chrome-extension://abc", "app://.",
			"null", "file://", "https://a.x.a.example:1", "https://r12.example", "https://x.b.example", "https://n.example", "file://x.c.example", "https://x.c.example", "https://x.d.example", "content://x.d.example"),
		Target: "https://" + s.host, Method: oneOf(random, "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "PURGE"),
	}
	if random.IntN(2) == 0 {
		s.browser.Credentials = browser.Include
	}
	for _, name := range some(random, "X-A", "Content-Type", "Authorization", "X-Z") {
		s.browser.Headers = append(s.browser.Headers, browser.Header{Name: name, Value: "application/json"})
	}
	return s
}
