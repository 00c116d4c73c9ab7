package explain_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// namesSpecs are policies that differ in what they make of requested names.
func namesSpecs() []policy.Spec {
	spec := func(name string, by func(*policy.Spec)) policy.Spec {
		s := policy.Spec{Name: name, Hosts: []string{name + ".test"}, CORS: policy.CORS{AllowOrigins: []string{app}, AllowMethods: []string{"PUT", "TRACE", "patch"}}}
		by(&s)
		return s
	}
	star := func(s *policy.Spec) { s.CORS.AllowMethods, s.CORS.AllowHeaders = []string{"*"}, []string{"*"} }
	return []policy.Spec{
		spec("list", func(s *policy.Spec) { s.CORS.AllowHeaders = []string{"x-a", "x-b", "dnt", "authorization"} }),
		spec("requested", func(s *policy.Spec) {
			s.CORS.AllowHeaders, s.PreflightLists = []string{"x-a", "x-b", "dnt"}, policy.ListsRequested
		}),
		spec("star", star),
		spec("tokens", func(s *policy.Spec) { star(s); s.CORS.AllowHeaders = []string{"*", "authorization"} }),
		spec("credentials", func(s *policy.Spec) { star(s); s.CORS.AllowCredentials = true }),
		spec("public", func(s *policy.Spec) { star(s); s.CORS.AllowOrigins = []string{"*"} }),
		spec("debug", func(s *policy.Spec) {
			s.Debug, s.AllowPrivateNetwork = true, true
			s.Dangerously = []policy.OptIn{policy.OptInPrivateNetworkAccess}
		}),
		spec("forward", func(s *policy.Spec) { s.UnmatchedPreflights = policy.UnmatchedForward }),
		spec("off", func(s *policy.Spec) { s.Mode = policy.ModeOff }),
	}
}

// copiedPreflight returns the headers of a preflight that a browser, another
// client or an attacker may send.
func copiedPreflight(rng *rand.Rand) browser.Headers {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	hs := browser.Headers{{Name: "Access-Control-Request-Method", Value: pick("GET", "PUT", "PUT", "put", "get", "PATCH", "patch", "TRACE", "track", "OPTIONS", "*", "GET, POST", "P T")}}
	if rng.IntN(8) == 0 {
		hs = append(hs, browser.Header{Name: "access-control-request-private-network", Value: "true"})
	}
	for range rng.IntN(3) {
		var names strings.Builder
		for range rng.IntN(6) {
			names.WriteString(pick("x-a", "X-A", "x-b", "x-c", "accept", "authorization", "Authorization", "origin", "Origin", "dnt", "host", "Sec-X", "proxy-x", "*", "x-http-method-override", "", " "))
			names.WriteString(pick(",", ",", ", ", " \t,"))
		}
		switch rng.IntN(20) {
		case 0:
			names.WriteString(pick("x y", "x:y", "\u00e9", "\xff", "\u212a", "(", "x\x00"))
		case 1:
			names.WriteString(strings.Repeat(pick("x-a,", "origin,", ","), 120+rng.IntN(16)))
		case 2:
			names.WriteString(strings.Repeat(pick("a", " ", ","), 2000+rng.IntN(2100)))
		}
		hs = append(hs, browser.Header{Name: pick("Access-Control-Request-Headers", "access-control-request-headers"), Value: names.String()})
	}
	return hs
}

// lineOf returns a header as Envoy hands it on.
func lineOf(hs browser.Headers, name string) string {
	var lines []string
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			lines = append(lines, strings.Trim(h.Value, " \t"))
		}
	}
	return strings.Join(lines, ",")
}

// TestExplainAgreesWithTheServiceOnCopiedPreflights: the preflight of the
// explanation is the one that was sent, whatever a browser would have sent.
func TestExplainAgreesWithTheServiceOnCopiedPreflights(t *testing.T) {
	ps := policies(t, namesSpecs())
	rng := rand.New(rand.NewPCG(7, 11))
	reasons := map[string]int{}
	for range 20_000 {
		name := ps.Set.Names()[rng.IntN(len(ps.Set.Names()))]
		origin := []string{app, app, app, "https://stranger.test", "null", "https://" + name + ".test", "nonsense"}[rng.IntN(7)]
		hs := copiedPreflight(rng)
		r := policy.Request{
			Method: "OPTIONS", Authority: name + ".test", Path: "/", Origin: origin,
			RequestMethod:  lineOf(hs, "Access-Control-Request-Method"),
			RequestHeaders: lineOf(hs, "Access-Control-Request-Headers"), RequestPrivateNetwork: lineOf(hs, "Access-Control-Request-Private-Network"),
		}
		d := ps.Set.Decide(&r)
		reasons[d.Reason.String()]++
		got, err := ps.Explain(explain.Question{Origin: origin, URL: "https://" + name + ".test/", Method: "OPTIONS", Headers: hs})
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if got.Preflight == nil || got.Preflight.Reason != d.Reason.String() {
			t.Fatalf("%+v: the service says %s, explain %+v", r, d.Reason, got.Preflight)
		}
		if d.Answer.Action != policy.Reply {
			continue
		}
		for _, h := range d.Answer.Headers {
			if value, _ := got.Preflight.Headers.Get(h.Name); value != d.Value(h) {
				t.Fatalf("%+v: the service answers %s: %q, explain %q", r, h.Name, d.Value(h), value)
			}
		}
	}
	for _, want := range []string{"preflight_allowed", "preflight_origin_denied", "preflight_method_denied", "preflight_header_denied", "preflight_malformed", "policy_off"} {
		if reasons[want] < 100 {
			t.Errorf("only %d of %s", reasons[want], want)
		}
	}
}

func TestCopiedPreflightsOfOddClients(t *testing.T) {
	for _, tc := range []struct {
		name, host, method, names      string
		reasons, because, cause, never string
	}{
		{"an old browser lists what no page sets", "tokens", "GET", "accept, authorization, origin", "preflight_allowed request_allowed", "the page may read", "", "origin"},
		{"an old browser and a list", "list", "PUT", "origin, x-a, x-c, X-C", "preflight_header_denied", "there is no Access-Control-Allow-Origin", "policy list does not allow x-c", "origin"},
		{"nothing but such names", "list", "GET", "origin", "preflight_allowed request_allowed", "the page may read", "", "origin"},
		{"a star as a name", "credentials", "GET", "*", "preflight_header_denied", "there is no Access-Control-Allow-Origin", "policy credentials does not allow *", "origin"},
		{"a method that no page can send", "list", "TRACE", "", "preflight_method_denied", "every browser would refuse this", "no page can send it", "is listed"},
		{"a method in lower case", "list", "put", "", "preflight_method_denied", "there is no Access-Control-Allow-Origin", "methods are case-sensitive, and PUT is listed", "origin"},
		{"a method in lower case that needs no preflight", "list", "get", "", "preflight_method_denied", "there is no Access-Control-Allow-Origin", "browsers send it as GET", "origin"},
		{"a method in lower case and a star", "credentials", "put", "", "preflight_allowed", "does not list PUT", "as no browser spells it: it sends PUT", "origin"},
		{"a forbidden name that is not a name", "list", "PUT", "sec-x y", "preflight_malformed", "there is no Access-Control-Allow-Origin", `lists "sec-x y", which is not a header name`, "origin"},
		{"a letter that is only k in lower case", "list", "PUT", "\u212a", "preflight_malformed", "there is no Access-Control-Allow-Origin", `lists "\u212a", which is not`, "origin"},
		{"a name that is none", "list", "PUT", "x y", "preflight_malformed", "every browser would refuse this", "", "origin"},
		{"too many names", "list", "PUT", strings.Repeat("x-a,", 129), "preflight_malformed", "there is no Access-Control-Allow-Origin", "more header names, or longer ones, than corsgate reads", "origin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asks := browser.Headers{{Name: "Access-Control-Request-Method", Value: tc.method}, {Name: "Access-Control-Request-Headers", Value: tc.names}}
			r, err := policies(t, namesSpecs()).Explain(explain.Question{Origin: app, URL: "https://" + tc.host + ".test/", Method: "OPTIONS", Headers: asks})
			if err != nil || reasonsOf(r) != tc.reasons {
				t.Fatalf("%q, %v", reasonsOf(r), err)
			}
			if !strings.Contains(r.Because, tc.because) || !strings.Contains(r.Cause, tc.cause) || tc.cause == "" && r.Cause != "" || strings.Contains(r.Cause, tc.never) {
				t.Errorf("because %q, cause %q", r.Because, r.Cause)
			}
			if sent, _ := r.Preflight.Sent.Get("Access-Control-Request-Headers"); sent != tc.names {
				t.Errorf("sent %q", sent)
			}
			refused := strings.HasPrefix(r.Because, "every browser")
			if why := slices.ContainsFunc(r.Before, func(s browser.Step) bool { return !s.OK }); why == refused {
				t.Errorf("why there is a preflight: %+v", r.Before)
			}
			if refused != (consoles(r) == 0 && !r.Allowed) || refused && r.Remedy != nil {
				t.Errorf("consoles %+v, remedy %+v", r.Engines, r.Remedy)
			}
		})
	}
}

// Envoy joins the lines of a header with a comma alone: these are 4096 bytes.
func TestLinesOfACopiedPreflightAreJoinedAsEnvoyDoes(t *testing.T) {
	asks := browser.Headers{
		{Name: "Access-Control-Request-Method", Value: "PUT"},
		{Name: "Access-Control-Request-Headers", Value: strings.Repeat("a", 2047)}, {Name: "Access-Control-Request-Headers", Value: strings.Repeat("b", 2048)},
	}
	r, err := policies(t, namesSpecs()).Explain(explain.Question{Origin: app, URL: "https://star.test/", Method: "OPTIONS", Headers: asks})
	if err != nil || r.Preflight.Reason != "preflight_allowed" {
		t.Errorf("%+v, %v", r.Preflight, err)
	}
}

func TestACopiedPreflightOfTheOwnOriginBlocksNothing(t *testing.T) {
	asks := browser.Headers{{Name: "Access-Control-Request-Method", Value: "PUT"}}
	r, err := policies(t, namesSpecs()).Explain(explain.Question{Origin: "https://list.test", URL: "https://list.test/", Method: "OPTIONS", Headers: asks})
	if err != nil || !r.Allowed || reasonsOf(r) != "preflight_origin_denied same_origin" {
		t.Errorf("%q %q %v", reasonsOf(r), r.Because, err)
	}
}

// TestCopiedPreflightsSayWhyTheyWereSent: nothing is made up.
func TestCopiedPreflightsSayWhyTheyWereSent(t *testing.T) {
	for name, c := range map[string]struct {
		method, names, private string
		why                    []string
	}{
		"an upload":                     {"POST", "", "", []string{"an upload that is listened to needs a preflight"}},
		"an empty list":                 {"POST", " , ", "", []string{"an upload that is listened to needs a preflight"}},
		"a method":                      {"PUT", "", "", []string{"PUT needs a preflight: only GET, HEAD and POST do not"}},
		"a method and forbidden names":  {"PUT", "origin", "", []string{"PUT needs a preflight: only GET, HEAD and POST do not"}},
		"a header":                      {"GET", "x-a, origin", "", []string{"the header x-a needs a preflight: it is not a CORS-safelisted request header"}},
		"a value that is not known":     {"GET", "accept", "", []string{"the header accept needs a preflight: its value is not one that needs no preflight"}},
		"a range that is not known":     {"GET", "Range", "", []string{"the header range needs a preflight: its value is not one that needs no preflight"}},
		"nothing but forbidden names":   {"GET", "origin, dnt", "", []string{"the preflight names only what no page sets (origin, dnt), so it does not say which header of the request needs it"}},
		"a private network":             {"GET", "", "true", []string{"the preflight asks whether a public page may reach a private network"}},
		"a private network and origin":  {"GET", "origin", "true", []string{"the preflight asks whether a public page may reach a private network"}},
		"a private network and a name":  {"GET", "x-a", "true", []string{"the header x-a needs a preflight: it is not a CORS-safelisted request header"}},
		"a method that no browser asks": {"get", "", "", []string{"no browser sends this preflight: for a page's get it asks for GET"}},
		"a method that no browser writes": {"put", "", "", []string{
			"PUT needs a preflight: only GET, HEAD and POST do not", "no browser sends this preflight: for a page's put it asks for PUT",
		}},
	} {
		asks := browser.Headers{{Name: "Access-Control-Request-Method", Value: c.method}, {Name: "Access-Control-Request-Headers", Value: c.names}}
		if c.private != "" {
			asks = append(asks, browser.Header{Name: "Access-Control-Request-Private-Network", Value: c.private})
		}
		for _, origin := range []string{app, "https://list.test"} {
			want := c.why
			if origin != app {
				want = nil // CORS has no say
			}
			r, err := policies(t, namesSpecs()).Explain(explain.Question{Origin: origin, URL: "https://list.test/", Method: "OPTIONS", Headers: asks})
			var got []string
			for _, s := range r.Before {
				if !s.OK {
					got = append(got, s.Says)
				}
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s from %s: %q, %v", name, origin, got, err)
			}
		}
	}
}

func TestAnOriginThatNoBrowserSendsIsTheCause(t *testing.T) {
	asks := browser.Headers{{Name: "Access-Control-Request-Method", Value: "PUT"}}
	r, err := policies(t, namesSpecs()).Explain(explain.Question{Origin: "nonsense", URL: "https://public.test/", Method: "OPTIONS", Headers: asks})
	if err != nil || r.Allowed || r.Cause != `"nonsense" is not an origin that a browser sends` {
		t.Errorf("%q, %v", r.Cause, err)
	}
}

// No console speaks of a request that no browser sends.
func TestARefusedRequestHasNoNoteOfConsoles(t *testing.T) {
	asks := browser.Headers{{Name: "Access-Control-Request-Method", Value: "TRACE"}}
	r, err := policies(t, namesSpecs()).Explain(explain.Question{Origin: app, URL: "https://list.test/", Method: "OPTIONS", Headers: asks})
	if err != nil || strings.Contains(strings.Join(r.Notes, "\n"), "console") {
		t.Errorf("%q, %v", r.Notes, err)
	}
}

// TestRemediesOfCopiedPreflightsHelp: what is advised is enough, and lists no
// star, which would grant all names instead of one. What is blocked has a cause
// or a remedy, and each preflight of another origin a reason.
func TestRemediesOfCopiedPreflightsHelp(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	remedies := 0
	for range 3000 {
		specs := namesSpecs()
		name := specs[rng.IntN(len(specs)-1)].Name // the last is off
		q := explain.Question{
			Origin: []string{app, app, "https://stranger.test", "null", "nonsense"}[rng.IntN(5)], URL: "https://" + name + ".test/",
			Method: "OPTIONS", Headers: copiedPreflight(rng), Credentials: []browser.Credentials{"", browser.Include}[rng.IntN(2)],
		}
		r, err := policies(t, specs).Explain(q)
		if err != nil {
			t.Fatal(err)
		}
		refused := strings.HasPrefix(r.Because, "every browser")
		if !r.Allowed && r.Cause == "" && r.Remedy == nil && !refused {
			t.Fatalf("%+v: %s has no cause", q, r.Because)
		}
		if why := slices.ContainsFunc(r.Before, func(s browser.Step) bool { return !s.OK }); why == refused {
			t.Fatalf("%+v: why there is a preflight: %+v", q, r.Before)
		}
		if r.Remedy == nil || len(r.Remedy.Refused) > 0 {
			continue
		}
		remedies++
		for _, c := range r.Remedy.Changes {
			if slices.Contains(c.Add, "*") {
				t.Fatalf("%+v: %+v grants more than one name", q, r.Remedy)
			}
		}
		changed := apply(t, specs, *r.Remedy)
		if worse := worse(namesSpecs(), changed); worse != nil {
			t.Fatalf("%+v: %+v is not what check wants: %q", q, r.Remedy, worse)
		}
		again, err := policies(t, changed).Explain(asAdvised(q, r.Remedy))
		if err != nil || !again.Allowed {
			t.Fatalf("%+v: %+v did not help: %s %v", q, r.Remedy, again.Because, err)
		}
	}
	if remedies < 300 {
		t.Errorf("only %d remedies", remedies)
	}
}
