package importer

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/prove"
)

// random makes configurations of what real ones have.
type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func some[T any](r random, most int, of ...T) (list []T) {
	for range r.IntN(most + 1) {
		list = append(list, pick(r, of...))
	}
	return list
}

func (r random) config() (c source.Config) {
	if r.IntN(2) == 0 {
		c.Choose = source.First
	}
	for i := range 1 + r.IntN(5) {
		route := source.Route{
			Name: pick(r, "a", "b", ""), Place: source.Place{File: "in.yaml", Line: i + 1, Column: 1},
			Hosts: some(r, 2, "a.example", "*.example", "b.a.example", "*", "A.example:8443", "bad host", "*.a.example"),
			Paths: some(r, 2, r.path(), r.path(), r.path()),
		}
		if r.IntN(5) == 0 {
			route.Conditions = []source.Text{{Text: "header x"}}
		}
		if r.IntN(4) > 0 {
			route.CORS = r.cors()
		}
		c.Routes = append(c.Routes, route)
	}
	return c
}

func (r random) path() source.Path {
	p := source.Path{Kind: source.PathKind(r.IntN(4)), Fold: r.IntN(8) == 0}
	p.Text.Text = pick(r, "/", "/a", "/a/b", "/ab", "/a/", "/c")
	if p.Kind == source.RegexPath {
		p.Search = r.IntN(2) == 0
		p.Text.Text = pick(r, `/a(/.*)?`, `/x.*`, `/[0-9]+`, `.*`, `^/a/b$`, `/a(/|$)(.*)`, `/`, `^/a`, `^/a/`, `^/a/.+`, `/a(/.+)?`, `^/a(/|$)`, `/a(/|$)`, `^/(a|b)`, `/b$`, `(?i)/a.*`, `^/a.b`, `/a.b(/.*)?`)
	}
	return p
}

func (r random) cors() *source.CORS {
	c := &source.CORS{
		Credentials: r.IntN(2) == 0, ForwardsUnmatched: r.IntN(2) == 0, KeepsUpstream: r.IntN(2) == 0, PrivateNetwork: r.IntN(9) == 0,
		Methods: r.names("GET", "POST", "OPTIONS", "PUT", "put", "DELETE", "*", "TRACE", "get", "(", "GET, PATCH"),
		Headers: r.names("x-a", "X-A", "authorization", "*", "origin", "keep-alive", "a b", "x-b,x-c"),
		Expose:  r.names("x-a", "*", "set-cookie", "X-a", ""),
		Mode:    pick(r, "", "", "", "", policy.ModeShadow, policy.ModeOff),
	}
	for range r.IntN(4) {
		c.Origins = append(c.Origins, r.origin())
	}
	if r.IntN(2) == 0 {
		c.MaxAge = &source.MaxAge{Seconds: pick(r, -1, 0, 600, 1728000, 1<<40), Default: r.IntN(2) == 0}
	}
	return c
}

func (r random) names(of ...string) (n source.Names) {
	for _, name := range some(r, 4, of...) {
		n.Items = append(n.Items, source.Text{Text: name})
	}
	n.Echo, n.Default = r.IntN(8) == 0, r.IntN(8) == 0
	return n
}

func (r random) origin() source.Origin {
	switch r.IntN(12) {
	case 0:
		return source.Origin{Text: source.Text{Text: "*"}, Any: pick(r, source.Star, source.Reflected)}
	case 1, 2, 3, 4:
		return exactOrigin(pick(r, "https://app.example", "http://app.example", "https://App.example", "https://app.example/", "null", "https://*.example",
			"http://localhost:3000", "https://app.example:443", "app.example", "capacitor://localhost", "file://", "*"))
	}
	expr := pick(r, `https://.*\.app\.example`, `https?://(www\.)?app\.example(:[0-9]+)?`, `https://app\.example`, `http://localhost:\d+`, `https://.*app.example`,
		`https://[a-z]+\.app\.example`, `.*`, `(`, `^https://app\.example$`, `null|https://app\.example`, `https://\w+\.github\.io`, `https://.*\.github\.io`, `(?i)https://APP\.example`, `https://é\.example`)
	return source.Origin{Text: source.Text{Text: expr}, Regex: prove.Regex{Expr: expr, Mode: prove.Mode(r.IntN(3)), Fold: r.IntN(3) == 0}}
}

func exactOrigin(text string) source.Origin {
	return source.Origin{Text: source.Text{Text: text}, Regex: prove.Literal(text)}
}

func (r random) request() request {
	q := request{
		host: pick(r, "a.example", "b.example", "b.a.example", "other.test", "c.a.example"),
		path: pick(r, "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/x", "/1", "/c/d", "/a/x", "/a-b", "/axb/c"),
		origin: pick(r, "https://app.example", "https://a.app.example", "http://app.example", "https://app.example:8443", "http://localhost:3000", "http://localhost",
			"https://evilapp.example", "https://app.example.evil.test", "null", "https://x.github.io", "https://a.b.app.example", "capacitor://localhost", "https://www.app.example"),
		preflight: r.IntN(3) > 0, method: pick(r, "GET", "PUT", "DELETE", "PATCH", "put", "SPECIAL"),
	}
	q.headers = some(r, 2, "x-a", "x-b", "authorization", "x-unknown")
	slices.Sort(q.headers)
	q.headers = slices.Compact(q.headers)
	return q
}

// TestPoliciesAreWithinTheirSource compares what systems do with what their policies do, in
// random configurations: no policy allows what its source does not, or the report says so,
// and what is no longer allowed is told, too.
func TestPoliciesAreWithinTheirSource(t *testing.T) {
	known := newProofs()
	for seed := range uint64(400) {
		r := random{rand.New(rand.NewPCG(seed, 19))}
		configs := []source.Config{r.config()}
		if r.IntN(4) == 0 {
			configs = append(configs, r.config())
		}
		options := Options{KeepRegexes: r.IntN(4) == 0, Widen: r.IntN(4) == 0, Unmatched: pick(r, "", policy.UnmatchedForward), Upstream: pick(r, "", policy.UpstreamDefer)}
		result := translateAll(options, configs, known)
		for _, f := range slices.Concat(result.Findings, rehearse(Options{}, configs, known).Findings) {
			if strings.Contains(f.Message, "corsgate refuses it") {
				t.Fatalf("seed %d: %s\n%s", seed, f.Message, result.Text())
			}
		}
		var errors []string
		valid := policyfile.Examine(result.Policies, func(p policy.Problem) {
			if p.Level == policy.Error {
				errors = append(errors, p.String())
			}
		})
		if valid == nil {
			t.Fatalf("seed %d: %q\n%s", seed, errors, result.Text())
		}
		set := policy.Compile(valid)
		for range 100 {
			compareAccess(t, seed, result, set, configs, r.request())
		}
		if t.Failed() {
			return
		}
	}
}

func compareAccess(t *testing.T, seed uint64, result Result, set *policy.Set, configs []source.Config, q request) {
	t.Helper()
	route := routeOf(configs, q.host, q.path)
	d := set.Decide(q.asked())
	was, is, by := replyOf(route, q).access(q), accessOf(d), d.Policy
	for _, c := range conditional(configs, q.host, q.path) {
		if is.isWider(replyOf(c, q).access(q)) && !tellsOfCondition(result, c, by) {
			t.Errorf("seed %d: %+v\nmay be answered by the route at %s, and by %q are %+v\n%s%s", seed, q, c.Place, by, is, result.Text(), result.Report())
		}
	}
	if was == is {
		return
	}
	var from, to *lane
	for _, l := range result.chart.lanes {
		if l.route == route {
			from = l
		}
		if slices.Contains(l.policies, by) {
			to = l
		}
	}
	if !tells(from, to, is.isWider(was)) {
		t.Errorf("seed %d: %+v\nwas %+v\nis  %+v by %q\n%s%s", seed, q, was, is, by, result.Text(), result.Report())
	}
}

// tellsOfCondition reports whether the report says that the policy named by allows more than
// a route with conditions.
func tellsOfCondition(result Result, c *source.Route, by string) bool {
	for _, l := range result.chart.lanes {
		told := l.findings
		if l.route == c && slices.Contains(l.policies, by) {
			told = l.answer.findings // it is the route's own policy
		}
		if l.route == c && slices.ContainsFunc(told, func(f source.Finding) bool {
			return f.Fidelity == source.Widened || tellsOf(f, true) && f.Field != "" && f.Field != hostsField
		}) {
			return true
		}
	}
	return false
}

// conditional returns the routes with conditions that may answer for a host and path.
func conditional(configs []source.Config, host, path string) (all []*source.Route) {
	for _, entry := range fields.Covering(host) {
		taken := false
		for i := range configs {
			for k := range configs[i].Routes {
				if r := &configs[i].Routes[k]; len(r.Conditions) > 0 && bestRoute(configs[i], entry, path, r).Route == r {
					all = append(all, r)
				}
			}
			taken = taken || bestRoute(configs[i], entry, path, nil).Route != nil
		}
		if taken {
			return all
		}
	}
	return all
}

// routeOf returns the route that answers for a host and path. The most specific host comes
// first; then each configuration's own rule counts, and between them the longest path.
func routeOf(configs []source.Config, host, path string) *source.Route {
	for _, entry := range fields.Covering(host) {
		var best *source.Route
		longest := -1
		for _, c := range configs {
			if m := bestRoute(c, entry, path, nil); m.Route != nil && m.Length > longest {
				best, longest = m.Route, m.Length
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// bestRoute returns what a configuration chooses of its routes without conditions and another
// one.
func bestRoute(c source.Config, host, path string, conditional *source.Route) source.Match {
	var matching []source.Match
	for i := range c.Routes {
		r := &c.Routes[i]
		if p, ok := longestPath(r, path); ok && lists(r, host) && (len(r.Conditions) == 0 || r == conditional) {
			matching = append(matching, source.Match{Route: r, Path: p, Length: lengthOf(p)})
		}
	}
	if len(matching) == 0 {
		return source.Match{}
	}
	choose := c.Choose
	if choose == nil {
		choose = source.Longest
	}
	return matching[choose(matching)]
}

// lists reports whether a route lists this very host; "" is every host.
func lists(r *source.Route, host string) bool {
	if len(r.Hosts) == 0 {
		return host == ""
	}
	return slices.ContainsFunc(r.Hosts, func(h string) bool {
		h = strings.TrimSuffix(strings.ToLower(port.ReplaceAllString(h, "")), ".")
		return h == host || h == "*" && host == ""
	})
}

// longestPath returns the longest path of r that matches.
func longestPath(r *source.Route, path string) (longest source.Path, ok bool) {
	if len(r.Paths) == 0 {
		return source.Path{Text: source.Text{Text: "/"}}, true
	}
	for _, p := range r.Paths {
		if matchesPath(p, path) && (!ok || lengthOf(p) > lengthOf(longest)) {
			longest, ok = p, true
		}
	}
	return longest, ok
}

// lengthOf returns how much a path counts.
func lengthOf(p source.Path) int {
	if read, ok := readPath(p); ok {
		return read.Length()
	}
	return 0
}

func matchesPath(p source.Path, text string) bool {
	bare := regexp.QuoteMeta(strings.TrimRight(p.Text.Text, "/"))
	expr := `^` + map[source.PathKind]string{
		source.Segments: bare + `(/.*)?$`, source.StringPath: regexp.QuoteMeta(p.Text.Text), source.ExactPath: regexp.QuoteMeta(p.Text.Text) + `$`,
		source.RegexPath: `(?:` + p.Text.Text + `)$`,
	}[p.Kind]
	if p.Search && p.Kind == source.RegexPath {
		expr = p.Text.Text
	}
	if p.Fold {
		expr = `(?i)` + expr
	}
	re, err := regexp.Compile(expr)
	return err == nil && re.MatchString(text)
}
