package differential

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// policiesPerSet is how many policies a set has.
const policiesPerSet = 30

// enlarged is the policy that is longer than others in some sets, and widened the one
// that is for many hosts.
const enlarged, widened = "p1", "p2"

// world is a set of policies.
type world struct {
	set    *policy.Set
	specs  []policy.Spec
	byName map[string]*policy.Spec
}

// newWorld makes up a set of policies. What is refused by itself or beside the
// others is made up again. Sets take turns to have a policy for every host, and one
// that is longer than others.
func newWorld(t *testing.T, g gen, turn uint64) *world {
	t.Helper()
	var specs []policy.Spec
	for len(specs) < policiesPerSet {
		s := g.spec(len(specs))
		switch s.Name {
		case enlarged:
			g.enlarge(&s, turn%4)
		case widened:
			if turn%3 > 0 {
				g.widen(&s)
			}
		}
		next := append(specs[:len(specs):len(specs)], s)
		if _, problems := policy.Validate(next); !problems.HasErrors() {
			specs = next
		}
	}
	w := &world{set: policytest.Compile(t, specs...), byName: map[string]*policy.Spec{}}
	w.specs = w.set.Specs()
	for i := range w.specs {
		w.byName[w.specs[i].Name] = &w.specs[i]
	}
	return w
}

// widen makes a policy for many hosts. It is mostly a plain one, since all else has
// every request asked about.
func (g gen) widen(s *policy.Spec) {
	s.Hosts = pick(g, nil, nil, []string{"*.test"})
	if !g.oneIn(20) {
		s.Mode, s.Paths = "", g.some(2, plainPaths[:10]...)
	}
}

// enlarge makes a policy longer than what is compiled name by name.
func (g gen) enlarge(s *policy.Spec, what uint64) {
	switch what {
	case 0:
		for i := range mostNamed + 1 {
			s.Hosts = append(s.Hosts, fmt.Sprintf("w%d.example.org", i))
		}
		s.CORS.AllowOrigins = []string{"https://app.example", "https://*.apps.example", "https://w1.example.org", "http://*.example.org"}
	case 1:
		s.CORS.AllowOrigins = nil
		for i := range 60 {
			s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("app-%d://.", i))
		}
	case 2:
		s.CORS.AllowHeaders, s.PreflightLists = nil, policy.ListsRequested
		for i := range 70 {
			s.CORS.AllowHeaders = append(s.CORS.AllowHeaders, fmt.Sprintf("x-%d", i))
		}
	}
}

var allOptIns = []policy.OptIn{
	policy.OptInOriginRegex, policy.OptInNullOrigin, policy.OptInAnyOriginWithCredentials,
	policy.OptInPublicSuffix, policy.OptInInsecureOrigins, policy.OptInPrivateNetworkAccess,
}

// spec makes up the i-th policy.
func (g gen) spec(i int) policy.Spec {
	s := policy.Spec{Name: fmt.Sprintf("p%d", i), Hosts: g.hosts(i), Paths: g.paths(), Dangerously: allOptIns}
	s.CORS = g.cors()
	s.Mode = pick(g, pick(g, "", policy.ModeOff, policy.ModeShadow), "", "", "", "", "")
	s.UpstreamHeaders = pick(g, "", "", "", policy.UpstreamDefer)
	s.UnmatchedPreflights = pick(g, "", "", "", policy.UnmatchedForward)
	s.DeniedRequests = pick(g, "", "", policy.DeniedBlock, policy.DeniedBlockUnsafe)
	s.PreflightStatus = pick(g, 0, 0, 200)
	s.PreflightLists = pick(g, "", "", policy.ListsRequested)
	s.AllowPrivateNetwork = g.oneIn(4)
	s.Debug = g.oneIn(4)
	return s
}

// hosts are mostly the policy's own; some are below, or the same as, those of an
// earlier one.
func (g gen) hosts(i int) []string {
	own, earlier := fmt.Sprintf("h%d.test", i), fmt.Sprintf("h%d.test", g.IntN(i+1))
	switch g.IntN(14) {
	case 0:
		return []string{own, "*." + own}
	case 1, 2:
		return []string{"*." + own}
	case 3:
		return []string{fmt.Sprintf("kiosk%d.test", i)}
	case 4:
		return []string{own, pick(g, fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("[2001:db8::%x]", i+1), fmt.Sprintf("a_b-%d.xn--bcher-kva.test", i))}
	case 5:
		return []string{pick(g, strings.Repeat("l", 41), strings.Repeat("l", 40), "a.b.c.d", "a.b.c.d.e") + "." + own}
	case 6:
		return []string{pick(g, "s.", "*.s.", "*.s.", "a.s.") + earlier}
	case 7, 8:
		return []string{earlier}
	case 9:
		return []string{"*." + earlier}
	case 10:
		return []string{own, fmt.Sprintf("x-%d.example.com", i), "*." + fmt.Sprintf("y%d.example.com", i)}
	}
	return []string{own}
}

// plainPaths are those with one reading, and oddPaths those with several.
var (
	plainPaths = []string{"/v1", "/v1/admin", "/v1/admin/x", "/v10", "/a.b", "/AO/PZ/ao/pz", "/09-_~", "/.well-known", "/...", "/v1.",
		"/v1/things:batch", "/@scope/x", "/a+b", "/(x)", "/$metadata", "/[x]", "/a=b,c", "/it's", "/x!&", "/a,b", "/kiosk"}
	oddPaths = []string{"/a%20b", "/caf%C3%A9", "/a;b", "/a%2Fb", "/a%zz", "/%24metadata", "/a%3Ab", "/v1;x/y", "/a%2Bb", "/x%7C"}
)

func (g gen) paths() []string {
	switch g.IntN(12) {
	case 0, 1, 2, 3:
		return g.some(3, plainPaths[:10]...)
	case 4:
		return g.some(3, plainPaths...)
	case 5:
		return append(g.some(2, plainPaths...), pick(g, oddPaths...))
	case 6:
		return []string{"/"}
	}
	return nil
}

// exactOrigins, starOrigins and oddOrigins are what policies allow: the odd ones are
// not domains over http, have ports that the compiler does not take for ordinary, or
// many or long labels.
var (
	exactOrigins = []string{"https://app.example", "http://app.example", "https://app.example:8443", "https://www.app.example", "https://kiosk.example",
		"https://a.apps.example", "https://apps.example", "http://localhost:3000", "https://app.example:1000", "https://app.example:59999"}
	starOrigins = []string{"https://*.apps.example", "http://*.apps.example", "https://*.apps.example:8443", "https://*.deep.apps.example:*", "http://localhost:*",
		"https://app.example:*", "https://app-*.example.com", "https://*-x.example.com", "https://a-*-b.example.com", "https://app-*.example.com:8443",
		"https://a-*-b.example.com:*", "https://*.example.com", "https://*", "http://*", "https://*:8443", "https://*:*", "app://*", "app://*.x", "https://*.h3.test"}
	oddOrigins = []string{"app://.", "app://localhost", "file://", "capacitor://localhost", "chrome-extension://abcdefghijklmnop", "App.x://Y", "http://192.0.2.1:8080",
		"http://127.0.0.1", "https://[2001:db8::1]", "http://[::1]:3000", "https://app.example.", "https://app.example:999", "https://app.example:80",
		"https://app.example:60000", "https://app.example:65535", "http://app.example:443", "https://a.b.c.d.e.f.example", "https://a.b.c.d.e.example",
		"https://" + strings.Repeat("l", 40) + ".example", "https://" + strings.Repeat("l", 41) + ".example", "https://app.1example", "https://app.0xg",
		"ftp://app.example", "https://" + strings.Repeat("l", 40), "https://x" + strings.Repeat("l", 40), "app://%21"}
)

func (g gen) cors() policy.CORS {
	c := policy.CORS{AllowCredentials: g.oneIn(2)}
	switch g.IntN(8) {
	case 0:
		c.AllowOrigins = []string{"*"}
	case 1:
		c.AllowOrigins = []string{pick(g, append(slices.Clone(oddOrigins), append(exactOrigins, starOrigins...)...)...)}
	default:
		c.AllowOrigins = slices.Concat(g.some(5, exactOrigins...), g.some(4, starOrigins...), g.some(3, oddOrigins...))
		if g.oneIn(5) {
			c.AllowOrigins = append(c.AllowOrigins, "null")
		}
		if g.oneIn(3) {
			c.AllowOrigins = append(c.AllowOrigins, pick(g, ownOddOrigins(fmt.Sprintf("h%d.test", g.IntN(policiesPerSet)))...))
		}
		if g.oneIn(12) {
			c.AllowOriginRegexes = []string{`https://r[0-9]+\.example`}
		}
	}
	c.AllowMethods = g.some(5, "GET", "PUT", "DELETE", "PATCH", "patch", "QUERY", "OPTIONS", "M!#$%&'^_`|~", "TRACE", "connect", "KISS")
	c.AllowHeaders = g.headerNames()
	c.ExposeHeaders = g.some(3, "x-request-id", "etag", "x-100%", "%REQ(origin)%", "x-%%")
	if g.oneIn(4) {
		c.AllowMethods = append(c.AllowMethods, "*")
	}
	if g.oneIn(6) && !c.AllowCredentials {
		c.ExposeHeaders = append(c.ExposeHeaders, "*")
	}
	if g.oneIn(2) {
		age := pick(g, 0, 600, 7200)
		c.MaxAge = &age
	}
	return c
}

// headerNames are names of request headers: of all kinds that the rules tell apart.
var headerNames = []string{"authorization", "content-type", "x-a", "x-b", "x-key", "x-sis", "accept", "x-request-id", "range",
	"cookie", "sec-x", "proxy-x", "proxy-authorization", "origin", "x%y", "x-~|", "if-match", "cache-control", "access-control-request-method"}

func (g gen) headerNames() []string {
	names := g.some(6, headerNames...)
	if g.oneIn(3) {
		names = append(names, "*")
	}
	return names
}
