package notrip

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestOddAuthoritiesOfAllShards looks for the names of all hosts in each shard: the
// hash of an odd spelling, as "A.test", leads to any of them.
func TestOddAuthoritiesOfAllShards(t *testing.T) {
	cors := policy.CORS{AllowOrigins: []string{"https://app.example"}}
	set := policytest.Compile(t,
		policy.Spec{Name: "a", Hosts: []string{"a.test"}, CORS: cors},
		policy.Spec{Name: "b", Hosts: []string{"b.test"}, CORS: cors},
	)
	res, err := Compile(set, Options{Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Resources {
		for _, name := range []string{`a\.test`, `b\.test`} { // as an expression
			if !bytes.Contains(r.Filter.GetValue(), []byte(name)) {
				t.Errorf("%s does not ask about what may be %s", r.Name, name)
			}
		}
	}
}

// TestRulesOfSites resolves the hosts of policies: their own rules, those of the
// wildcards that cover them, the longest first, and those of every host, up to the
// first that covers every path.
func TestRulesOfSites(t *testing.T) {
	var specs []policy.Spec
	add := func(name string, hosts []string, paths ...string) {
		specs = append(specs, policy.Spec{Name: name, Hosts: hosts, Paths: paths, CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}})
	}
	add("every", nil, "/v1")
	add("wide", []string{"*.test"}, "/v1")
	add("long", []string{"*.a.test"}, "/v1", "/v1/long")
	add("own", []string{"x.a.test"}, "/v1/")
	add("whole", []string{"y.a.test"})
	c := newCompiler(policytest.Compile(t, specs...), Options{Ports: []uint16{8443}}, memory{})
	h := c.resolve(c.keys)
	got := map[string]string{}
	for _, s := range h.sites() {
		var rules []string
		for _, r := range s.rules {
			rules = append(rules, r.policy.spec.Name+r.path)
		}
		got[s.String()] = strings.Join(rules, " ")
	}
	below := "long/v1/long long/v1 wide/v1 every/v1"
	for site, want := range map[string]string{
		"x.a.test": "own/v1 " + below, "x.a.test:8443": "own/v1 " + below, "y.a.test": "whole", "y.a.test:8443": "whole",
		"*.a.test": below, "*.test": "wide/v1 every/v1", "every host": "every/v1",
	} {
		if got[site] != want {
			t.Errorf("%s has the rules %s, want %s", site, got[site], want)
		}
		delete(got, site)
	}
	if len(got) > 0 {
		t.Errorf("there are other sites: %v", got)
	}
}

// TestOddOriginsThatAreKnown lists origins that are not plain, some of them twice.
func TestOddOriginsThatAreKnown(t *testing.T) {
	apps := make([]string, maxOdd)
	for i := range apps {
		apps[i] = "x-app://" + strings.Repeat("a", i)
	}
	odd := []string{"https://app.example.", "http://app.example.:3000", "ftp://app.example", "https://app.example", "https://*.apps.example:*"}
	c := newCompiler(policytest.Compile(t,
		policy.Spec{Name: "a", Hosts: []string{"a.test"}, CORS: policy.CORS{AllowOrigins: apps}},
		policy.Spec{Name: "b", Hosts: []string{"b.test"}, CORS: policy.CORS{AllowOrigins: append(apps, odd...)}, Dangerously: []policy.OptIn{policy.OptInInsecureOrigins}},
	), Options{}, memory{})
	if !slices.Equal(c.oddOrigins, apps) {
		t.Errorf("got %q, want %q", c.oddOrigins, apps)
	}
}

// TestOnlyWhatIsEnforcedMayBlock compiles policies for which requests are asked about,
// and looks for the chain that refuses what is not answered.
func TestOnlyWhatIsEnforcedMayBlock(t *testing.T) {
	for mode, want := range map[policy.Mode]bool{policy.ModeEnforce: true, policy.ModeOff: false, policy.ModeShadow: false} {
		for _, denied := range []policy.DeniedRequests{policy.DeniedBlock, policy.DeniedBlockUnsafe} {
			o := Options{Ask: asking(), AskBlocking: asking(), NamedPolicies: true}
			res := compileSpecs(t, o, api(func(s *policy.Spec) { s.Mode, s.DeniedRequests = mode, denied }))
			if got := bytes.Contains(res.Resources[0].Filter.GetValue(), []byte("ask_blocking")); got != want {
				t.Errorf("%s, %s: may block: %v, want %v", mode, denied, got, want)
			}
		}
	}
}

// TestSitesWithoutOrigin looks at what requests without an Origin get: they are asked
// about, left alone, or answered.
func TestSitesWithoutOrigin(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*policy.Spec)
		want   string
	}{
		"every path":                    {func(*policy.Spec) {}, "answered"},
		"some paths":                    {func(s *policy.Spec) { s.Paths = []string{"/v1"} }, "answered"},
		"a path with several readings":  {func(s *policy.Spec) { s.Paths = []string{"/a;b"} }, "asked"},
		"off":                           {func(s *policy.Spec) { s.Mode = policy.ModeOff }, "left alone"},
		"off, some paths":               {func(s *policy.Spec) { s.Mode, s.Paths = policy.ModeOff, []string{"/v1"} }, "left alone"},
		"off, a path with several ones": {func(s *policy.Spec) { s.Mode, s.Paths = policy.ModeOff, []string{"/a;b"} }, "left alone"},
		"a rehearsal":                   {func(s *policy.Spec) { s.Mode = policy.ModeShadow }, "left alone"},
	} {
		c := newCompiler(policytest.Compile(t, api(tc.change)), Options{Ask: asking(), AskBlocking: asking()}, memory{})
		c.begin()
		got := "answered"
		switch n := c.withoutOriginOf(&c.resolve(c.keys).exact[0]); {
		case proto.Equal(n, c.askOpen()):
			got = "asked"
		case proto.Equal(n, c.pass()):
			got = "left alone"
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// TestOwnOrigins holds the origins that may be a site's own to those that
// [policy.Set.Decide] takes for it: no others of an exact authority, and at least those
// of hosts with a star and of every host.
func TestOwnOrigins(t *testing.T) {
	set := policytest.Compile(t, policy.Spec{Name: "all", CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}})
	ports := []string{"", ":80", ":443", ":8443", ":1"}
	for _, host := range []string{"api.test", "[2001:db8::1]", "192.0.2.1"} {
		for _, port := range ports {
			exact := target{authority: host + port}
			for _, scheme := range []string{"http://", "https://"} {
				for _, other := range ports {
					origin := scheme + host + other
					d := set.Decide(&policy.Request{Method: "GET", Authority: exact.authority, Path: "/", Origin: origin})
					own := d.Reason == policy.ReasonSameOrigin
					if got := mayBeOwn(exact, origin); got != own {
						t.Errorf("%s is an origin of %s: %v, want %v", origin, exact.authority, got, own)
					}
					if starred := host != "api.test" || mayBeOwn(target{parent: "test"}, origin); own && !(starred && mayBeOwn(target{}, origin)) {
						t.Errorf("%s may not be an origin of a host with a star, or of every host", origin)
					}
				}
			}
		}
	}
}

// TestOwnOriginsThatAreAllowed compiles a large policy that allows what the site sends
// to itself: no rule stands before what it says of all its hosts.
func TestOwnOriginsThatAreAllowed(t *testing.T) {
	large := policies(1, 2*maxListed)[0]
	large.CORS.AllowOrigins = append(large.CORS.AllowOrigins, "https://api0.example.com", "http://api0.example.com")
	c := newCompiler(policytest.Compile(t, large), Options{}, memory{})
	c.begin()
	for authority, want := range map[string]bool{"api0.example.com": true, "api0.example.com:8443": false} {
		if got := proto.Equal(c.requestOf(c.policies[0], &target{authority: authority}), c.shared(c.policies[0], nil)); got != want {
			t.Errorf("%s has no rule of its own: %v, want %v", authority, got, want)
		}
	}
}

// mayBeOwn evaluates the predicate of a site, which is one expression.
func mayBeOwn(site target, origin string) bool {
	return whole(site.mayBeOwn().GetSinglePredicate().GetValueMatch().GetSafeRegex().GetRegex()).MatchString(origin)
}
