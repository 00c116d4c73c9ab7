package policy

import "testing"

// specFor returns a policy for the paths that allows that origin.
func specFor(name, origin string, paths ...string) Spec {
	return Spec{Name: name, Paths: paths, CORS: CORS{AllowOrigins: []string{origin}}}
}

// A page must not leave a policy by spelling its path otherwise.
func TestNoSpellingOfAPathLeavesItsPolicy(t *testing.T) {
	narrow := specFor("narrow", "https://app.example.com", "/caf%C3%A9", "/a%2Fb", "/@admin", "/private", "/x|y", "/m;v=1")
	narrow.DeniedRequests = DeniedBlock
	set := mustCompile(t, narrow, specFor("wide", "*"))
	for _, path := range []string{
		"/caf%C3%A9", "/caf%c3%a9", "/caf%C3%a9/x", "/c%61f%C3%A9", "/caf\xc3\xa9",
		"/a%2Fb", "/a%2fb", "/a/b", "/a%5Cb", `/a\b`, "/a;x/b", "/a%2fb;x/y",
		"/@admin", "/%40admin", "/%40%61dmin/x", "/@admin;x",
		"/private", "/private;x", "/private%3Bx", "/;/private", "/x/..%2Fprivate", "/x%2F..%2Fprivate", "/x/..;/private", "/x/%2e%2e;y/private",
		"/private;%2F..%2Fx", "/x;%2F..%2Fprivate", "/%2Fprivate", "/x%5c..%5Cprivate", "/.;/private",
		"/x%2F%2F..%2Fprivate%2Fs.txt", "/x/%2F../private", "/x/;/..%2Fprivate", "/private%2F..;%2F..%2Fs.txt", "/private;/..%2Fx",
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

func TestPoliciesThatOnlyEscapesTellApartOverlap(t *testing.T) {
	for _, paths := range [][2]string{{"/a%2Fb", "/a/b"}, {"/caf%c3%a9", "/caf%C3%A9"}, {"/@x", "/%40x"}, {"/a;v=1", "/a"}, {"/a|b", "/a%7Cb"}} {
		problems := Validate([]Spec{specFor("one", "*", paths[0]), specFor("two", "https://app.example.com", paths[1])})
		if !problems.HasErrors() || problems[len(problems)-1].Code != "policy-overlap" {
			t.Errorf("%s and %s: %v", paths[0], paths[1], problems)
		}
	}
}
