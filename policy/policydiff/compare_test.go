package policydiff

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// api is a policy that the cases change.
func api(change func(*policy.Spec)) []policy.Spec {
	s := policy.Spec{Name: "api", Hosts: []string{"api.test"}, CORS: policy.CORS{
		AllowOrigins: []string{"https://app.example.com"}, AllowMethods: []string{"PUT"}, AllowHeaders: []string{"x-a"},
	}}
	if change != nil {
		change(&s)
	}
	return []policy.Spec{s}
}

func origins(list ...string) func(*policy.Spec) {
	return func(s *policy.Spec) { s.CORS.AllowOrigins = list }
}

func regex(expr string) func(*policy.Spec) {
	return func(s *policy.Spec) {
		s.CORS.AllowOrigins, s.CORS.AllowOriginRegexes = nil, []string{expr}
		s.Dangerously = []policy.OptIn{policy.OptInOriginRegex}
	}
}

// line is a change as the cases want it.
func line(c Change) string {
	return fmt.Sprintf("%s %s %s->%s +%s -%s: %s", c.Kind, c.Aspect, c.OldPolicy, c.NewPolicy,
		strings.Join(c.Gained, ","), strings.Join(c.Lost, ","), strings.Join(c.Examples, " "))
}

func compare(t *testing.T, old, now []policy.Spec) Report {
	t.Helper()
	c := New(policytest.Compile(t, old...), policytest.Compile(t, now...))
	c.Probe()
	return c.Report()
}

func TestProbe(t *testing.T) {
	credentials := func(s *policy.Spec) { s.CORS.AllowCredentials = true }
	for _, test := range []struct {
		name     string
		old, new []policy.Spec
		want     []string
	}{
		{"nothing changes", api(nil), api(nil), nil},
		{"another order and spelling is no change", api(origins("https://a.test", "https://b.test")),
			api(func(s *policy.Spec) {
				s.CORS.AllowOrigins = []string{"https://b.test", "https://a.test"}
				s.CORS.AllowHeaders = []string{"X-A"}
				s.Mode = policy.ModeEnforce
			}), nil},
		{"a new name is no change of access", api(nil), api(func(s *policy.Spec) { s.Name = "other" }), nil},
		{"an origin more", api(nil), api(origins("https://app.example.com", "https://new.example.com")),
			[]string{"widens origins api->api +read -: https://new.example.com"}},
		{"an origin less", api(origins("https://app.example.com", "https://b.test")), api(nil),
			[]string{"narrows origins api->api + -read: https://b.test"}},
		{"an app's origin more", api(nil), api(origins("https://app.example.com", "app://.", "qrc://")),
			[]string{"widens origins api->api +read -: app://. qrc://"}},
		{"any host of an app's scheme", api(origins("app://.")), api(origins("app://*")),
			[]string{"widens origins api->api +read -: app://x.. app://x. app://x-. app://..attacker.example app:// app://a.example app://attacker.example app://x.a.example app://xa.example app://x-a.example app://a.example.attacker.example app://example app://x.attacker.example app://xattacker.example app://x-attacker.example app://attacker.example.attacker.example"}},
		{"an origin that a star covered is no change", api(origins("https://*.example.com", "https://app.example.com")), api(origins("https://*.example.com")), nil},
		{"a star instead of an origin", api(nil), api(origins("https://*.example.com")),
			[]string{"widens origins api->api +read -: https://x.app.example.com https://xapp.example.com https://x-app.example.com https://a.example.com https://a.b.example.com https://x.a.example.com https://xa.example.com https://x-a.example.com https://x.a.b.example.com https://xa.b.example.com https://x-a.b.example.com https://b.example.com"}},
		{"any port", api(nil), api(origins("https://app.example.com:*")),
			[]string{"widens origins api->api +read -: https://app.example.com:8443"}},
		{"http besides https", api(nil), api(origins("https://app.example.com", "http://app.example.com")),
			[]string{"widens origins api->api +read -: http://app.example.com"}},
		{"a regex that is open at its begin", api(regex(`https://app\.example\.com`)), api(regex(`https://.*app\.example\.com`)),
			[]string{"widens origins api->api +read -: https://aapp.example.com"}},
		{"a regex that somebody else's domain matches", api(regex(`https://[a-z]+\.example\.com`)), api(regex(`https://[a-z]+\.?example\.com`)),
			[]string{"widens origins api->api +read -: https://attackerexample.com https://axexample.com https://aexample.com https://attackeraexample.com"}},
		{"a method more", api(nil), api(func(s *policy.Spec) { s.CORS.AllowMethods = []string{"PUT", "DELETE"} }),
			[]string{"widens methods api->api +preflight,read -: DELETE"}},
		{"a header less", api(nil), api(func(s *policy.Spec) { s.CORS.AllowHeaders = nil }),
			[]string{"narrows headers api->api + -preflight,read: x-a"}},
		{"credentials", api(nil), api(credentials), []string{"widens answers api->api +credentials -: https://app.example.com"}},
		{"an exposed header", api(nil), api(func(s *policy.Spec) { s.CORS.ExposeHeaders = []string{"x-r"} }),
			[]string{"widens answers api->api +expose x-r -: https://app.example.com"}},
		{"a name exposed instead of all", api(func(s *policy.Spec) { s.CORS.ExposeHeaders = []string{"*"} }),
			api(func(s *policy.Spec) { s.CORS.ExposeHeaders = []string{"x-r"} }),
			[]string{"narrows answers api->api + -expose *: https://app.example.com"}},
		{"another age", api(nil), api(func(s *policy.Spec) { s.CORS.MaxAge = new(5) }),
			[]string{"changes answers api->api + -: https://app.example.com"}},
		{"denied requests are let through", api(func(s *policy.Spec) { s.DeniedRequests = policy.DeniedBlock }), api(nil),
			[]string{"widens denials api->api +send -: http://app.example.com"}},
		{"denied preflights go upstream", api(nil), api(func(s *policy.Spec) { s.UnmatchedPreflights = policy.UnmatchedForward }),
			[]string{"widens denials api->api +upstream -: http://app.example.com"}},
		{"the upstream's headers get through", api(nil), api(func(s *policy.Spec) { s.UpstreamHeaders = policy.UpstreamDefer }),
			[]string{"widens origins api->api +upstream -: http://app.example.com https://app.example.com:8443 https://x.app.example.com https://xapp.example.com https://x-app.example.com https://app.example.com.attacker.example https://example.com https://attacker.example http://attacker.example https://attacker.example:8443 null", "widens answers api->api +upstream -: https://app.example.com"}},
		{"a policy that is off", api(nil), api(func(s *policy.Spec) { s.Mode = policy.ModeOff }),
			[]string{"widens origins api->api +upstream -read: https://app.example.com", "widens origins api->api +upstream -: http://app.example.com https://app.example.com:8443 https://x.app.example.com https://xapp.example.com https://x-app.example.com https://app.example.com.attacker.example https://example.com https://attacker.example http://attacker.example https://attacker.example:8443 null"}},
		{"a policy that only rehearses", api(nil), append(api(nil), policy.Spec{
			Name: "next", Hosts: []string{"api.test"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"*"}},
		}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := compare(t, test.old, test.new)
			var got []string
			for _, c := range report.Changes {
				got = append(got, line(c))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("- wanted, + got\n%s", diff)
			}
		})
	}
}

func TestProbeFindsPoliciesOfOtherHostsAndPaths(t *testing.T) {
	base := policy.Spec{Name: "all", CORS: policy.CORS{AllowOrigins: []string{"https://app.example.com"}}}
	scoped := func(hosts, paths []string) []policy.Spec {
		return []policy.Spec{base, {Name: "new", Hosts: hosts, Paths: paths, CORS: policy.CORS{AllowOrigins: []string{"*"}}}}
	}
	for _, test := range []struct{ name, host, path, atHost, atPath string }{
		{"a host", "api.test", "", "api.test", "/"},
		{"a starred host", "*.api.test", "", "a.api.test", "/"},
		{"a path", "", "/v1", nobodysHost, "/v1"},
		{"a path of a starred host", "*.api.test", "/v1", "a.api.test", "/v1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var hosts, paths []string
			if test.host != "" {
				hosts = []string{test.host}
			}
			if test.path != "" {
				paths = []string{test.path}
			}
			report := compare(t, []policy.Spec{base}, scoped(hosts, paths))
			if len(report.Changes) == 0 {
				t.Fatal("no change")
			}
			c := report.Changes[0]
			if c.Kind != Widens || c.OldPolicy != "all" || c.NewPolicy != "new" || c.Witness.Host != test.atHost || c.Witness.Path != test.atPath {
				t.Errorf("got %s at %s%s", line(c), c.Witness.Host, c.Witness.Path)
			}
		})
	}
}

func TestAPolicyThatEnvoyNamesIsComparedByItsName(t *testing.T) {
	hidden := func(origin string) []policy.Spec {
		return []policy.Spec{
			{Name: "hidden", Hosts: []string{"a.test"}, Paths: []string{"/"}, CORS: policy.CORS{AllowOrigins: []string{origin}}},
			{Name: "front", Hosts: []string{"b.test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.example.com"}}},
		}
	}
	old, now := hidden("https://a.example.com"), hidden("https://b.example.com")
	now[0].Hosts, old[0].Hosts = []string{"c.test"}, []string{"d.test"}
	var named []string
	for _, c := range compare(t, old, now).Changes {
		if c.Witness.Policy != "" {
			named = append(named, line(c))
		}
	}
	want := []string{
		"widens origins hidden->hidden +read -: https://b.example.com",
		"narrows origins hidden->hidden + -read: https://a.example.com",
	}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Errorf("- wanted, + got\n%s", diff)
	}
}

func TestManyOriginsCostWhatDiffersInThem(t *testing.T) {
	many := func(n int, more ...string) []policy.Spec {
		list := make([]string, n, n+len(more))
		for i := range n {
			list[i] = fmt.Sprintf("https://tenant-%d.example.com", i)
		}
		return api(origins(append(list, more...)...))
	}
	report := compare(t, many(30_000), many(30_000, "https://new.example.org"))
	if len(report.Changes) != 1 || report.Changes[0].Count != 1 || report.Probes > 2000 || report.Bounded {
		t.Errorf("%d probes, bounded %t, %+v", report.Probes, report.Bounded, report.Changes)
	}
	report = compare(t, api(nil), many(12_000))
	if len(report.Changes) == 0 || report.Changes[0].Count < 12_000 || len(report.Changes[0].Examples) != MaxExamples || !report.Bounded {
		t.Errorf("bounded %t, %+v", report.Bounded, report.Changes)
	}
}

func TestReplay(t *testing.T) {
	wider := api(origins("https://app.example.com", "https://other.example.com"))
	c := New(policytest.Compile(t, api(nil)...), policytest.Compile(t, wider...))
	for _, origin := range []string{"https://app.example.com", "https://other.example.com", "https://third.example.com"} {
		c.Replay(policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: origin})
	}
	c.Replay(policy.Request{Method: "GET", Authority: "elsewhere.test", Path: "/", Origin: "https://other.example.com"})
	c.Replay(policy.Request{Policy: "api", Method: "GET", Authority: "elsewhere.test", Path: "/", Origin: "https://other.example.com"})
	report := c.Report()
	if len(report.Changes) != 1 || report.Changes[0].Count != 2 || report.Changes[0].Aspect != Recorded || !report.Widens() || report.Probes != 5 {
		t.Errorf("%+v", report)
	}
}

// vocabulary is what FuzzProbe makes policies and requests of.
var vocabulary = struct{ origins, methods, headers, hosts, paths []string }{
	[]string{"https://a.test", "http://a.test", "https://*.a.test", "https://x-*.a.test", "https://a.test:*", "https://a.test:8443", "https://b.a.test", "https://*", "http://localhost:*", "*"},
	[]string{"PUT", "DELETE", "*", "X-M"},
	[]string{"x-a", "authorization", "*", "x-b"},
	[]string{"one.test", "*.one.test", "a.one.test", "two.test"},
	[]string{"/v1", "/v1/x", "/v2"},
}

// pick takes the entries of list whose bits are set.
func pick(list []string, bits byte) []string {
	var picked []string
	for i, entry := range list {
		if bits>>i&1 == 1 {
			picked = append(picked, entry)
		}
	}
	return picked
}

// specsOf makes up to three policies of six bytes each.
func specsOf(data []byte) []policy.Spec {
	var specs []policy.Spec
	for i := 0; i+6 <= len(data) && len(specs) < 3; i += 6 {
		b := data[i : i+6]
		s := policy.Spec{
			Name:  fmt.Sprint("p", len(specs)),
			Hosts: pick(vocabulary.hosts, b[0]&15), Paths: pick(vocabulary.paths, b[0]>>4&7),
			CORS: policy.CORS{
				AllowOrigins: pick(vocabulary.origins, b[1]), AllowMethods: pick(vocabulary.methods, b[2]&15), AllowHeaders: pick(vocabulary.headers, b[2]>>4),
				AllowCredentials: b[3]&1 == 1, ExposeHeaders: pick([]string{"x-r", "x-s"}, b[3]>>1&3),
			},
			Mode:                []policy.Mode{policy.ModeEnforce, policy.ModeShadow, policy.ModeOff, policy.ModeEnforce}[b[4]&3],
			DeniedRequests:      []policy.DeniedRequests{policy.DeniedPass, policy.DeniedBlockUnsafe, policy.DeniedBlock, policy.DeniedPass}[b[4]>>2&3],
			UpstreamHeaders:     []policy.UpstreamHeaders{policy.UpstreamReplace, policy.UpstreamDefer}[b[4]>>4&1],
			UnmatchedPreflights: []policy.UnmatchedPreflights{policy.UnmatchedReject, policy.UnmatchedForward}[b[4]>>5&1],
			Dangerously:         []policy.OptIn{policy.OptInAnyOriginWithCredentials, policy.OptInInsecureOrigins},
		}
		if b[5]&1 == 1 {
			s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, pick(vocabulary.origins[8:], b[5]>>1&3)...)
		}
		specs = append(specs, s)
	}
	return specs
}

// requests are all requests of the vocabulary, and others.
func requests() []policy.Request {
	var all []policy.Request
	for _, host := range []string{"one.test", "a.one.test", "b.one.test", "two.test", "three.test"} {
		for _, path := range []string{"/", "/v1", "/v1/x/y", "/v2", "/v3"} {
			for _, origin := range []string{"https://a.test", "http://a.test", "https://a.test:8443", "https://b.a.test", "https://x-1.a.test", "https://c.test", "http://localhost:3000", "null"} {
				r := policy.Request{Method: "GET", Authority: host, Path: path, Origin: origin, SecFetchSite: "cross-site"}
				post, p := r, r
				post.Method, p.Method, p.RequestMethod = "POST", "OPTIONS", "GET"
				put, header := p, p
				put.RequestMethod, header.RequestHeaders = "PUT", "x-a"
				all = append(all, r, post, p, put, header)
			}
		}
	}
	return all
}

// FuzzProbe holds the report against every request of a small world: what
// gains access there is a change that widens, and every witness shows what its
// change says.
func FuzzProbe(f *testing.F) {
	f.Add([]byte("\x01\x01\x01\x00\x00\x00\x01\x04\x01\x00\x00\x00\x02\x05\x11\x01\x04\x03"))
	f.Add([]byte("\x13\x04\x23\x01\x10\x00\x12\x80\x45\x02\x20\x03\x00\x40\x11\x01\x04\x03\x01\x20\x84\x01\x08\x07\x00\x02\x44\x02\x01\x05\x74\x10\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		half := len(data) / 2
		old, now := specsOf(data[:half]), specsOf(data[half:])
		a, _ := policy.Validate(old)
		b, _ := policy.Validate(now)
		if a == nil || b == nil {
			return
		}
		c := New(policy.Compile(a), policy.Compile(b))
		c.Probe()
		report := c.Report()
		for _, change := range report.Changes {
			checkWitness(t, c, change)
		}
		for _, r := range requests() {
			a, b, _ := c.ask(&r)
			if gained, _ := difference(Grants(a), Grants(b)); len(gained) > 0 && !report.Widens() {
				t.Fatalf("%+v gains %q (%s -> %s), and nothing widens in\n%+v\nof\n%+v\n%+v", r, gained, a.Reason, b.Reason, report.Changes, old, now)
			}
		}
	})
}

func checkWitness(t *testing.T, c *Comparison, change Change) {
	t.Helper()
	w := change.Witness
	r := policy.Request{
		Policy: w.Policy, Method: w.Method, Authority: w.Host, Path: w.Path, Origin: w.Origin,
		RequestMethod: w.RequestMethod, RequestHeaders: w.RequestHeaders, SecFetchSite: "cross-site",
	}
	old, now, _ := c.ask(&r)
	gained, lost := difference(Grants(old), Grants(now))
	if !slices.Equal(gained, change.Gained) || !slices.Equal(lost, change.Lost) || old.Policy != change.OldPolicy || now.Policy != change.NewPolicy {
		t.Errorf("the witness of %s shows +%q -%q of %s->%s", line(change), gained, lost, old.Policy, now.Policy)
	}
}
