package denied

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/servertest"
)

func compile(t testing.TB, names ...string) *policy.Set {
	t.Helper()
	var specs []policy.Spec
	for _, name := range names {
		specs = append(specs, policy.Spec{Name: name, Hosts: []string{name + ".test"},
			CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}, AllowMethods: []string{"PUT"}, AllowHeaders: []string{"x-ok"}}})
	}
	return policytest.Compile(t, specs...)
}

// ask decides on r as a service does, and tells t of it.
func ask(t *Tracker, set *policy.Set, r policy.Request) {
	d := set.Decide(&r)
	t.Observe(context.Background(), &r, &d)
}

func get(host, origin string) policy.Request {
	return policy.Request{Method: "GET", Authority: host, Path: "/", Origin: origin}
}

func preflight(host, origin, method, headers string) policy.Request {
	return policy.Request{Method: "OPTIONS", Authority: host, Path: "/", Origin: origin, RequestMethod: method, RequestHeaders: headers}
}

func TestOnlyDenialsAreListed(t *testing.T) {
	set := compile(t, "api")
	var tr Tracker
	for _, r := range []policy.Request{
		get("api.test", "https://app.test"), get("api.test", ""), get("other.test", "https://evil.test"),
		preflight("api.test", "https://app.test", "PUT", "x-ok"),
		{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://api.test", SecFetchSite: "same-origin"},
	} {
		ask(&tr, set, r)
	}
	if list := tr.List(); len(list.Policies) != 0 {
		t.Errorf("listed %+v", list)
	}
}

func TestDenialsAreListedTheMostFrequentFirst(t *testing.T) {
	set := compile(t, "web", "api")
	var tr Tracker
	for range 3 {
		ask(&tr, set, get("api.test", "https://evil.test"))
	}
	ask(&tr, set, preflight("api.test", "https://evil.test", "PUT", ""))
	for range 2 {
		ask(&tr, set, preflight("api.test", "https://app.test", "DELETE", ""))
		ask(&tr, set, preflight("api.test", "https://app.test", "PUT", "x-other"))
	}
	ask(&tr, set, get("web.test", "no origin \xff"))
	ask(&tr, set, policy.Request{Method: "GET", Policy: "gone", Authority: "web.test", Path: "/", Origin: "https://app.test"})
	ask(&tr, set, policy.Request{Method: "GET", Policy: "gone", Authority: "web.test", Path: "/"})
	var got []string
	for _, p := range tr.List().Policies {
		for _, o := range p.Origins {
			got = append(got, fmt.Sprint(p.Policy, " ", p.Denied, " ", o.Origin, " ", o.Reason, " ", o.Asked, " ", o.Count))
		}
	}
	want := []string{
		` 2 "" policy_unknown "gone" 1`,
		` 2 "https://app.test" policy_unknown "gone" 1`,
		`api 8 "https://evil.test" request_origin_denied  3`,
		`api 8 "https://app.test" preflight_method_denied "DELETE" 2`,
		`api 8 "https://app.test" preflight_header_denied "x-other" 2`,
		`api 8 "https://evil.test" preflight_origin_denied  1`,
		`web 1 "no origin \xff" request_origin_malformed  1`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("listed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A name is Envoy's, and may be any bytes and as long as a header.
func TestNamesOfPoliciesThatThereAreNotAreQuotedAndClipped(t *testing.T) {
	set := compile(t, "api")
	var tr Tracker
	ask(&tr, set, policy.Request{Method: "GET", Policy: "a\n\xff" + strings.Repeat("x", 10_000), Origin: "https://app.test"})
	list := tr.List()
	if len(list.Policies) != 1 || len(list.Policies[0].Origins) != 1 {
		t.Fatalf("listed %+v", list)
	}
	if got, want := list.Policies[0].Origins[0].Asked, `"a\n\xff`+strings.Repeat("x", maxAsked-3)+`"...`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestShadowPoliciesAreListed(t *testing.T) {
	spec := policy.Spec{Name: "next", Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}}
	set := policytest.Compile(t, spec)
	var tr Tracker
	ask(&tr, set, get("api.test", "https://evil.test"))
	if list := tr.List(); len(list.Policies) != 1 || list.Policies[0].Policy != "next" {
		t.Errorf("listed %+v", list)
	}
}

// TestAFloodDoesNotHideWhoKeepsComing sends a hundred made-up origins for each
// request of an origin that is denied again and again.
func TestAFloodDoesNotHideWhoKeepsComing(t *testing.T) {
	const rounds, flood = 1000, 100
	set := compile(t, "api")
	var tr Tracker
	for i := range rounds {
		ask(&tr, set, get("api.test", "https://persistent.test"))
		for range flood {
			ask(&tr, set, get("api.test", fmt.Sprintf("https://%x.evil.test", rand.Uint64())))
		}
		if i%200 != 199 {
			continue
		}
		if o := tr.List().Policies[0].Origins; o[0].Origin != `"https://persistent.test"` {
			t.Fatalf("after %d rounds the first is %+v", i, o[0])
		}
	}
	first := tr.List().Policies[0].Origins[0]
	if first.Origin != `"https://persistent.test"` || first.Count-first.Over > rounds || first.Count < rounds || first.Over > rounds/10 {
		t.Errorf("the first is %+v", first)
	}
}

// TestWhoComesLateIsFoundInAFlood begins the flood first, so that the entries
// are taken when the origin that matters comes.
func TestWhoComesLateIsFoundInAFlood(t *testing.T) {
	set := compile(t, "api")
	var tr Tracker
	for i := range 60_000 {
		ask(&tr, set, get("api.test", fmt.Sprintf("https://%x.evil.test", rand.Uint64())))
		if i > 20_000 && i%50 == 0 {
			ask(&tr, set, get("api.test", "https://late.test"))
		}
	}
	if first := tr.List().Policies[0].Origins[0]; first.Origin != `"https://late.test"` {
		t.Errorf("the first is %+v", first)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var names []string
	for i := range maxPolicies + 10 {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	set := compile(t, names...)
	var tr Tracker
	fill := func() {
		for place, name := range names {
			for i := range maxEntries + 5 {
				if place > 20 && i > 0 {
					break // some full ones do
				}
				long := strings.Repeat("a", 5000)
				ask(&tr, set, get(name+".test", fmt.Sprintf("%d%x%s", i, rand.Uint64(), long)))
				ask(&tr, set, preflight(name+".test", "https://app.test", fmt.Sprintf("M%d%s", i, long), ""))
			}
		}
	}
	fill()
	before := heap()
	for range 2 {
		fill()
	}
	if grown := heap() - before; grown > 2<<20 {
		t.Errorf("grown by %d bytes", grown)
	}
	list := tr.List()
	if len(list.Policies) != maxPolicies || list.Untracked == 0 {
		t.Errorf("%d policies are tracked, and %d denials are not", len(list.Policies), list.Untracked)
	}
	for _, p := range list.Policies {
		for _, o := range p.Origins {
			if len(p.Origins) > maxEntries || len(o.Origin) > maxOrigin+len(`""`) || len(o.Asked) > maxAsked+len(`""...`) {
				t.Fatalf("%d origins, this has %d and %d bytes", len(p.Origins), len(o.Origin), len(o.Asked))
			}
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestReloadForgetsOnlyPoliciesThatAreGone(t *testing.T) {
	set := compile(t, "api", "web")
	var tr Tracker
	ask(&tr, set, get("api.test", "https://evil.test"))
	ask(&tr, set, get("web.test", "https://evil.test"))
	servertest.Prepare(t, &tr, compile(t, "web", "new"))()
	if list := tr.List(); len(list.Policies) != 1 || list.Policies[0].Policy != "web" || list.Policies[0].Denied != 1 {
		t.Errorf("listed %+v", list)
	}
}

func TestAdviceIsShownAndWhatIsAllowedIsNot(t *testing.T) {
	set := compile(t, "api")
	tr := Tracker{Advise: func(name string, r *policy.Request) Advice {
		if r.Origin == "https://fixed.test" {
			return Advice{Allowed: true}
		}
		return Advice{Nearest: "near " + name, Allow: r.Method + " " + r.RequestMethod + " " + r.RequestHeaders}
	}}
	ask(&tr, set, get("api.test", "https://fixed.test"))
	ask(&tr, set, preflight("api.test", "https://app.test", "PUT", "x-other"))
	origins := tr.List().Policies[0].Origins
	if len(origins) != 1 || origins[0].Nearest != "near api" || origins[0].Allow != "OPTIONS GET x-other" {
		t.Errorf("listed %+v", origins)
	}
}

func TestTheLogTellsOfEachDenialOnce(t *testing.T) {
	set := compile(t, "api")
	var out bytes.Buffer
	tr := Tracker{
		Logger: slog.New(slog.NewJSONHandler(&out, nil)),
		Advise: func(string, *policy.Request) Advice { return Advice{Nearest: "n", Allow: "a"} },
	}
	told := func() []map[string]any {
		out.Reset()
		tr.tell()
		var lines []map[string]any
		for line := range strings.Lines(out.String()) {
			var v map[string]any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, v)
		}
		return lines
	}
	for range 3 {
		ask(&tr, set, get("api.test", "https://evil.test"))
	}
	ask(&tr, set, get("api.test", "https://other.test"))
	lines := told()
	if len(lines) != 2 || lines[0]["origin"] != `"https://evil.test"` || lines[0]["times"] != 3.0 || lines[0]["policy"] != "api" ||
		lines[0]["reason"] != "request_origin_denied" || lines[0]["nearest"] != "n" || lines[0]["allow"] != "a" {
		t.Errorf("told %v", lines)
	}
	ask(&tr, set, get("api.test", "https://other.test"))
	if lines := told(); len(lines) != 1 || lines[0]["origin"] != `"https://other.test"` || lines[0]["times"] != 1.0 {
		t.Errorf("told %v", lines)
	}
	for i := range 3 * maxEntries {
		ask(&tr, set, get("api.test", fmt.Sprintf("https://%d.test", i)))
	}
	if lines := told(); len(lines) != tellMost {
		t.Errorf("told %d lines, want %d", len(lines), tellMost)
	}
}

func TestRunTellsFromTimeToTimeAndAtItsEnd(t *testing.T) {
	set := compile(t, "api")
	lines := make(chan string, 10)
	tr := Tracker{Logger: slog.New(slog.NewTextHandler(lineWriter(lines), nil)), Every: 5 * time.Millisecond}
	stop := servertest.Run(t, tr.Run)
	ask(&tr, set, get("api.test", "https://one.test"))
	if line := <-lines; !strings.Contains(line, "https://one.test") {
		t.Error(line)
	}
	stop()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late := Tracker{Logger: slog.New(slog.NewTextHandler(lineWriter(lines), nil))}
	ask(&late, set, get("api.test", "https://two.test"))
	if err := late.Run(ended); err != nil {
		t.Error(err)
	}
	if line := <-lines; !strings.Contains(line, "https://two.test") {
		t.Error(line)
	}
}

type lineWriter chan<- string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

func TestWhatIsKnownCostsNoMemory(t *testing.T) {
	set := compile(t, "api")
	var tr Tracker
	known := get("api.test", "https://evil.test")
	once := get("api.test", "https://once.test")
	for i := range 10 * maxEntries {
		for range 20 {
			ask(&tr, set, get("api.test", fmt.Sprintf("https://%d.test", i%maxEntries)))
		}
	}
	for range 1000 {
		ask(&tr, set, known)
	}
	if n := testing.AllocsPerRun(100, func() { ask(&tr, set, known) }); n != 0 {
		t.Errorf("%v allocations for a listed origin", n)
	}
	if n := testing.AllocsPerRun(100, func() { ask(&tr, set, once) }); n != 0 {
		t.Errorf("%v allocations for one of a flood", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	set := compile(b, "api")
	for name, origins := range map[string][]string{"listed": {"https://evil.test"}, "flood": many(1 << 16)} {
		b.Run(name, func(b *testing.B) {
			var tr Tracker
			var rs []policy.Request
			var ds []policy.Decision
			for _, origin := range origins {
				r := get("api.test", origin)
				rs, ds = append(rs, r), append(ds, set.Decide(&r))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tr.Observe(context.Background(), &rs[i%len(rs)], &ds[i%len(ds)])
			}
		})
	}
}

func many(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("https://%x.evil.test", rand.Uint64())
	}
	return all
}
