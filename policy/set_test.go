package policy

import "testing"

// TestPolicyHasTheAnswersOfDecide holds that an answer has the role that Decide gives
// it, whatever the policy.
func TestPolicyHasTheAnswersOfDecide(t *testing.T) {
	api := func(change func(*Spec)) Spec {
		s := Spec{Name: "api", CORS: CORS{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"PUT"}, AllowHeaders: []string{"x-a"}}}
		change(&s)
		return s
	}
	plain := func(*Spec) {}
	debug := func(s *Spec) { s.Debug = true }
	known := func(r Request) Request { r.Origin = "https://a.example"; return r }
	preflight := Request{Method: "OPTIONS", Origin: "https://b.example", RequestMethod: "PUT"}
	get := Request{Method: "GET", Origin: "https://b.example"}
	with := func(r Request, change func(*Request)) Request { change(&r); return r }
	for name, c := range map[string]struct {
		change func(*Spec)
		r      Request
		role   func(*Answers) *Answer
	}{
		"NotCORS":               {plain, Request{Method: "GET"}, func(a *Answers) *Answer { return a.NotCORS }},
		"Allowed":               {plain, known(get), func(a *Answers) *Answer { return a.Allowed }},
		"Denied":                {plain, get, func(a *Answers) *Answer { return a.Denied }},
		"Blocked":               {func(s *Spec) { s.DeniedRequests = DeniedBlock }, get, func(a *Answers) *Answer { return a.Blocked }},
		"Pass":                  {func(s *Spec) { s.UnmatchedPreflights = UnmatchedForward }, preflight, func(a *Answers) *Answer { return a.Pass }},
		"Granted":               {plain, known(preflight), func(a *Answers) *Answer { return a.Granted }},
		"Rejected":              {plain, preflight, func(a *Answers) *Answer { return a.Rejected }},
		"Debug.OriginDenied":    {debug, preflight, func(a *Answers) *Answer { return a.Debug.OriginDenied }},
		"Debug.OriginMalformed": {debug, with(preflight, func(r *Request) { r.Origin = "b" }), func(a *Answers) *Answer { return a.Debug.OriginMalformed }},
		"Debug.Method":          {debug, known(with(preflight, func(r *Request) { r.RequestMethod = "PATCH" })), func(a *Answers) *Answer { return a.Debug.Method }},
		"Debug.Header":          {debug, known(with(preflight, func(r *Request) { r.RequestHeaders = "x-b" })), func(a *Answers) *Answer { return a.Debug.Header }},
		"Debug.Malformed":       {debug, known(with(preflight, func(r *Request) { r.RequestHeaders = "(" })), func(a *Answers) *Answer { return a.Debug.Malformed }},
		"Private": {func(s *Spec) {
			s.AllowPrivateNetwork, s.Dangerously = true, []OptIn{OptInPrivateNetworkAccess}
		}, known(with(preflight, func(r *Request) { r.RequestPrivateNetwork = "true" })), func(a *Answers) *Answer { return a.Private }},
	} {
		set := mustCompile(t, api(c.change))
		p, ok := set.Policy("api")
		if !ok {
			t.Fatal("there is no policy")
		}
		if d := set.Decide(&c.r); d.Answer != c.role(&p.Answers) {
			t.Errorf("%s is not the answer to %+v: %s", name, c.r, d.Reason)
		}
	}
	if _, ok := mustCompile(t, api(plain)).Policy("b"); ok {
		t.Error("there is a policy that nobody has written")
	}
}
