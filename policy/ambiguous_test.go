package policy

import (
	"maps"
	"math/rand/v2"
	pathpkg "path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// specFor returns a policy for the paths that allows that origin.
func specFor(name, origin string, paths ...string) Spec {
	return Spec{Name: name, Paths: paths, CORS: CORS{AllowOrigins: []string{origin}}}
}

// A page must not leave a policy by spelling its path otherwise.
func TestNoSpellingOfAPathLeavesItsPolicy(t *testing.T) {
	narrow := specFor("narrow", "https://app.example.com", "/caf%C3%A9", "/a%2Fb", "/@admin", "/private", "/x/secret", "/x|y", "/m;v=1")
	narrow.DeniedRequests = DeniedBlock
	set := mustCompile(t, narrow, specFor("wide", "*"))
	for _, path := range []string{
		"/caf%C3%A9", "/caf%c3%a9", "/caf%C3%a9/x", "/c%61f%C3%A9", "/caf\xc3\xa9",
		"/a%2Fb", "/a%2fb", "/a/b", "/a%5Cb", `/a\b`, "/a;x/b", "/a%2fb;x/y",
		"/@admin", "/%40admin", "/%40%61dmin/x", "/@admin;x",
		"/private", "/private;x", "/private%3Bx", "/;/private", "/x/..%2Fprivate", "/x%2F..%2Fprivate", "/x/..;/private", "/x/%2e%2e;y/private",
		"/private;%2F..%2Fx", "/x;%2F..%2Fprivate", "/%2Fprivate", "/x%5c..%5Cprivate", "/.;/private",
		"/x%2F%2F..%2Fprivate%2Fs.txt", "/x/%2F../private", "/x/;/..%2Fprivate", "/private%2F..;%2F..%2Fs.txt", "/private;/..%2Fx", "/x//..%2Fprivate", "/x//..%2Fsecret",
		"/private%2F..%2Fx", "/x%2F..%2Fprivate%2F%5C..%5C..%2Fz", "/x%2Fy/..;/z%2F..%2Fprivate", "/a//..%2F%2F..%2F%2Fprivate",
		"/private%3Fx", "/private%23x", "/x%2F..%2Fprivate%3Fy", "/x/secret%3Fx%2F..%2F..",
		"/x|y", "/x%7Cy", "/x%7cy",
		"/m;v=1", "/m", "/m;v=2", "/m%3Bv=1",
	} {
		for _, r := range []Request{
			{Method: "GET", Path: path, Origin: "https://evil.test"},
			{Method: "OPTIONS", Path: path, Origin: "https://evil.test", RequestMethod: "PUT"},
		} {
			d := set.Decide(&r)
			if d.Answer.Status != statusForbidden || d.Policy == "" {
				t.Errorf("%s %s: %s, status %d, policy %q", r.Method, path, d.Reason, d.Answer.Status, d.Policy)
			}
		}
	}
}

// app is an application, or several behind each other: what it does to a path
// one after another.
type app []string

var (
	parameters = regexp.MustCompile(";[^/]*")
	slashes    = regexp.MustCompile("/+")
)

// actions are what an application may do, written without what is tested.
var actions = map[string]func(path string) string{
	"decode":      strings.NewReplacer("%2F", "/", "%2f", "/", "%3B", ";", "%3b", ";", "%40", "@").Replace,
	"backslashes": strings.NewReplacer("%5C", "/", "%5c", "/").Replace,
	"query":       func(path string) string { return strings.Split(strings.ReplaceAll(path, "%3F", "?"), "?")[0] },
	"cut":         func(path string) string { return parameters.ReplaceAllString(path, "") },
	"merge":       func(path string) string { return slashes.ReplaceAllString(path, "/") },
	"dots":        resolvedByTheBook,
	"clean":       pathpkg.Clean,
}

// resolvedByTheBook is RFC 3986, section 5.2.4, word by word.
func resolvedByTheBook(in string) string {
	var out string
	for in != "" {
		switch {
		case strings.HasPrefix(in, "/./"), in == "/.":
			in = "/" + strings.TrimPrefix(in[2:], "/")
		case strings.HasPrefix(in, "/../"), in == "/..":
			in = "/" + strings.TrimPrefix(in[3:], "/")
			out = out[:max(strings.LastIndexByte(out, '/'), 0)]
		default:
			end := 1 + strings.IndexByte(in[1:]+"/", '/')
			out, in = out+in[:end], in[end:]
		}
	}
	return out
}

// policyOf returns the policy that an application's own reading is under.
func (a app) policyOf(path string, paths map[string]string) string {
	for _, action := range a {
		path = actions[action](path)
	}
	path = actions["merge"](path)
	for path != "" && paths[path] == "" {
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return paths[path]
}

// Whatever an application does to a path, and in whatever order: if its reading
// is under a policy that answers otherwise, the request is denied.
func TestNoApplicationServesAPathByTheAnswerOfAnotherPolicy(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	paths := map[string]string{"/p": "listed", "/p/q": "public", "/x/s": "strange", "": "off"}
	credentials, off := specFor("listed", "https://app.example.com", "/p"), specFor("off", "*")
	credentials.CORS.AllowCredentials, off.Mode = true, ModeOff
	set := mustCompile(t, credentials, specFor("public", "*", "/p/q"), specFor("strange", "https://other.example.com", "/x/s"), off)
	names := slices.Sorted(maps.Keys(actions))
	pieces := []string{"/", "/", "/", "//", "p", "p", "q", "s", "s", "x", "x", ";", ";y", "%3B", "%3b", "%2F", "%2f", "%2F", "%5C", "%5c", "%3F", "..", "..", "../", "/..%2F", "/..%2F", ".", "%2e%2E", "%40"}
	denied := 0
	for range 10_000 {
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		path := []string{"/", "/p/", "/x/"}[rng.IntN(3)]
		for range rng.IntN(14) {
			path += pieces[rng.IntN(8)] // a few, so that they meet
		}
		d := set.Decide(&Request{Method: "GET", Path: path, Origin: "https://app.example.com"})
		if d.Reason == ReasonPathAmbiguous {
			denied++
			continue
		}
		seen := resolvedByTheBook(strings.NewReplacer("%2e", ".", "%2E", ".").Replace(path)) // by Envoy and the application
		for range 20 {
			var a app
			for range 1 + rng.IntN(6) {
				a = append(a, names[rng.IntN(len(names))])
			}
			if got := a.policyOf(seen, paths); got != d.Policy {
				t.Fatalf("%s is answered by %q, and an application that does %q serves what is under %q", path, d.Policy, a, got)
			}
		}
	}
	if denied < 500 || denied > 8_000 {
		t.Errorf("%d requests were denied, of 10000", denied)
	}
}

// A path with more readings than are looked at is denied like an ambiguous one,
// if a policy of its host is for paths.
func TestAPathThatIsMadeToHaveManyReadingsIsBlocked(t *testing.T) {
	private := specFor("private", "https://app.example.com", "/private")
	private.Hosts = []string{"api.test", "*.wild.test"}
	shadow := specFor("next", "https://app.example.com", "/private")
	shadow.Hosts, shadow.Mode = []string{"shadow.test"}, ModeShadow
	set := mustCompile(t, private, shadow)
	for _, c := range []struct {
		r      Request
		reason Reason
		status int
	}{
		{Request{Method: "GET", Authority: "api.test"}, ReasonPathAmbiguous, 403},
		{Request{Method: "OPTIONS", RequestMethod: "PUT", Authority: "a.b.wild.test"}, ReasonPathAmbiguous, 403},
		{Request{Method: "GET", Authority: "api.test", Upgrade: "websocket"}, ReasonPathAmbiguous, 0},
		{Request{Method: "GET", Authority: "api.test", SecFetchSite: "same-origin"}, ReasonSameOrigin, 0},
		{Request{Method: "GET", Authority: "wild.test"}, ReasonNoPolicy, 0},
		{Request{Method: "GET", Authority: "other.test"}, ReasonNoPolicy, 0},
		{Request{Method: "GET", Authority: "shadow.test"}, ReasonNoPolicy, 0},
	} {
		for _, path := range []string{hostilePath, "/%41" + strings.Repeat("a", maxReadingBytes)} {
			c.r.Path, c.r.Origin = path, "https://evil.test"
			d := set.Decide(&c.r)
			if d.Reason != c.reason || d.Answer.Status != c.status {
				t.Errorf("%s: %s, status %d", c.r.Authority, d.Reason, d.Answer.Status)
			}
			if ambiguous := d.Shadow.Reason == ReasonPathAmbiguous; ambiguous != (c.r.Authority == "shadow.test") {
				t.Errorf("%s: the shadow decision is %s", c.r.Authority, d.Shadow.Reason)
			}
		}
	}
}

// Policies of every host name each.
func TestAPathOfManyReadingsIsBlockedOnEveryHost(t *testing.T) {
	set := mustCompile(t, specFor("private", "https://app.example.com", "/private"))
	d := set.Decide(&Request{Method: "GET", Authority: "api.test", Path: hostilePath, Origin: "https://evil.test"})
	if d.Reason != ReasonPathAmbiguous || d.Answer.Status != statusForbidden {
		t.Errorf("%s, status %d", d.Reason, d.Answer.Status)
	}
}

// If no policy of a host has paths, any path gets the answer of "/", how many
// readings it may have: what the policies of other hosts are for says nothing of it.
func TestAPathMeansNothingOnAHostWithoutPolicyForPaths(t *testing.T) {
	on := func(spec Spec, mode Mode, hosts ...string) Spec {
		spec.Mode, spec.Hosts = mode, hosts
		return spec
	}
	set := mustCompile(t,
		on(specFor("paths", "https://app.example.com", "/p"), ModeEnforce, "paths.test", "*.paths.test"),
		on(specFor("shadowed", "https://app.example.com", "/s"), ModeShadow, "paths.test"),
		on(specFor("public", "*"), ModeEnforce, "public.test", "*.public.test", "exact.paths.test"),
		on(specFor("off", "*"), ModeOff, "off.test"),
		on(specFor("root", "https://app.example.com", "/"), ModeEnforce, "root.test"),
		on(specFor("nearer", "*", "/p"), ModeEnforce, "*.deep.public.test"),
		on(specFor("next", "https://app.example.com"), ModeShadow, "public.test", "next.test"),
		specFor("rest", "https://app.example.com"))
	rng := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"/", "//", "p", "s", ";x", "%2f", "%3B", "%5C", "%3F", "..", ".", hostilePath}
	paths := []string{"", "*", hostilePath, "/" + strings.Repeat("a", 44_000) + "%2fb;x", "/%41" + strings.Repeat("a", maxReadingBytes)}
	for range 200 {
		path := "/"
		for range rng.IntN(9) {
			path += pieces[rng.IntN(len(pieces))]
		}
		paths = append(paths, path)
	}
	for _, host := range []string{"public.test", "a.public.test", "exact.paths.test", "off.test", "root.test", "next.test", "other.test", strings.Repeat("a.", 200) + "paths.test"} {
		for _, r := range []Request{
			{Method: "GET"}, {Method: "POST", Origin: "https://app.example.com"}, {Method: "GET", Origin: "https://evil.test"},
			{Method: "OPTIONS", RequestMethod: "PUT", Origin: "https://evil.test"},
		} {
			r.Authority, r.Path = host, "/"
			want := set.Decide(&r)
			for _, r.Path = range paths {
				if got := set.Decide(&r); !reflect.DeepEqual(got, want) {
					t.Errorf("%s %.80s%.100s: %s by %q, and %s by %q for /", r.Method, host, r.Path, got.Reason, got.Policy, want.Reason, want.Policy)
				}
			}
		}
	}
	for _, host := range []string{"paths.test", "a.paths.test", "a.deep.public.test"} {
		if d := set.Decide(&Request{Method: "GET", Authority: host, Path: hostilePath, Origin: "https://evil.test"}); d.Reason != ReasonPathAmbiguous {
			t.Errorf("%s, which has policies for paths: %s", host, d.Reason)
		}
	}
}

// What one policy's path may be read as stays the path of the policy that has it.
func TestAReadingOfAPathTakesNothingFromThePolicyOfThat(t *testing.T) {
	for other, paths := range map[string][]string{"/;a": nil, "/;b": {"/"}, "/x;c": {"/x"}} {
		set := mustCompile(t, specFor("own", "https://app.example.com", paths...), specFor("read", "https://other.example.com", other))
		d := set.Decide(&Request{Method: "GET", Path: "/x", Origin: "https://app.example.com"})
		if d.Reason != ReasonRequestAllowed || d.Policy != "own" {
			t.Errorf("paths %q: %s by %q", paths, d.Reason, d.Policy)
		}
	}
}

func TestAShadowPolicysPathIsReadOtherwiseToo(t *testing.T) {
	shadow := specFor("next", "https://app.example.com", "/a%2Fb")
	shadow.Mode = ModeShadow
	set := mustCompile(t, specFor("wide", "https://other.example.com"), shadow)
	d := set.Decide(&Request{Method: "GET", Path: "/a/b", Origin: "https://app.example.com"})
	if d.Reason != ReasonRequestOriginDenied || d.Shadow.Reason != ReasonPathAmbiguous || d.Shadow.Policy != "next" {
		t.Errorf("%s, in shadow %s by %q", d.Reason, d.Shadow.Reason, d.Shadow.Policy)
	}
}

// Escapes in the path of one policy, and of several that answer alike, matter
// to nobody.
func TestPathsThatMakeNoDifferenceAreNotAmbiguous(t *testing.T) {
	set := mustCompile(t, specFor("projects", "https://app.example.com", "/projects"), specFor("files", "https://app.example.com", "/files"),
		specFor("wide", "https://app.example.com"), Spec{Name: "off", Hosts: []string{"off.test"}, Mode: ModeOff, CORS: CORS{AllowOrigins: []string{"*"}}},
		Spec{Name: "off-too", Hosts: []string{"off.test"}, Paths: []string{"/x"}, Mode: ModeOff, CORS: CORS{AllowOrigins: []string{"*"}}})
	for path, want := range map[string]string{
		"/projects/group%2Fname": "projects", "/projects/a;v=1": "projects", "/projects/%40x": "projects", `/projects/a\b`: "projects",
		"/x%2F..%2Ffiles": "wide", "/projects%2Fx": "wide", "/projects;v=1/x": "wide", "/files/..%2Fprojects": "files",
	} {
		d := set.Decide(&Request{Method: "GET", Path: path, Origin: "https://app.example.com"})
		if d.Reason != ReasonRequestAllowed || d.Policy != want {
			t.Errorf("%s: %s by %q, want %q", path, d.Reason, d.Policy, want)
		}
	}
	if d := set.Decide(&Request{Method: "GET", Authority: "off.test", Path: "/x%2Fy", Origin: "https://app.example.com"}); d.Reason != ReasonPolicyOff {
		t.Errorf("two policies that are off: %s", d.Reason)
	}
}

// What one policy's path may be read as costs the requests of others nothing.
func TestAnOrdinaryPathCostsNoMemoryBesideOneWithEscapes(t *testing.T) {
	set := mustCompile(t, specFor("escaped", "https://app.example.com", "/a%2Fb"), specFor("wide", "https://app.example.com"))
	r := Request{Method: "GET", Path: "/v1/users", Origin: "https://app.example.com"}
	var d Decision
	if n := testing.AllocsPerRun(100, func() { d = set.Decide(&r) }); n != 0 || d.Policy != "wide" {
		t.Errorf("%v allocations, policy %q", n, d.Policy)
	}
}

func TestANamedPolicyHasNoAmbiguousPath(t *testing.T) {
	set := mustCompile(t, specFor("narrow", "https://app.example.com", "/private"), specFor("wide", "*"))
	d := set.Decide(&Request{Policy: "wide", Method: "GET", Path: "/x%2F..%2Fprivate", Origin: "https://evil.test"})
	if d.Reason != ReasonRequestAllowed || d.Policy != "wide" {
		t.Errorf("%s by %q", d.Reason, d.Policy)
	}
}

// What acts on a path that only some readings find in a shadow policy is, for
// the others, the enforced one.
func TestShadowOfAnAmbiguousPath(t *testing.T) {
	shadow := specFor("next", "https://app.example.com", "/private")
	shadow.Mode = ModeShadow
	alike := specFor("wide", "https://app.example.com")
	for name, c := range map[string]struct {
		enforced Spec
		path     string
		want     string
		differs  bool
	}{
		"ambiguous":                      {specFor("wide", "*"), "/private%2Fx", "next path_ambiguous", true},
		"the same answers":               {alike, "/private%2Fx", "next request_allowed", false},
		"covered by all readings":        {specFor("wide", "*"), "/private/x%2Fy", "next request_allowed", true},
		"covered by none":                {specFor("wide", "*"), "/x%2Fy", " no_policy", false},
		"no enforced policy covers":      {specFor("other", "*", "/other"), "/private%2Fx", "next path_ambiguous", true},
		"ambiguous in the enforced ones": {specFor("private", "https://app.example.com", "/x"), "/x%2Fy", " no_policy", false},
	} {
		set := mustCompile(t, c.enforced, shadow)
		d := set.Decide(&Request{Method: "GET", Path: c.path, Origin: "https://app.example.com"})
		if got := d.Shadow.Policy + " " + d.Shadow.Reason.String(); got != c.want || d.ShadowDiffers != c.differs {
			t.Errorf("%s: shadow %q differs=%t, want %q", name, got, d.ShadowDiffers, c.want)
		}
		if d.Reason == ReasonPathAmbiguous != (name == "ambiguous in the enforced ones") {
			t.Errorf("%s: the enforced decision is %s", name, d.Reason)
		}
	}
}

// A page must not choose between two policies, and a file that only earlier
// versions found clear is refused for nothing less.
func TestPoliciesThatOnlyTheirSpellingTellsApart(t *testing.T) {
	const none = Note
	for _, c := range []struct {
		paths         [2]string
		alike, differ Level
	}{
		// The same text was refused always.
		{[2]string{"/a", "/a/"}, Error, Error},
		{[2]string{"/a;v=1", "/a;v=1"}, Error, Error},
		// The same path in another spelling.
		{[2]string{"/caf%c3%a9", "/caf%C3%A9"}, Warning, Error},
		{[2]string{"/%61", "/a"}, Warning, Error},
		{[2]string{"/a|b", "/a%7Cb"}, Warning, Error},
		// Another path that both may be read as, and that neither lists.
		{[2]string{"/a%2Fb", "/a%5Cb"}, Warning, Error},
		{[2]string{"/a;v=1", "/a;v=2"}, Warning, Error},
		{[2]string{"/a;%2Fb", "/a%3Bx"}, Warning, Error},
		// What one may be read as is the other's own: requests for the one are
		// ambiguous.
		{[2]string{"/a%2Fb", "/a/b"}, none, none},
		{[2]string{"/@x", "/%40x"}, none, none},
		{[2]string{"/v1;beta", "/v1"}, none, none},
		{[2]string{"/a;%2Fb", "/a"}, none, none},
	} {
		for other, want := range map[string]Level{"https://app.example.com": c.alike, "*": c.differ} {
			one, two := specFor("one", "https://app.example.com", c.paths[0]), specFor("two", other, c.paths[1])
			two.DeniedRequests = DeniedPass // the default
			for _, specs := range [][]Spec{{one, two}, {two, one}} {
				if got := overlapOf(problemsOf(specs...), none); got != want {
					t.Errorf("%s, and %s for %s: level %v, want %v", specs[0].Paths, specs[1].Paths, other, got, want)
				}
			}
		}
	}
	three := []Spec{specFor("one", "*", "/a;x"), specFor("two", "https://app.example.com", "/a;y"), specFor("three", "https://b.example.com", "/a")}
	if got := overlapOf(problemsOf(three...), none); got != none {
		t.Errorf("two may be read as what a third lists: %v", got)
	}
}

// overlapOf returns the level of the overlap among the problems, or none.
func overlapOf(problems Problems, none Level) Level {
	for _, p := range problems {
		if p.Code == "policy-overlap" {
			return p.Level
		}
	}
	return none
}

// What an earlier overlap says does not hide a later one that is an error.
func TestAnOverlapThatIsAnErrorStandsBesideAWarning(t *testing.T) {
	problems := problemsOf(specFor("one", "*", "/%61", "/b"), specFor("two", "*", "/a", "/b"))
	if !problems.HasErrors() || overlapOf(problems, Note) != Warning {
		t.Error(problems)
	}
}

// Which policy stands first means nothing.
func TestAPathIsOfThePolicyThatListsIt(t *testing.T) {
	for _, c := range []struct{ beta, path, want string }{
		{"https://app.example.com", "/v1", "stable request_allowed"},
		{"https://app.example.com", "/v1;beta/x", "beta request_allowed"},
		{"https://app.example.com", "/v1;gamma", "wide path_ambiguous"},
		{"https://beta.example.com", "/v1", "stable request_allowed"},
		{"https://beta.example.com", "/v1;beta/x", "beta path_ambiguous"},
	} {
		specs := []Spec{specFor("beta", c.beta, "/v1;beta"), specFor("stable", "https://app.example.com", "/v1"), specFor("wide", "*")}
		for range 2 {
			d := mustCompile(t, specs...).Decide(&Request{Method: "GET", Path: c.path, Origin: "https://app.example.com"})
			if got := d.Policy + " " + d.Reason.String(); got != c.want {
				t.Errorf("%s: %s, want %s", c.path, got, c.want)
			}
			slices.Reverse(specs)
		}
	}
}
