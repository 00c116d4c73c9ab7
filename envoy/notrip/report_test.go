package notrip

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// api returns a policy that compiles whole, changed.
func api(change func(*policy.Spec)) policy.Spec {
	s := policy.Spec{Name: "api", Hosts: []string{"api.example.com"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.example.com"}}}
	change(&s)
	return s
}

// asking stands for the chain that asks a service.
func asking() []*core.TypedExtensionConfig {
	return []*core.TypedExtensionConfig{extension("ask", &headers.HeaderMutation{})}
}

func compileSpecs(t *testing.T, o Options, specs ...policy.Spec) *Result {
	t.Helper()
	res, err := Compile(policytest.Compile(t, specs...), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestReport(t *testing.T) {
	many := func(n int, format string) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i))
		}
		return list
	}
	for name, c := range map[string]struct {
		change func(*policy.Spec)
		asked  Asked
		fields []string
	}{
		"exact origins": {func(*policy.Spec) {}, AskedOdd, nil},
		"patterns": {func(s *policy.Spec) {
			s.CORS.AllowOrigins = []string{"https://*.example.com", "https://a-*.example.com", "https://x.example:*"}
		}, AskedOdd, nil},
		"an app and an IP":       {func(s *policy.Spec) { s.CORS.AllowOrigins = []string{"app://.", "http://127.0.0.1:3000"} }, AskedOdd, nil},
		"off":                    {func(s *policy.Spec) { s.Mode, s.Hosts = policy.ModeOff, nil }, AskedOdd, nil},
		"public, every host":     {func(s *policy.Spec) { s.Hosts, s.CORS.AllowOrigins = nil, []string{"*"} }, AskedOdd, nil},
		"plain paths":            {func(s *policy.Spec) { s.Paths = []string{"/v1", "/a:b"} }, AskedOdd, nil},
		"a regex":                {func(s *policy.Spec) { regex(s) }, AskedAll, []string{"cors.allowOriginRegexes[0]"}},
		"shadow":                 {func(s *policy.Spec) { s.Mode = policy.ModeShadow }, AskedAll, []string{"mode"}},
		"an escaped path":        {func(s *policy.Spec) { s.Paths = []string{"/v1", "/a%2Fb"} }, AskedAll, []string{"paths[1]"}},
		"a path with an escape":  {func(s *policy.Spec) { s.Paths = []string{"/caf%C3%A9"} }, AskedAll, []string{"paths[0]"}},
		"a path to be escaped":   {func(s *policy.Spec) { s.Paths = []string{"/a|b"} }, AskedAll, []string{"paths[0]"}},
		"a path with ;":          {func(s *policy.Spec) { s.Paths = []string{"/a;b"} }, AskedAll, []string{"paths[0]"}},
		"several causes":         {func(s *policy.Spec) { regex(s); s.Mode = policy.ModeShadow }, AskedAll, []string{"cors.allowOriginRegexes[0]", "mode"}},
		"many stars":             {func(s *policy.Spec) { s.CORS.AllowOrigins = many(maxStars+1, "https://*.a%d.example") }, AskedAll, []string{"cors.allowOrigins"}},
		"as many as Envoy takes": {func(s *policy.Spec) { s.CORS.AllowOrigins = many(maxStars, "https://*.a%d.example") }, AskedOdd, nil},
		"many headers":           {func(s *policy.Spec) { s.CORS.AllowHeaders = many(500, "x-some-header-%d") }, AskedAll, []string{"cors.allowHeaders"}},
		"many methods":           {func(s *policy.Spec) { s.CORS.AllowMethods = many(2000, "METHOD%d") }, AskedAll, []string{"cors.allowMethods"}},
		"percent signs, listed for debugging": {func(s *policy.Spec) {
			s.PreflightLists, s.Debug, s.CORS.AllowHeaders = policy.ListsRequested, true, many(200, strings.Repeat("%%", 60)+"%d")
		}, AskedAll, []string{"cors.allowHeaders"}},
		"many exposed": {func(s *policy.Spec) { s.CORS.ExposeHeaders = many(1000, "x-some-%%-header-%d") }, AskedAll, []string{"cors.exposeHeaders"}},
		"many exposed, public": {func(s *policy.Spec) {
			s.CORS.AllowOrigins, s.CORS.ExposeHeaders = []string{"*"}, many(1000, "x-some-%%-header-%d")
		}, AskedAll, []string{"cors.exposeHeaders"}},
		"a long path":         {func(s *policy.Spec) { s.Paths = []string{"/a", "/" + strings.Repeat("a", maxExpression)} }, AskedAll, []string{"paths[1]"}},
		"a host with a star":  {func(s *policy.Spec) { s.Hosts = []string{"a.example", "*.example.com"} }, AskedSome, []string{"hosts[1]"}},
		"every host":          {func(s *policy.Spec) { s.Hosts = nil }, AskedSome, []string{""}},
		"a short port":        {func(s *policy.Spec) { s.CORS.AllowOrigins = []string{"https://*.example.com:444"} }, AskedSome, []string{"cors.allowOrigins[0]"}},
		"an IP with any port": {func(s *policy.Spec) { s.CORS.AllowOrigins = []string{"https://app.example.com", "http://127.0.0.1:*"} }, AskedSome, []string{"cors.allowOrigins[1]"}},
		"many app origins":    {func(s *policy.Spec) { s.CORS.AllowOrigins = many(maxOdd+1, "app://a%03d") }, AskedSome, []string{fmt.Sprintf("cors.allowOrigins[%d]", maxOdd)}},
		"requested lists":     {func(s *policy.Spec) { s.PreflightLists = policy.ListsRequested }, AskedSome, []string{"preflightLists"}},
		"requested long lists": {func(s *policy.Spec) {
			s.PreflightLists, s.CORS.AllowHeaders = policy.ListsRequested, many(200, "x-some-header-%03d")
		}, AskedSome, []string{"preflightLists"}},
		"star, credentials": {func(s *policy.Spec) {
			s.CORS.AllowHeaders, s.CORS.AllowCredentials = []string{"*"}, true
		}, AskedSome, []string{"cors.allowHeaders"}},
	} {
		r := compileSpecs(t, Options{}, api(c.change)).Policies()[0]
		var fields []string
		for _, cause := range r.Causes {
			fields = append(fields, cause.Field)
			if cause.Reason == "" || cause.Hint == "" {
				t.Errorf("%s: %+v does not say why, or what would change it", name, cause)
			}
		}
		if r.Asked != c.asked || !slices.Equal(fields, c.fields) {
			t.Errorf("%s: asked about %s because of %q, want %s because of %q", name, r.Asked, fields, c.asked, c.fields)
		}
	}
}

func regex(s *policy.Spec) {
	s.CORS.AllowOriginRegexes, s.Dangerously = []string{`https://pr-[0-9]+\.example\.com`}, []policy.OptIn{policy.OptInOriginRegex}
}

func TestReportNamesThePolicyThatAsks(t *testing.T) {
	rehearsal := api(func(s *policy.Spec) {
		s.Name, s.Mode, s.Hosts = "rehearsal", policy.ModeShadow, []string{"*.example.com"}
	})
	for host, want := range map[string]Asked{"api.example.com": AskedSome, "api.example.net": AskedOdd} {
		r := compileSpecs(t, Options{Ask: asking(), AskBlocking: asking()}, rehearsal, api(func(s *policy.Spec) { s.Hosts = []string{host} })).Policies()[1]
		if named := len(r.Causes) == 1 && strings.Contains(r.Causes[0].Reason, `"rehearsal"`); r.Asked != want || named != (want == AskedSome) {
			t.Errorf("a shadow policy covers %s: %+v, want %s", host, r, want)
		}
	}
}

// policies returns n policies with as many origins each.
func policies(n, origins int) (specs []policy.Spec) {
	for i := range n {
		specs = append(specs, api(func(s *policy.Spec) {
			s.Name, s.Hosts = fmt.Sprintf("p%d", i), []string{fmt.Sprintf("api%d.example.com", i)}
			for j := range origins {
				s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("https://app%d-%d.example.com", i, j))
			}
		}))
	}
	return specs
}

func TestBudget(t *testing.T) {
	specs := policies(40, 100)
	size := func(r *Result) (n int) {
		for _, resource := range r.Resources {
			n += len(resource.Filter.GetValue())
		}
		return n
	}
	all := compileSpecs(t, Options{Ask: asking(), AskBlocking: asking()}, specs...)
	budget := size(all) / 2
	res := compileSpecs(t, Options{Ask: asking(), AskBlocking: asking(), Budget: budget, Shards: 4}, specs...)
	if size(res) > budget {
		t.Errorf("%d bytes, want at most %d", size(res), budget)
	}
	asked := 0
	for _, r := range res.Policies() {
		if r.Asked == AskedAll {
			asked++
			if len(r.Causes) != 1 || !strings.Contains(r.Causes[0].Reason, "budget") {
				t.Errorf("%+v does not name the budget", r)
			}
		}
	}
	if first, last := res.Policies()[0], res.Policies()[39]; asked < 10 || asked > 35 || first.Asked != AskedOdd || last.Asked != AskedAll {
		t.Errorf("%d of 40 policies do not fit in half of the size, the first %s, the last %s", asked, first.Asked, last.Asked)
	}
}

// TestBudgetIsNamed compiles sets that fit and that do not, one after the other. A filter
// names the budget if some policies do not fit, and is what it is from scratch.
func TestBudgetIsNamed(t *testing.T) {
	small, large := policytest.Compile(t, policies(2, 1)...), policytest.Compile(t, policies(40, 100)...)
	o := Options{Ask: asking(), AskBlocking: asking(), Budget: 500_000, Shards: 64}
	c := NewCompiler(o)
	for _, set := range []*policy.Set{small, large, small} {
		got, err := c.Compile(set)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Compile(set, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got.Resources {
			if named := bytes.Contains(r.Filter.GetValue(), []byte("ask.500000.")); named != (set == large) || r.Version != want.Resources[i].Version {
				t.Errorf("%d policies: it names the budget: %v; from scratch it is the same: %v", len(set.Specs()), named, r.Version == want.Resources[i].Version)
			}
		}
	}
}

// TestAskAboutKeepsTheWeight has policies asked about until the others weigh as much
// as they may, and at least one each time.
func TestAskAboutKeepsTheWeight(t *testing.T) {
	specs := policies(40, 100)
	all := newCompiler(policytest.Compile(t, specs...), Options{}, memory{}).policies
	for most, want := range map[int]int{weightOf(all) / 2: 20, weightOf(all[:1]): 1, 10 * weightOf(all): 39, 0: 0} {
		c := newCompiler(policytest.Compile(t, specs...), Options{}, memory{})
		if kept := c.askAbout(c.policies, most); len(kept) != want {
			t.Errorf("%d policies are kept within %d bytes, want %d", len(kept), most, want)
		}
	}
}

// TestWeights holds that a policy weighs about as much as it takes.
func TestWeights(t *testing.T) {
	hosts := make([]string, maxListed)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("h%d.example.com", i)
	}
	for name, specs := range map[string][]policy.Spec{
		"small": policies(40, 1), "with origins": policies(40, 1000),
		"with hosts": {api(func(s *policy.Spec) { s.Hosts = hosts })},
	} {
		c := newCompiler(policytest.Compile(t, specs...), Options{Ask: asking(), AskBlocking: asking()}, memory{})
		_, size, err := c.resources()
		if weight := weightOf(c.policies); err != nil || weight < size/2 || weight > 2*size {
			t.Errorf("%s: %d bytes weigh %d (%v)", name, size, weight, err)
		}
	}
}

func TestBudgetThatNothingFitsIn(t *testing.T) {
	res := compileSpecs(t, Options{Ask: asking(), AskBlocking: asking(), Budget: 1}, policies(3, 1)...)
	for _, r := range res.Policies() {
		if r.Asked != AskedAll {
			t.Errorf("%s: asked about %s, want all", r.Policy, r.Asked)
		}
	}
}

// TestSizes holds what grows with what, in bytes: lists of origins stand once,
// however many hosts and kinds of requests there are.
func TestSizes(t *testing.T) {
	size := func(specs ...policy.Spec) int {
		return len(compileSpecs(t, Options{}, specs...).Resources[0].Filter.GetValue())
	}
	hosts := func(n int) func(*policy.Spec) {
		return func(s *policy.Spec) {
			for i := range n {
				s.Hosts = append(s.Hosts, fmt.Sprintf("h%d.example.com", i))
			}
			for i := range 1000 {
				s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("https://app%d.example.com", i))
			}
		}
	}
	if one, many := size(api(hosts(0))), size(api(hosts(50))); many > one+one/2 {
		t.Errorf("50 hosts take %d bytes more than the %d of one, which lists 1,000 origins", many-one, one)
	}
	every := hosts(0)
	if one, all := size(api(every)), size(api(func(s *policy.Spec) { every(s); s.Hosts = nil })); all > one+one/2 {
		t.Errorf("every host takes %d bytes, one host takes %d", all, one)
	}
	few := func(n int) func(*policy.Spec) {
		return func(s *policy.Spec) {
			hosts(n)(s)
			s.CORS.AllowOrigins = s.CORS.AllowOrigins[:10]
		}
	}
	if one, hundred := size(api(few(0))), size(api(few(100))); hundred > 8*one {
		t.Errorf("100 hosts of a policy take %d bytes, one takes %d", hundred, one)
	}
	if one, hundred := size(policies(1, 10)...), size(policies(100, 10)...); hundred > 25*one {
		t.Errorf("100 policies that say the same take %d bytes, one takes %d", hundred, one)
	}
}
