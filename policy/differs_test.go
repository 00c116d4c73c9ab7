package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDiffersIsWhatShadowCounts(t *testing.T) {
	set := mustCompile(t,
		Spec{Name: "now", CORS: CORS{AllowOrigins: []string{"https://a.example", "https://b.example"}, AllowMethods: []string{"PUT"}}},
		Spec{Name: "next", Mode: ModeShadow, CORS: CORS{AllowOrigins: []string{"https://a.example", "https://c.example"}}},
	)
	differing := 0
	for _, r := range []Request{
		{Method: "GET", Origin: "https://a.example"}, {Method: "GET", Origin: "https://b.example"}, {Method: "GET", Origin: "https://c.example"},
		{Method: "GET", Origin: "https://d.example"}, {Method: "GET"},
		{Method: "OPTIONS", Origin: "https://a.example", RequestMethod: "PUT"}, {Method: "OPTIONS", Origin: "https://d.example", RequestMethod: "PUT"},
	} {
		r.Authority = "api.test"
		d := set.Decide(&r)
		if got := d.Differs(&d.Shadow); got != d.ShadowDiffers || got != d.Shadow.Differs(&d.Verdict) {
			t.Errorf("%+v: %t, and shadow says %t", r, got, d.ShadowDiffers)
		}
		if d.ShadowDiffers {
			differing++
		}
	}
	if differing != 3 {
		t.Errorf("%d differ, want 3", differing)
	}
}

func TestDifferencesSayWhat(t *testing.T) {
	const origin = "https://a.example"
	get := Request{Method: "GET", Origin: origin}
	preflight := Request{Method: "OPTIONS", Origin: origin, RequestMethod: "PUT", RequestHeaders: "x-a"}
	base := CORS{AllowOrigins: []string{origin}, AllowMethods: []string{"PUT"}, AllowHeaders: []string{"x-a"}}
	for name, c := range map[string]struct {
		change func(*Spec)
		r      Request
		want   string
	}{
		"nothing":          {func(*Spec) {}, get, ""},
		"nothing to list":  {func(s *Spec) { s.PreflightLists, s.CORS.AllowHeaders = ListsRequested, nil }, Request{Method: "OPTIONS", Origin: origin, RequestMethod: "PUT"}, `access-control-allow-headers: "x-a" -> none`},
		"the origin":       {func(s *Spec) { s.CORS.AllowOrigins = []string{"https://b.example"} }, get, `reason: request_allowed -> request_origin_denied; access-control-allow-origin: "https://a.example" -> none`},
		"a header's value": {func(s *Spec) { s.CORS.AllowMethods = []string{"PUT", "PATCH"} }, preflight, `access-control-allow-methods: "PUT" -> "PUT, PATCH"`},
		"a header more":    {func(s *Spec) { s.CORS.AllowCredentials = true }, get, `access-control-allow-credentials: none -> "true"`},
		"the status":       {func(s *Spec) { s.PreflightStatus = 200 }, preflight, "status: 204 -> 200"},
		"the edit":         {func(s *Spec) { s.UpstreamHeaders = UpstreamDefer }, get, "apply: replace -> defer"},
		"who answers":      {func(s *Spec) { s.CORS.AllowOrigins, s.DeniedRequests = []string{"https://b.example"}, DeniedBlock }, get, `reason: request_allowed -> request_blocked; forwarded: true -> false; status: the upstream's -> 403; access-control-allow-origin: "https://a.example" -> none; vary: none -> "Origin"`},
		"a denied preflight": {func(s *Spec) { s.CORS.AllowMethods = nil }, preflight, `reason: preflight_allowed -> preflight_method_denied; status: 204 -> 403; ` +
			`access-control-allow-origin: "https://a.example" -> none; access-control-allow-methods: "PUT" -> none; access-control-allow-headers: "x-a" -> none`},
	} {
		now, next := Spec{Name: "now", CORS: base}, Spec{Name: "next", Mode: ModeShadow, CORS: base}
		c.change(&next)
		set := mustCompile(t, now, next)
		c.r.Authority = "api.test"
		d := set.Decide(&c.r)
		if got := d.Verdict.Differences(&d.Shadow).String(); got != c.want || d.ShadowDiffers != (c.want != "") {
			t.Errorf("%s (%t):\n%s\nwant\n%s", name, d.ShadowDiffers, got, c.want)
		}
	}
}

// An empty list is left out of an answer, so that it is the same as none.
func TestAHeaderThatIsLeftOutIsNoDifference(t *testing.T) {
	cors := CORS{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"PUT"}}
	listed := cors
	listed.AllowHeaders = []string{"x-a"}
	set := mustCompile(t, Spec{Name: "now", CORS: cors}, Spec{Name: "next", Mode: ModeShadow, CORS: listed, PreflightLists: ListsRequested})
	d := set.Decide(&Request{Method: "OPTIONS", Authority: "api.test", Origin: "https://a.example", RequestMethod: "PUT"})
	if list := d.Verdict.Differences(&d.Shadow); d.ShadowDiffers || list != nil {
		t.Errorf("%t: %s", d.ShadowDiffers, list)
	}
}

func TestDifferencesShowAPartOfALongValue(t *testing.T) {
	d := Difference{What: "vary", From: strings.Repeat("\xff", 5000)}
	if got := d.String(); got != `vary: "`+strings.Repeat(`\xff`, 256)+`" -> none` {
		t.Errorf("%d bytes: %.40s", len(got), got)
	}
}

// TestDifferencesAreThereIfSomethingDiffers asks many pairs of policies.
func TestDifferencesAreThereIfSomethingDiffers(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	lists := func(list ...string) []string { return [][]string{nil, list[:1], list, {"*"}}[rng.IntN(4)] }
	spec := func(name string, mode Mode) Spec {
		s := Spec{Name: name, Mode: mode, Debug: rng.IntN(4) == 0, PreflightStatus: 200 + 4*rng.IntN(2)}
		s.CORS = CORS{AllowOrigins: [][]string{{"*"}, {"https://a.example"}, {"https://b.example"}}[rng.IntN(3)],
			AllowMethods: lists("PUT", "PATCH"), AllowHeaders: lists("x-a", "x-b")}
		s.CORS.AllowCredentials = s.CORS.AllowOrigins[0] != "*" && rng.IntN(2) == 0
		s.UpstreamHeaders = UpstreamHeaders(pick("replace", "defer"))
		s.UnmatchedPreflights = UnmatchedPreflights(pick("reject", "forward"))
		s.DeniedRequests = DeniedRequests(pick("pass", "block-unsafe", "block"))
		s.PreflightLists = PreflightLists(pick("full", "requested"))
		return s
	}
	differing := 0
	for range 2000 {
		set := mustCompile(t, spec("now", ModeEnforce), spec("next", ModeShadow))
		r := Request{Method: pick("GET", "POST"), Authority: "api.test", Origin: pick("", "https://a.example", "https://b.example", "null", "x")}
		if rng.IntN(2) == 0 {
			r.Method, r.RequestMethod, r.RequestHeaders = "OPTIONS", pick("PUT", "GET", "PATCH", "no method"), pick("", "x-a", "x-b", "x-c", ",")
		}
		d := set.Decide(&r)
		list := d.Verdict.Differences(&d.Shadow)
		back := d.Shadow.Differences(&d.Verdict)
		if d.ShadowDiffers != (len(list) > 0) || len(back) != len(list) {
			t.Fatalf("%+v: differs %t, %s; the other way %s", r, d.ShadowDiffers, list, back)
		}
		if d.ShadowDiffers {
			differing++
		}
	}
	if differing < 500 || differing > 1900 {
		t.Errorf("%d of 2000 differ, which tells too little", differing)
	}
}

func TestAskingWhetherShadowDiffersCostsNoMemory(t *testing.T) {
	set := mustCompile(t, Spec{Name: "now", CORS: CORS{AllowOrigins: []string{"https://a.example"}}},
		Spec{Name: "next", Mode: ModeShadow, CORS: CORS{AllowOrigins: []string{"*"}}})
	r := Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://a.example"}
	if n := testing.AllocsPerRun(100, func() { set.Decide(&r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
