package explain_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
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
			q.Headers = append(q.Headers, browser.Header{Name: pick("X-Token", "Authorization", "Content-Type", "X-New"), Value: "v"})
		}
		r := ask(t, q)
		if r.Allowed || r.Remedy == nil || len(r.Remedy.Refused) > 0 {
			continue
		}
		remedies++
		changed := apply(t, specs(), *r.Remedy)
		again, err := policies(t, changed).Explain(q)
		if err != nil || !again.Allowed {
			t.Errorf("%+v: %+v did not help: %s %v", q, r.Remedy, again.Because, err)
		}
	}
	if remedies < 200 {
		t.Errorf("only %d remedies", remedies)
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
