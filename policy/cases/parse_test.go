package cases

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

// head is a case file up to its first case, which begins on line 3.
const head = `about: a test
policies: {policies: [{name: p, hosts: [a.test], cors: {allowOrigins: [https://a.example]}}]}
`

func TestParseReadsACase(t *testing.T) {
	f, err := Parse("some.yaml", []byte(head+`cases:
- name: everything
  why: a test
  policy: p
  request:
    method: PUT
    host: a.test
    path: /x
    protocol: websocket
    headers: {origin: https://a.example, x-lines: [a, "b"], x-number: 600, x-empty: ""}
  upstream: {status: 404, headers: {vary: [Accept, Cookie]}}
  want:
    policy: p
    reason: request_allowed
    shadow: {policy: q, reason: request_blocked, differs: true}
    headers: {vary: Origin}
  except:
    ext-authz: {because: it is so, want: {policy: p, reason: request_blocked, status: 403}}
- name: nothing more than it needs
  why: a test
  request: {host: a.test}
  only: [decide, one-trip]
  because: it is so
  want: {reason: no_policy}
`))
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "some" || f.About != "a test" || !f.Static {
		t.Errorf("got %q, %q, static %t", f.Name, f.About, f.Static)
	}
	everything, nothing := f.Cases[0], f.Cases[1]
	client := Request{Method: "PUT", Host: "a.test", Path: "/x", Protocol: "websocket", Headers: respond.Headers{
		"origin": {"https://a.example"}, "x-lines": {"a", "b"}, "x-number": {"600"}, "x-empty": {""},
	}}
	same(t, "client", everything.Client, client)
	same(t, "upstream", everything.Upstream, respond.Response{Status: 404, Headers: respond.Headers{"vary": {"Accept", "Cookie"}}})
	same(t, "policy", everything.Policy, "p")
	same(t, "line", everything.Line, 4)
	want, because := everything.Want(OneTrip)
	same(t, "want", want, Outcome{
		Policy: "p", Reason: "request_allowed", Shadow: &Shadow{Policy: "q", Reason: "request_blocked", Differs: true},
		Forwarded: true, Response: respond.Response{Status: 404, Headers: respond.Headers{"vary": {"Origin"}}},
	})
	same(t, "because", because, "")
	want, because = everything.Want(ExtAuthz)
	same(t, "exception", want, Outcome{Policy: "p", Reason: "request_blocked", Response: respond.Response{Status: 403}})
	same(t, "because", because, "it is so")

	same(t, "client", nothing.Client, Request{Method: "GET", Host: "a.test", Path: "/"})
	same(t, "upstream", nothing.Upstream, respond.Response{Status: 200})
	same(t, "runs", []bool{nothing.Runs(Decide), nothing.Runs(OneTrip), nothing.Runs(TwoPhase)}, []bool{true, true, false})
	want, _ = nothing.Want(TwoPhase)
	same(t, "want", want, Outcome{Reason: "no_policy", Forwarded: true, Response: respond.Response{Status: 200}})
	want, _ = nothing.Want(OneTrip)
	same(t, "want of whom nobody asked", want, Outcome{Forwarded: true, Response: respond.Response{Status: 200}})
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAStatusIsThatOfAReplyUnlessItSaysOtherwise(t *testing.T) {
	f, err := Parse("some.yaml", []byte(head+`cases:
- {name: a reply, why: a test, request: {host: a.test}, want: {reason: no_policy, status: 200}}
- {name: no reply, why: a test, request: {host: a.test}, want: {reason: no_policy, status: 200, forwarded: true}}
- {name: a reply with the status of the upstream, why: a test, request: {host: a.test}, want: {reason: no_policy, forwarded: false}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, forwarded := range []bool{false, true, false} {
		want, _ := f.Cases[i].Want(Decide)
		same(t, f.Cases[i].Name, want, Outcome{Reason: "no_policy", Forwarded: forwarded, Response: respond.Response{Status: 200}})
	}
}

func TestHeaderValues(t *testing.T) {
	for _, test := range []struct {
		name, yaml string
		want       []string
	}{
		{"a text is its bytes", `plain text`, []string{"plain text"}},
		{"each character is a byte of ISO-8859-1", `"\xe4\xff\x01é"`, []string{"\xe4\xff\x01\xe9"}},
		{"binary is its bytes", `!!binary w6kA`, []string{"\xc3\xa9\x00"}},
		{"a number is as it is written", `0600`, []string{"0600"}},
		{"a boolean is as it is written", `True`, []string{"True"}},
		{"nothing is an empty value", ``, []string{""}},
		{"a list is lines", `[a, {repeat: b, times: 3}, !!binary /w==]`, []string{"a", "bbb", "\xff"}},
		{"a long value is written short", `{before: "(", repeat: ab, times: 2, after: ")"}`, []string{"(abab)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := Parse("some.yaml", []byte(head+`cases:
- name: a value
  why: a test
  request:
    host: a.test
    headers:
      x: `+test.yaml+`
  want: {reason: no_policy}
`))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "value", f.Cases[0].Client.Headers["x"], test.want)
		})
	}
}

func TestAliasesOfHeadersAreRead(t *testing.T) {
	f, err := Parse("some.yaml", []byte(head+`cases:
- {name: one, why: a test, request: {host: a.test, headers: {x: &lines [a, b], y: &line c}}, want: &want {reason: no_policy, headers: {vary: Origin}}}
- {name: two, why: a test, request: {host: a.test, headers: {x: *line, y: *lines, z: [*line]}}, want: *want}
`))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "headers", f.Cases[1].Client.Headers, respond.Headers{"x": {"c"}, "y": {"a", "b"}, "z": {"c"}})
	want, _ := f.Cases[1].Want(Decide)
	same(t, "want", want.Response.Headers, respond.Headers{"vary": {"Origin"}})
}

func TestLoadReadsTheCaseFilesOfAFolder(t *testing.T) {
	content := head + "cases: [{name: one, why: a test, request: {host: a.test}, want: {reason: no_policy}}]\n"
	fsys := fstest.MapFS{
		"b.yml":      {Data: []byte(content)},
		"a.yaml":     {Data: []byte(content)},
		"README.md":  {Data: []byte("no cases")},
		"sub/c.yaml": {Data: []byte("no cases")},
	}
	read, err := Load(fsys, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range read {
		names = append(names, f.Name)
	}
	same(t, "names", names, []string{"a", "b"})

	fsys["a.yaml"], fsys["b.yml"] = &fstest.MapFile{Data: []byte("a: 1")}, &fstest.MapFile{Data: []byte("b: 1")}
	if _, err = Load(fsys, ""); err == nil || !strings.Contains(err.Error(), "a.yaml:1:1: ") || !strings.Contains(err.Error(), "b.yml:1:1: ") {
		t.Errorf("got %v, want the mistakes of both files", err)
	}
}

func TestPoliciesOfAFile(t *testing.T) {
	f, err := Parse("some.yaml", []byte(`about: a test
policies:
  originGroups: {tenants: {file: tenants.txt}}
  policies: [{name: p, hosts: [a.test], cors: {allowOrigins: ["group:tenants"]}}]
groups: {tenants.txt: "https://a.example\n"}
cases:
- {name: one, why: a test, request: {host: b.test}, want: {reason: no_policy}}
- {name: two, why: a test, request: {host: a.test, headers: {origin: https://a.example}}, want: {policy: p, reason: request_allowed}}
- {name: three, why: a test, request: {host: a.test}, want: {reason: no_policy}}
`))
	if err != nil {
		t.Fatal(err)
	}
	set, err := f.Set()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "reason", f.Cases[1].Decide(set).Reason, policy.ReasonRequestAllowed.String())
	same(t, "hosts", f.Hosts(), []string{"a.test", "b.test"})
	if _, err = Compile(f, f); err == nil || !strings.Contains(err.Error(), "another file has a") {
		t.Errorf("twice the same file: got %v", err)
	}
}

func TestPoliciesThatDoNotLoad(t *testing.T) {
	f, err := Parse("some.yaml", []byte(`about: a test
policies: {policies: [{name: p, cors: {allowOrigins: ["https://a.example/"]}}]}
cases: [{name: one, why: a test, request: {host: a.test}, want: {reason: no_policy}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Set(); err == nil || !strings.Contains(err.Error(), "some.yaml") || !strings.Contains(err.Error(), "origin-trailing-slash") {
		t.Errorf("got %v", err)
	}
}

func TestLoadCaseDiff(t *testing.T) {
	for _, test := range []struct {
		name, entry string
		want        []string
	}{
		{"what loads and should", `policies: &good {policies: [{name: p, cors: {allowOrigins: [https://a.example]}}]}, want: []`, nil},
		{"what loads and should not", `policies: &good {policies: [{name: p, cors: {allowOrigins: [https://a.example]}}]}, want: [origin-path]`, []string{`no error "origin-path"`}},
		{"what does not load and should", `policies: &bad {policies: [{name: p, cors: {allowOrigins: [https://a.example/]}}]}, want: []`, []string{"unwanted: "}},
		{"the code of an error", `policies: &bad {policies: [{name: p, cors: {allowOrigins: [https://a.example/]}}]}, want: [origin-trailing-slash]`, nil},
		{"a part of an error", `policies: &bad {policies: [{name: p, cors: {allowOrigins: [https://a.example/]}}]}, want: ["has no path"]`, nil},
		{"another error", `policies: &bad {policies: [{name: p, cors: {allowOrigins: [https://a.example/]}}]}, want: [origin-path]`, []string{`no error "origin-path"`, "unwanted: "}},
		{"a warning", `policies: {policies: [{name: p, cors: {allowOrigins: ["https://*"]}}]}, want: [], warnings: [any-host]`, nil},
		{"no such warning", `policies: {policies: [{name: p, cors: {allowOrigins: ["https://*.a.example"]}}]}, want: [], warnings: [any-host]`, []string{`no warning "any-host"`}},
		{"a character that is written as an escape", `policies: {policies: [{name: p, paths: ["/a\u202eb"], cors: {allowOrigins: [https://a.example]}}]}, want: [path-characters]`, nil},
		{"what a group's file hides", `policies: {originGroups: {g: {file: g.txt}}, policies: [{name: p, cors: {allowOrigins: ["group:g"]}}]}, groups: {g.txt: "https://a.example # \u2028https://b.example\n"}, want: [hidden-character]`, nil},
		{"an error is no warning", `policies: &bad {policies: [{name: p, cors: {allowOrigins: [https://a.example/]}}]}, want: [origin-trailing-slash], warnings: [origin-trailing-slash]`, []string{`no warning "origin-trailing-slash"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := Parse("f.yaml", []byte("about: a test\nload:\n- {name: one, why: a test, "+test.entry+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			got := f.Loads[0].Diff()
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestAPartialWantComparesWhatItNames(t *testing.T) {
	f, err := Parse("dir/some.yaml", []byte("partial: true\n"+head+`cases:
- {name: nothing, request: {host: a.test, headers: {origin: https://a.example}}, want: {}}
- {name: a reason, request: {host: a.test, headers: {origin: https://a.example}}, want: {reason: request_allowed}}
- {name: a header, request: {host: a.test, headers: {origin: https://a.example}}, want: {headers: {vary: Origin}}}
- {name: another reason, request: {host: a.test, headers: {origin: https://a.example}}, want: {reason: no_policy}}
- {name: another policy, request: {host: a.test, headers: {origin: https://a.example}}, want: {policy: q}}
- {name: another status, request: {host: a.test, headers: {origin: https://a.example}}, want: {status: 403}}
- {name: the status of a forwarded request, request: {host: a.test, headers: {origin: https://a.example}}, upstream: {status: 404}, want: {status: 404}}
- {name: that it is forwarded, request: {host: a.test, headers: {origin: https://a.example}}, upstream: {status: 404}, want: {forwarded: true}}
- {name: that it is not forwarded, request: {host: a.test, headers: {origin: https://a.example}}, want: {forwarded: false}}
- {name: a missing header, request: {host: a.test, headers: {origin: https://a.example}}, want: {headers: {access-control-max-age: 5}}}
- {name: a shadow, request: {host: a.test, headers: {origin: https://a.example}}, want: {shadow: {policy: q, reason: no_policy}}}
- {name: no header, request: {host: a.test, headers: {origin: https://a.example}}, want: {headers: {access-control-max-age: []}}}
- {name: no such header, request: {host: a.test, headers: {origin: https://a.example}}, want: {headers: {vary: []}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "name", f.Name+" "+f.Path, "some dir/some.yaml")
	set, err := f.Set()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"another reason": 1, "another policy": 1, "another status": 1, "that it is not forwarded": 1, "a missing header": 1, "a shadow": 1, "no such header": 1}
	for _, c := range f.Cases {
		if lines := c.Check(set); len(lines) != want[c.Name] {
			t.Errorf("%s: %q", c.Name, lines)
		}
	}
}

func TestAPartialWantOfAShadowComparesWhatItNames(t *testing.T) {
	f, err := Parse("some.yaml", []byte(`partial: true
policies:
  policies:
  - {name: p, cors: {allowOrigins: [https://a.example]}}
  - {name: q, mode: shadow, cors: {allowOrigins: [https://b.example]}}
cases:
- {name: policy, request: &a {host: a.test, headers: {origin: https://a.example}}, want: {shadow: {policy: q}}}
- {name: reason, request: *a, want: {shadow: {reason: request_origin_denied}}}
- {name: differs, request: *a, want: {shadow: {differs: true}}}
- {name: another policy, request: *a, want: {shadow: {policy: p}}}
- {name: another reason, request: *a, want: {shadow: {reason: not_cors}}}
- {name: no difference, request: *a, want: {shadow: {differs: false}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	set, err := f.Set()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range f.Cases {
		if lines := c.Check(set); len(lines) != i/3 {
			t.Errorf("%s: %q", c.Name, lines)
		}
	}
}

func TestAPartialWantOfAShadowShowsWhatItNames(t *testing.T) {
	f, err := Parse("some.yaml", []byte(`partial: true
policies:
  policies:
  - {name: p, hosts: [a.test], cors: {allowOrigins: [https://a.example]}}
  - {name: q, mode: shadow, hosts: [a.test], cors: {allowOrigins: [https://b.example]}}
cases:
- {name: any passes, request: &with {host: a.test, headers: {origin: https://a.example}}, want: {shadow: {}}}
- {name: "shadow: got none, want any", request: &without {host: b.test}, want: {shadow: {}}}
- {name: "shadow: got none, want q", request: *without, want: {shadow: {policy: q}}}
- {name: "shadow: got none, want not_cors differs=false", request: *without, want: {shadow: {reason: not_cors, differs: false}}}
- {name: "shadow: got q (reason: request_allowed -> request_origin_denied; access-control-allow-origin: \"https://a.example\" -> none), want p", request: *with, want: {shadow: {policy: p}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	set, err := f.Set()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "lines", f.Cases[0].Check(set), nil)
	for _, c := range f.Cases[1:] {
		same(t, "lines", strings.Join(c.Check(set), "\n"), c.Name)
	}
}

func TestAFileNeedsNoPoliciesAndSaysWhetherItHasThem(t *testing.T) {
	const cases = "cases: [{name: one, request: {host: a.test}, want: {reason: no_policy}}]\n"
	for text, has := range map[string]bool{cases: false, "policies: {policies: []}\n" + cases: true} {
		f, err := Parse("some.yaml", []byte(text))
		if err != nil || f.HasPolicies() != has {
			t.Errorf("%q: has policies %t, %v", text, f.HasPolicies(), err)
		}
	}
}

func TestParseTellsFewOfManyMistakes(t *testing.T) {
	for name, text := range map[string]string{
		"cases":  "cases:\n" + strings.Repeat("- name: a\n", 2000),
		"fields": "cases:\n- name: a\n" + numberedFields(3000),
	} {
		_, err := Parse("f.yaml", []byte(text))
		if err == nil {
			t.Fatalf("%s: no mistake", name)
		}
		lines := strings.Split(err.Error(), "\n")
		if last := lines[len(lines)-1]; len(lines) > 2*maxFound || !strings.Contains(last, "more mistakes are not shown") {
			t.Errorf("%s: %d lines, the last is %q", name, len(lines), last)
		}
	}
}

func numberedFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  f%d: 1\n", i)
	}
	return b.String()
}
