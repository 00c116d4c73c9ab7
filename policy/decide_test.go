package policy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func mustCompile(t testing.TB, specs ...Spec) *Set {
	t.Helper()
	valid, problems := Validate(specs)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return Compile(valid)
}

func ptr[T any](v T) *T { return &v }

// exampleSpec has credentials, exact and wildcard origins, and lists.
func exampleSpec() Spec {
	return Spec{
		Name: "api", Hosts: []string{"api.example.com"}, Paths: []string{"/v1"},
		CORS: CORS{
			AllowOrigins: []string{"https://example.com", "https://*.example.com"}, AllowMethods: []string{"PUT", "PATCH"},
			AllowHeaders: []string{"content-type", "x-a", "x-b"}, ExposeHeaders: []string{"x-r"}, AllowCredentials: true, MaxAge: ptr(600),
		},
	}
}

func TestDecideAllocatesNothingForWhatIsCommon(t *testing.T) {
	shadow := exampleSpec()
	shadow.Name, shadow.Mode = "next", ModeShadow
	set := mustCompile(t, exampleSpec(), shadow)
	base := Request{Method: "GET", Authority: "api.example.com", Path: "/v1/users?id=1", Origin: "https://example.com"}
	preflight := base
	preflight.Method, preflight.RequestMethod, preflight.RequestHeaders = "OPTIONS", "PUT", "content-type,x-a"
	for name, r := range map[string]Request{
		"exact origin":     base,
		"subdomain":        with(base, func(r *Request) { r.Origin = "https://a.b.example.com" }),
		"denied origin":    with(base, func(r *Request) { r.Origin = "https://evil.test" }),
		"malformed origin": with(base, func(r *Request) { r.Origin = "https://evil.test, https://example.com" }),
		"app origin":       with(base, func(r *Request) { r.Origin = "app://." }),
		"no origin":        with(base, func(r *Request) { r.Origin = "" }),
		"preflight":        preflight,
		"old preflight":    with(preflight, func(r *Request) { r.RequestHeaders = "content-type, origin, x-a" }),
		"denied preflight": with(preflight, func(r *Request) { r.RequestMethod = "DELETE" }),
		"hostile headers":  with(preflight, func(r *Request) { r.RequestHeaders = strings.Repeat(",", 1<<20) }),
		"escapes":          with(base, func(r *Request) { r.Path = "/v1/caf%C3%A9/a%20b" }),
		"another host":     with(base, func(r *Request) { r.Authority = "other.test" }),
	} {
		var d Decision
		if n := testing.AllocsPerRun(100, func() { d = set.Decide(&r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if d.Answer == nil {
			t.Errorf("%s: no answer", name)
		}
	}
}

func with(r Request, change func(*Request)) Request {
	change(&r)
	return r
}

// TestDecideKnowsAppOrigins: they are compared byte by byte, a public policy
// allows them to ask, and those that anybody can send are worth as much as
// "null": neither a regex nor "*" with credentials takes them in.
func TestDecideKnowsAppOrigins(t *testing.T) {
	listed := exampleSpec()
	listed.CORS.AllowOrigins, listed.Dangerously = []string{"app://.", "file://", "safari-web-extension://AB-CD"}, []OptIn{OptInNullOrigin}
	any := exampleSpec()
	any.CORS.AllowOrigins, any.Dangerously = []string{"*"}, []OptIn{OptInAnyOriginWithCredentials}
	regex := exampleSpec()
	regex.CORS.AllowOrigins, regex.CORS.AllowOriginRegexes = []string{"null"}, []string{`(app|file|content)://.*`}
	regex.Dangerously = []OptIn{OptInOriginRegex, OptInAnyOriginWithCredentials, OptInInsecureOrigins, OptInNullOrigin}
	public := exampleSpec()
	public.CORS.AllowOrigins, public.CORS.AllowCredentials = []string{"*"}, false
	for _, c := range []struct {
		spec            Spec
		allowed, denied []string
		malformed       []string
	}{
		{listed, []string{"app://.", "file://", "safari-web-extension://AB-CD"},
			[]string{"app://-", "app://", "app://..", "app://.:1", "content://", "file://x", "safari-web-extension://ab-cd", "null"}, []string{"App://.", "app://./", "file:///", "app:"}},
		{any, []string{"app://.", "capacitor://localhost", "https://a.test"}, []string{"file://", "content://x", "data://", "null"}, []string{"app:///", "app://*"}},
		{regex, []string{"app://.", "app://X", "null"}, []string{"file://", "content://x", "cef://"}, []string{"app://a,b"}},
		{public, []string{"app://.", "file://", "null", "https://a.test"}, nil, []string{"app:///", "app://a b"}},
	} {
		set := mustCompile(t, c.spec)
		for reason, list := range map[Reason][]string{ReasonPreflightAllowed: c.allowed, ReasonPreflightOriginDenied: c.denied, ReasonPreflightMalformed: c.malformed} {
			for _, origin := range list {
				r := Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/v1", Origin: origin, RequestMethod: "PUT"}
				if d := set.Decide(&r); d.Reason != reason || d.Origin != "" != (reason == ReasonPreflightAllowed) {
					t.Errorf("%q, origin %q: %s, echoed %q; want %s", c.spec.CORS.AllowOrigins, origin, d.Reason, d.Origin, reason)
				}
			}
		}
	}
}

func TestAnAppIsNoSite(t *testing.T) {
	spec := exampleSpec()
	spec.Hosts, spec.DeniedRequests = nil, DeniedBlock
	set := mustCompile(t, spec)
	for authority, origin := range map[string]string{"": "app://", ".": "app://.", "localhost": "capacitor://localhost"} {
		if d := set.Decide(&Request{Method: "POST", Authority: authority, Path: "/v1", Origin: origin}); d.Reason != ReasonRequestBlocked {
			t.Errorf("a request of %s to %q: %s", origin, authority, d.Reason)
		}
	}
}

func TestAnswersStandAtTheirID(t *testing.T) {
	set := mustCompile(t, exampleSpec(), Spec{Name: "public", CORS: CORS{AllowOrigins: []string{"*"}}, Debug: true})
	for i, a := range set.Answers() {
		if a.ID != i {
			t.Errorf("answer %d has the ID %d", i, a.ID)
		}
	}
}

func TestAnswersAreNotSharedAcrossAppends(t *testing.T) {
	set := mustCompile(t, exampleSpec())
	seen := map[string]bool{}
	for _, a := range set.Answers() {
		names := map[string]bool{}
		for _, h := range a.Headers {
			if names[h.Name] {
				t.Errorf("answer %d sets %s twice", a.ID, h.Name)
			}
			names[h.Name] = true
		}
		seen[fmt.Sprint(a.Action, a.Status, a.Headers)] = true
	}
	if len(seen) < 6 {
		t.Errorf("only %d distinct answers", len(seen))
	}
}

// TestReloadsDoNotAccumulate compiles and drops sets: nothing may stay behind.
func TestReloadsDoNotAccumulate(t *testing.T) {
	var serves *Set
	load := func(n int) uint64 {
		for i := range n {
			spec := exampleSpec()
			spec.CORS.MaxAge = ptr(i % 600)
			serves = mustCompile(t, spec)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := load(100)
	if after := load(10000); after > before+(1<<20) {
		t.Errorf("the heap grew from %d to %d bytes over 10000 reloads", before, after)
	}
	runtime.KeepAlive(serves)
}

// FuzzDecide: no input makes a response header whose value is not a parsed
// origin, a configured word or a validated token.
func FuzzDecide(f *testing.F) {
	star := Spec{Name: "star", Hosts: []string{"star.test"}, CORS: CORS{AllowOrigins: []string{"https://*.example.com"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, AllowCredentials: true}, Debug: true}
	requested := exampleSpec()
	requested.Name, requested.Hosts, requested.PreflightLists = "requested", []string{"requested.test"}, ListsRequested
	apps := exampleSpec()
	apps.Name, apps.Hosts, apps.CORS.AllowOrigins, apps.Dangerously = "apps", []string{"apps.test"}, []string{"*"}, []OptIn{OptInAnyOriginWithCredentials}
	set := mustCompile(f, exampleSpec(), star, requested, apps)
	f.Add("star.test", "/", "OPTIONS", "https://a.example.com", "PUT", "x-a, X-B")
	f.Add("requested.test", "/v1", "OPTIONS", "https://example.com", "PUT", "x-a,,content-type")
	f.Add("star.test", "/", "OPTIONS", "https://a.example.com", "TRACE", "origin,x-a")
	f.Add("api.example.com", "/v1", "GET", "https://example.com", "", "")
	f.Add("apps.test", "/v1", "GET", "app://.", "", "")
	f.Add("apps.test", "/v1", "OPTIONS", "file://", "PUT", "")
	f.Fuzz(func(t *testing.T, authority, path, method, origin, requestMethod, requestHeaders string) {
		r := Request{Method: method, Authority: authority, Path: path, Origin: origin, RequestMethod: requestMethod, RequestHeaders: requestHeaders}
		d := set.Decide(&r)
		if d.Answer == nil {
			t.Fatal("no answer")
		}
		for _, h := range d.Answer.Headers {
			checkValue(t, h, d.Value(h))
		}
	})
}

func checkValue(t *testing.T, h Header, value string) {
	switch h.From {
	case FromOrigin:
		if o, err := ParseOrigin(value); err != nil || isAnybodys(o.Scheme) {
			t.Errorf("%s echoes %q", h.Name, value)
		}
	case FromMethod:
		if !IsToken(value) || IsForbiddenMethod(value) {
			t.Errorf("%s echoes %q", h.Name, value)
		}
	case FromHeaders:
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimPrefix(name, " "); value != "" && (!IsToken(name) || IsForbiddenRequestHeader(name)) {
				t.Errorf("%s echoes %q", h.Name, value)
			}
		}
	}
}

func TestPolicyUnknownIsNoPreflightWithoutOrigin(t *testing.T) {
	set := mustCompile(t, exampleSpec())
	d := set.Decide(&Request{Policy: "gone", Method: "OPTIONS", RequestMethod: "PUT"})
	if d.Preflight || d.Answer.Action != Edit || d.Reason != ReasonPolicyUnknown {
		t.Errorf("OPTIONS without an Origin: %+v", d)
	}
}

// TestShadowDiffersInReasonAndInValues: what a person would want to know of
// before enforcing a policy is a difference, even if browsers see none.
func TestShadowDiffersInReasonAndInValues(t *testing.T) {
	preflight := Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/v1", Origin: "https://example.com", RequestMethod: "PUT", RequestHeaders: "x-z"}
	request := Request{Method: "GET", Authority: "api.example.com", Path: "/v1", Origin: "https://example.com"}
	for name, c := range map[string]struct {
		change func(*Spec)
		r      Request
		want   bool
	}{
		"the same policy":              {func(*Spec) {}, request, false},
		"another exposed header":       {func(s *Spec) { s.CORS.ExposeHeaders = []string{"x-q"} }, request, true},
		"another reason for a denial":  {func(s *Spec) { s.CORS.AllowMethods = []string{"PATCH"} }, preflight, true},
		"another status of its answer": {func(s *Spec) { s.PreflightStatus = 200 }, with(preflight, func(r *Request) { r.RequestHeaders = "" }), true},
	} {
		next := exampleSpec()
		next.Name, next.Mode = "next", ModeShadow
		c.change(&next)
		set := mustCompile(t, exampleSpec(), next)
		if d := set.Decide(&c.r); d.ShadowDiffers != c.want || d.Shadow.Policy != "next" {
			t.Errorf("%s: differs is %v, want %v (%s, %s)", name, d.ShadowDiffers, c.want, d.Reason, d.Shadow.Reason)
		}
	}
}

func TestGrantedNamesAreNormalised(t *testing.T) {
	spec := exampleSpec()
	spec.PreflightLists = ListsRequested
	set := mustCompile(t, spec)
	for in, want := range map[string]string{
		"content-type,x-a": "content-type,x-a", "X-A": "x-a", "content-type, x-a": "content-type, x-a", "x-a ": "x-a", "\tx-a": "x-a",
		"x-b,x-a": "x-b, x-a", "x-a,x-a": "x-a", "x-a,": "x-a", ",x-a": "x-a", "x-a,,x-b": "x-a, x-b", "": "", ",": "", "X-A,x-a,X-B": "x-a, x-b",
		"content-type,origin,x-a": "content-type, x-a", "origin": "", "Host,x-a": "x-a", "x-a,Sec-X,origin,proxy-b,x-b": "x-a, x-b",
	} {
		d := set.Decide(&Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/v1", Origin: "https://example.com", RequestMethod: "PUT", RequestHeaders: in})
		if d.Reason != ReasonPreflightAllowed || d.Headers != want {
			t.Errorf("%q: %s, granted %q, want %q", in, d.Reason, d.Headers, want)
		}
	}
}

func TestDebugListsNoStarWithCredentials(t *testing.T) {
	spec := exampleSpec()
	spec.CORS.AllowHeaders, spec.Debug = []string{"*"}, true
	set := mustCompile(t, spec)
	d := set.Decide(&Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/v1", Origin: "https://example.com", RequestMethod: "PUT", RequestHeaders: "*"})
	if d.Reason != ReasonPreflightHeaderDenied || d.Answer.Status != statusNoContent {
		t.Fatalf("%s, status %d", d.Reason, d.Answer.Status)
	}
	for _, h := range d.Answer.Headers {
		if h.Name == headerAllowHeaders {
			t.Errorf("%s: %q, which browsers take for a name with credentials", h.Name, d.Value(h))
		}
	}
}

// No browser sends a user name, but a policy must not be missed for it.
func TestTheUserNameOfAnAuthorityDoesNotMatter(t *testing.T) {
	spec := exampleSpec()
	spec.CORS.AllowOrigins, spec.DeniedRequests = []string{"https://example.com"}, DeniedBlock
	set := mustCompile(t, spec)
	for _, authority := range []string{"api.example.com", "user@api.example.com", "a:b@api.example.com", "other.test@api.example.com:443", "a@b@api.example.com"} {
		for origin, want := range map[string]Reason{
			"https://example.com": ReasonRequestAllowed, "https://evil.test": ReasonRequestBlocked, "https://api.example.com": ReasonSameOrigin,
		} {
			if d := set.Decide(&Request{Method: "GET", Authority: authority, Path: "/v1", Origin: origin}); d.Reason != want {
				t.Errorf("%s, %s: %s, want %s", authority, origin, d.Reason, want)
			}
		}
	}
}

func TestForbiddenMethodsHaveNoCase(t *testing.T) {
	for _, m := range []string{"CONNECT", "connect", "Trace", "TRACK", "track"} {
		if !IsForbiddenMethod(m) {
			t.Errorf("%s is not forbidden", m)
		}
	}
}
