package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestScope(t *testing.T) {
	s := Spec{Hosts: []string{"*.example.com", "API.example.com", "*.api.example.com"}, Paths: []string{"/v1", "/v1/users/"}}
	for _, tc := range []struct {
		name, authority, path string
		want                  Scope
	}{
		{"the exact host and the longest path", "api.example.com:443", "/v1/users/7?x", Scope{"api.example.com", "/v1/users", true, true, true}},
		{"the longest star", "a.api.example.com", "/v1", Scope{"*.api.example.com", "/v1", true, true, true}},
		{"a shorter star", "a.b.example.com", "/v1/", Scope{"*.example.com", "/v1", true, true, true}},
		{"whole segments only", "b.example.com", "/v10", Scope{Host: "*.example.com", HostCovers: true}},
		{"not the apex", "example.com", "/a/../v1", Scope{Path: "/v1", PathCovers: true, Own: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := s.Scope(tc.authority, normalised(tc.path), false); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
	if all := (&Spec{}).Scope("any", "/", false); !all.Covers() {
		t.Error("a spec without hosts and paths does not cover all")
	}
}

// TestScopeAgreesWithSet chooses by the definition what a Set chooses by its
// index, and compares what the policies of all readings say by themselves.
func TestScopeAgreesWithSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hosts := []string{"", "a.b.c", "*.b.c", "*.c", "b.c", "c", "*.a.b.c", "x.c"}
	paths := []string{"", "/", "/a", "/a/b", "/a/b/c", "/ab", "/%61/b/", "/a%2fb/c", "/a;x", "/a;y", "/@a", "/%40a/b", "/a%c3%a9", "/a|b", "/a%7cb"}
	ambiguous := 0
	for range 600 {
		specs := distinctSpecs(rng, hosts, paths)
		set := mustCompile(t, specs...)
		for range 30 {
			r := randomRequest(rng, hosts)
			d := set.Decide(&r)
			want := decideByScope(t, specs, r)
			if d.Verdict.Reason != want.Reason || d.Policy != want.Policy || !d.Verdict.sendsSame(&want) {
				t.Fatalf("%+v: the set says %+v, the definition %+v of %+v", r, d.Verdict, want, specs)
			}
			if d.Reason == ReasonPathAmbiguous {
				ambiguous++
			}
		}
	}
	if ambiguous < 100 {
		t.Errorf("only %d requests were ambiguous", ambiguous)
	}
}

// randomRequest spells a path in a random way.
func randomRequest(rng *rand.Rand, hosts []string) Request {
	pieces := []string{"/", "/", "/", "a", "a", "b", "c", "ab", "@a", "%40a", ";x", "%3B", "%2F", "%2f", "%5c", `\`, "..", ".", "%2e", "%61", "%c3%A9", "|", "%7C", "?/", "#", "%"}
	path := "/"
	for range rng.IntN(8) {
		path += pieces[rng.IntN(len(pieces))]
	}
	r := Request{
		Method: []string{"GET", "POST", "OPTIONS"}[rng.IntN(3)], Path: path,
		Authority:    []string{"", "u@", "a:b@"}[rng.IntN(3)] + hosts[rng.IntN(len(hosts))] + ":80",
		Origin:       []string{"", "https://o.test", "https://p.test", "not an origin"}[rng.IntN(4)],
		SecFetchSite: []string{"", "cross-site", "same-origin"}[rng.IntN(3)],
	}
	if rng.IntN(3) == 0 {
		r.RequestMethod = "PUT"
	}
	return r
}

// distinctSpecs returns specs of which no two overlap, with various answers.
func distinctSpecs(rng *rand.Rand, hosts, paths []string) []Spec {
	var specs []Spec
	for range 1 + rng.IntN(8) {
		host, path := hosts[rng.IntN(len(hosts))], paths[rng.IntN(len(paths))]
		s := randomAnswers(rng)
		s.Name = fmt.Sprintf("p%d", len(specs))
		if host != "" {
			s.Hosts = []string{host}
		}
		if path != "" {
			s.Paths = []string{path}
		}
		if next := append(specs[:len(specs):len(specs)], s); !problemsOf(next...).HasErrors() {
			specs = next
		}
	}
	return specs
}

// randomAnswers returns one of a few policies, so that several answer alike.
func randomAnswers(rng *rand.Rand) Spec {
	c := CORS{AllowOrigins: []string{"https://o.test"}, AllowMethods: []string{"PUT"}}
	switch rng.IntN(8) {
	case 0:
		return Spec{CORS: CORS{AllowOrigins: []string{"*"}}}
	case 1:
		return Spec{CORS: c, DeniedRequests: DeniedBlock}
	case 2:
		return Spec{CORS: c, Mode: ModeOff, DeniedRequests: DeniedBlock, Debug: true}
	case 3:
		return Spec{CORS: c, Debug: true, DeniedRequests: DeniedBlockUnsafe}
	}
	return Spec{CORS: c}
}

// decideByScope decides as the documents say: each reading chooses a policy,
// and if not all of them answer alike, the request is denied.
func decideByScope(t *testing.T, specs []Spec, r Request) Verdict {
	t.Helper()
	none := mustCompile(t)
	var verdicts []Verdict
	var chosen []*Spec
	all, tooMany := readings(r.Path)
	for i, reading := range append([]string{all[0]}, all...) {
		s := bestByScope(specs, r.Authority, reading, i > 0)
		chosen = append(chosen, s)
		verdicts = append(verdicts, alone(t, none, s, r))
	}
	for i := range verdicts {
		if tooMany || !verdicts[i].sendsSame(&verdicts[0]) {
			return deniedByScope(chosen, r)
		}
	}
	return verdicts[0]
}

// alone returns what s says of r if it is the only policy.
func alone(t *testing.T, none *Set, s *Spec, r Request) Verdict {
	t.Helper()
	if s == nil {
		return none.Decide(&r).Verdict
	}
	only := *s
	only.Hosts, only.Paths = nil, nil
	return mustCompile(t, only).Decide(&r).Verdict
}

func deniedByScope(chosen []*Spec, r Request) Verdict {
	v := Verdict{Reason: ReasonPathAmbiguous, Answer: &Answer{Action: Edit, Apply: ApplyReplace}}
	blocks, debug := false, false
	for _, s := range chosen {
		if s == nil {
			continue
		}
		if v.Policy == "" {
			v.Policy = s.Name
		}
		if s.Mode == ModeOff {
			continue
		}
		blocks = blocks || s.DeniedRequests == DeniedBlock || s.DeniedRequests == DeniedBlockUnsafe && r.Method == "POST"
		debug = debug || s.Debug
	}
	preflight := r.Method == "OPTIONS" && r.RequestMethod != ""
	reply := func(headers ...Header) {
		v.Answer = &Answer{Action: Reply, Status: 403, Apply: ApplyNone, Headers: headers}
	}
	vary := Header{Name: "vary", Value: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	switch {
	case r.Origin == "":
		v.Reason = ReasonNotCORS
	case preflight && debug:
		reply(Header{Name: "x-corsgate-reason", Value: "path_ambiguous"}, vary)
	case preflight:
		reply(vary)
	case r.SecFetchSite == "same-origin":
		v.Reason = ReasonSameOrigin
	case blocks:
		reply(Header{Name: "vary", Value: "Origin"})
	}
	return v
}

// bestByScope returns the spec that is chosen, or nil.
func bestByScope(specs []Spec, authority, path string, other bool) (best *Spec) {
	var scope Scope
	for i := range specs {
		sc := specs[i].Scope(authority, path, other)
		if sc.Covers() && (best == nil || sc.Beats(scope)) {
			best, scope = &specs[i], sc
		}
	}
	return best
}
