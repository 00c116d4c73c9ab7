package explain_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/policydiff"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/policytest"
)

func TestRemedy(t *testing.T) {
	stranger := "https://stranger.test"
	for _, tc := range []struct {
		name    string
		q       explain.Question
		policy  string
		changes []explain.Change
		refused bool
	}{
		{"an origin", explain.Question{Origin: stranger, URL: "https://api.example.com/v1"}, "api",
			[]explain.Change{{Field: "cors.allowOrigins", Add: []string{stranger}}}, false},
		{"all that is missing", explain.Question{Origin: stranger, URL: "https://api.example.com/v1", Method: "QUERY", Credentials: browser.Include,
			Headers: browser.Headers{{Name: "X-B"}, {Name: "X-Token"}, {Name: "X-A"}}}, "api",
			[]explain.Change{
				{Field: "cors.allowOrigins", Add: []string{stranger}}, {Field: "cors.allowMethods", Add: []string{"QUERY"}},
				{Field: "cors.allowHeaders", Add: []string{"x-a", "x-b"}}, {Field: "cors.allowCredentials", Set: "true"},
			}, false},
		{"what Chrome alone does not need", explain.Question{Origin: app, URL: "https://api.example.com/v1", Headers: browser.Headers{{Name: "User-Agent", Value: "mine"}}}, "api",
			[]explain.Change{{Field: "cors.allowHeaders", Add: []string{"user-agent"}}}, false},
		{"credentials of a public policy", explain.Question{Origin: app, URL: "https://api.example.com/", Credentials: browser.Include}, "api-all",
			[]explain.Change{{Field: "cors.allowCredentials", Set: "true"}, {Field: "cors.allowOrigins", Only: []string{app}}}, false},
		{"a method in lower case", explain.Question{Origin: app, URL: "https://api.example.com/", Method: "patch"}, "api-all",
			[]explain.Change{{Field: "cors.allowMethods", Add: []string{"PATCH"}}}, false},
		{"a method in lower case that is listed in upper case", explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: "patch"}, "api", nil, false},
		{"a policy that is off", explain.Question{Origin: app, URL: "https://off.example.com/"}, "off",
			[]explain.Change{{Field: "mode", Set: "enforce"}}, false},
		{"a policy in shadow", explain.Question{Origin: app, URL: "https://new.example.com/"}, "rehearsal",
			[]explain.Change{{Field: "mode", Set: "enforce"}}, false},
		{"no policy", explain.Question{Origin: app, URL: "https://Nobody.example.com:8443/"}, "new",
			[]explain.Change{
				{Field: "name", Set: "new"}, {Field: "hosts", Add: []string{"nobody.example.com"}}, {Field: "cors.allowOrigins", Add: []string{app}},
			}, false},
		{"an app's origin", explain.Question{Origin: "app://.", URL: "https://api.example.com/v1"}, "api",
			[]explain.Change{{Field: "cors.allowOrigins", Add: []string{"app://."}}}, false},
		{"an origin that anybody can send", explain.Question{Origin: "file://", URL: "https://api.example.com/v1"}, "api",
			[]explain.Change{{Field: "cors.allowOrigins", Add: []string{"file://"}}}, true},
		{"what validation refuses", explain.Question{Origin: "http://stranger.test", URL: "https://private.example.com/"}, "private",
			[]explain.Change{{Field: "cors.allowOrigins", Add: []string{"http://stranger.test"}}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := ask(t, tc.q).Remedy
			if r == nil || r.Policy != tc.policy || (len(r.Refused) > 0) != tc.refused {
				t.Fatalf("%+v", r)
			}
			if diff := cmp.Diff(tc.changes, r.Changes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingHelps(t *testing.T) {
	for _, q := range []explain.Question{
		{Origin: "null", URL: "https://api.example.com/v1"},
		{Origin: app + "/", URL: "https://private.example.com/"},
		{Origin: app, URL: "https://api.example.com/", Method: "TRACE"},
	} {
		if r := ask(t, q); r.Allowed || r.Remedy != nil {
			t.Errorf("%+v: %+v", q, r.Remedy)
		}
	}
}

// TestRemediesHelp applies each remedy to the policies themselves: then the
// same request is allowed.
func TestRemediesHelp(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	remedies := 0
	for range 500 {
		q := explain.Question{
			Origin:      pick(app, "https://stranger.test", "http://app.example.com", "https://corp.test", "https://a.corp.test", "http://localhost:3000"),
			URL:         "https://" + pick("api", "private", "regex", "new", "off", "defer", "forward", "strict", "nobody") + ".example.com" + pick("/", "/v1"),
			Method:      pick("GET", "POST", "PUT", "patch", "QUERY"),
			Credentials: browser.Credentials(pick("", "include")),
			Upload:      rng.IntN(4) == 0,
		}
		for range rng.IntN(3) {
			q.Headers = append(q.Headers, browser.Header{Name: pick("X-Token", "Authorization", "Content-Type", "X-New", "Access-Control-Allow-Origin"), Value: "v"})
		}
		r := ask(t, q)
		if r.Allowed || r.Remedy == nil || len(r.Remedy.Refused) > 0 {
			continue
		}
		remedies++
		changed := apply(t, specs(), *r.Remedy)
		again, err := policies(t, changed).Explain(asAdvised(q, r.Remedy))
		if err != nil || !again.Allowed {
			t.Fatalf("%+v: %+v did not help: %s %v", q, r.Remedy, again.Because, err)
		}
		if worse := worse(specs(), changed); worse != nil {
			t.Fatalf("%+v: %+v is not what check wants: %q", q, r.Remedy, worse)
		}
		if lose := othersLose(t, changed, q.Origin); lose != (len(r.Remedy.Costs) > 0) {
			t.Fatalf("%+v: others lose something: %t, and the advice says %q", q, lose, r.Remedy.Costs)
		}
	}
	if remedies < 200 {
		t.Errorf("only %d remedies", remedies)
	}
}

// asAdvised is the question of a page that does what the remedy says.
func asAdvised(q explain.Question, r *explain.Remedy) explain.Question {
	q.Headers = slices.DeleteFunc(slices.Clone(q.Headers), func(h browser.Header) bool { return slices.Contains(r.Omit, strings.ToLower(h.Name)) })
	if r.Method == "" {
		return q
	}
	i := slices.IndexFunc(q.Headers, func(h browser.Header) bool { return h.Name == "Access-Control-Request-Method" })
	if i < 0 {
		q.Method = r.Method
	} else {
		q.Headers[i].Value = r.Method
	}
	return q
}

// worse lists the errors and warnings that the changed specs alone have.
func worse(specs, changed []policy.Spec) (list []string) {
	var old []policy.Problem
	policyfile.Examine(specs, func(p policy.Problem) { old = append(old, p) })
	policyfile.Examine(changed, func(p policy.Problem) {
		same := func(o policy.Problem) bool { return o.Code == p.Code && o.Spec == p.Spec && o.Value == p.Value }
		if p.Level != policy.Note && !slices.ContainsFunc(old, same) {
			list = append(list, p.Code+" "+p.String())
		}
	})
	return list
}

// What check finds beyond the policies' own rules is refused as well.
func TestARemedyThatCheckRefusesIsSaid(t *testing.T) {
	shared := []policy.Spec{{Name: "shared", CORS: policy.CORS{AllowOrigins: []string{app, "https://*.github.io"}}}}
	r := askLogin(t, shared, explain.Question{Origin: app, URL: "https://api.example.com/", Credentials: browser.Include})
	if r.Remedy == nil || len(r.Remedy.Refused) != 1 || !strings.Contains(r.Remedy.Refused[0], "github.io") {
		t.Errorf("%+v", r.Remedy)
	}
}

func TestAHeaderOfAnswersIsForThePageToLeaveOut(t *testing.T) {
	hs := browser.Headers{{Name: "Access-Control-Allow-Origin", Value: "*"}, {Name: "X-New", Value: "1"}}
	asks := browser.Headers{{Name: "Access-Control-Request-Method", Value: "GET"}, {Name: "Access-Control-Request-Headers", Value: "access-control-allow-origin, x-new"}}
	want := &explain.Remedy{Policy: "api", Omit: []string{"access-control-allow-origin"}, Changes: []explain.Change{{Field: "cors.allowHeaders", Add: []string{"x-new"}}}}
	for _, q := range []explain.Question{{Headers: hs}, {Method: "OPTIONS", Headers: asks}} {
		q.Origin, q.URL = app, "https://api.example.com/v1"
		if diff := cmp.Diff(want, ask(t, q).Remedy); diff != "" {
			t.Error(diff)
		}
	}
}

// othersLose reports whether diff finds that others than the origin lose something.
func othersLose(t *testing.T, changed []policy.Spec, origin string) bool {
	c := policydiff.New(policytest.Compile(t, specs()...), policytest.Compile(t, changed...))
	c.Probe()
	return slices.ContainsFunc(c.Report().Changes, func(c policydiff.Change) bool {
		return len(c.Lost) > 0 && slices.ContainsFunc(c.Examples, func(o string) bool { return o != origin })
	})
}

func TestRemediesSayWhatTheyCost(t *testing.T) {
	for name, c := range map[string]struct {
		specs []policy.Spec
		q     explain.Question
		want  string
	}{
		"a star that does not go with credentials": {specs(), explain.Question{Origin: app, URL: "https://api.example.com/", Credentials: browser.Include},
			"all other origins lose access, as * does not go with credentials: a policy of its own for the path keeps theirs, and a page that needs no cookie there writes credentials: 'omit'"},
		"a new policy":           {specs(), explain.Question{Origin: app, URL: "https://nobody.example.com/"}, "the upstream's own CORS headers no longer stay"},
		"a policy that was off":  {specs(), explain.Question{Origin: app, URL: "https://off.example.com/"}, "the upstream's own CORS headers no longer stay"},
		"an origin more":         {specs(), explain.Question{Origin: "https://stranger.test", URL: "https://api.example.com/v1"}, ""},
		"a form's POST":          {loginSpecs(), explain.Question{Origin: idp, URL: "https://app.example.com/cb", Method: "POST", Mode: explain.Navigate}, "gives up the protection from forged requests (CSRF)"},
		"a form without origin":  {loginSpecs(), explain.Question{Origin: "null", URL: "https://narrow.example.com/callback", Method: "POST", Mode: explain.Navigate}, "gives up the protection from forged requests (CSRF)"},
		"a policy for one path":  {loginSpecs(), explain.Question{Origin: idp, URL: "https://app.example.com/cb", Method: "POST", Mode: explain.Navigate}, "other origins lose what policy app allows them where policy new decides now (read), such as https://www.example.com"},
		"what is refused anyway": {specs(), explain.Question{Origin: "http://stranger.test", URL: "https://private.example.com/"}, ""},
	} {
		r := askLogin(t, c.specs, c.q)
		if costs := strings.Join(r.Remedy.Costs, "\n"); !strings.Contains(costs, c.want) || c.want == "" && costs != "" {
			t.Errorf("%s: %q", name, costs)
		}
	}
}

// apply changes the specs as a user would.
func apply(t *testing.T, specs []policy.Spec, r explain.Remedy) []policy.Spec {
	i := slices.IndexFunc(specs, func(s policy.Spec) bool { return s.Name == r.Policy })
	if i < 0 {
		specs = append(specs, policy.Spec{})
		i = len(specs) - 1
	}
	s := &specs[i]
	lists := map[string]*[]string{
		"hosts": &s.Hosts, "paths": &s.Paths, "cors.allowOrigins": &s.CORS.AllowOrigins,
		"cors.allowMethods": &s.CORS.AllowMethods, "cors.allowHeaders": &s.CORS.AllowHeaders,
	}
	for _, c := range r.Changes {
		switch list := lists[c.Field]; {
		case c.Field == "name":
			s.Name = c.Set
		case c.Field == "mode":
			s.Mode = policy.Mode(c.Set)
		case c.Field == "deniedRequests":
			s.DeniedRequests = policy.DeniedRequests(c.Set)
		case c.Field == "cors.allowCredentials":
			s.CORS.AllowCredentials = c.Set == "true"
		case list == nil:
			t.Fatalf("%+v", c)
		case c.Only != nil:
			*list = c.Only
		default:
			*list = append(*list, c.Add...)
		}
	}
	return specs
}

// BenchmarkExplain is the slowest there is: a million origins that are read one
// by one.
func BenchmarkExplain(b *testing.B) {
	s := policy.Spec{Name: "many", CORS: policy.CORS{AllowOrigins: make([]string, 1_000_000)}}
	for i := range s.CORS.AllowOrigins {
		s.CORS.AllowOrigins[i] = "https://tenant-" + strconv.Itoa(i) + ".example.com"
	}
	ps := policies(b, []policy.Spec{s})
	for b.Loop() {
		r, err := ps.Explain(explain.Question{Origin: "https://tenant-77x.example.com", URL: "https://api.example.com/", Method: "PUT"})
		if err != nil || r.Allowed || len(r.Origin.Near) == 0 {
			b.Fatalf("%+v %v", r, err)
		}
	}
}
