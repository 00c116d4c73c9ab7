package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

func compile(t testing.TB, names ...string) *policy.Set {
	t.Helper()
	var specs []policy.Spec
	for _, name := range names {
		specs = append(specs, policy.Spec{Name: name, Hosts: []string{name + ".test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
	}
	specs = append(specs, policy.Spec{Name: "next", Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://other.test"}}})
	return policytest.Compile(t, specs...)
}

func ask(m *Metrics, set *policy.Set, r policy.Request) {
	d := set.Decide(&r)
	m.Observe(context.Background(), &r, &d)
}

// lines returns the samples whose names begin so.
func lines(t *testing.T, g prometheus.Gatherer, prefix string) []string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, prefix) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func check(t *testing.T, m *Metrics, prefix string, want ...string) {
	t.Helper()
	if got := lines(t, m.Gatherer(), prefix); !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", prefix, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDecisionsAreCountedByPolicyKindAndReason(t *testing.T) {
	set := compile(t, "api")
	m := New("v")
	servertest.Prepare(t, m, set)()
	for range 2 {
		ask(m, set, policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"})
	}
	ask(m, set, policy.Request{Method: "OPTIONS", Authority: "api.test", Path: "/", Origin: "https://evil.test", RequestMethod: "PUT"})
	ask(m, set, policy.Request{Method: "GET", Authority: "none.test", Path: "/", Origin: "https://app.test"})
	check(t, m, "corsgate_decisions_total",
		`corsgate_decisions_total{decided="asked",kind="preflight",policy="api",reason="preflight_origin_denied"} 1`,
		`corsgate_decisions_total{decided="asked",kind="request",policy="",reason="no_policy"} 1`,
		`corsgate_decisions_total{decided="asked",kind="request",policy="api",reason="request_allowed"} 2`)
	check(t, m, "corsgate_shadow_decisions_total",
		`corsgate_shadow_decisions_total{kind="preflight",policy="next",reason="preflight_origin_denied"} 1`,
		`corsgate_shadow_decisions_total{kind="request",policy="next",reason="request_origin_denied"} 3`)
	check(t, m, "corsgate_shadow_differences_total",
		`corsgate_shadow_differences_total{kind="request",policy="next",reason="request_origin_denied"} 3`)
}

// TestWhatEnvoyDecidedIsCountedApart has the same decision asked and compiled.
func TestWhatEnvoyDecidedIsCountedApart(t *testing.T) {
	set := compile(t, "api")
	m := New("v")
	servertest.Prepare(t, m, set)()
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	ask(m, set, r)
	d := set.Decide(&r)
	for range 2 {
		m.Compiled().Observe(context.Background(), &r, &d)
	}
	check(t, m, "corsgate_decisions_total",
		`corsgate_decisions_total{decided="asked",kind="request",policy="api",reason="request_allowed"} 1`,
		`corsgate_decisions_total{decided="compiled",kind="request",policy="api",reason="request_allowed"} 2`)
	check(t, m, "corsgate_shadow_decisions_total",
		`corsgate_shadow_decisions_total{kind="request",policy="next",reason="request_origin_denied"} 1`)
}

func TestEveryReasonHasItsCounter(t *testing.T) {
	if got := len(policy.Reasons()); got != reasons {
		t.Fatalf("%d reasons, counters for %d", got, reasons)
	}
	m := New("v")
	for _, r := range policy.Reasons() {
		for _, preflight := range []bool{false, true} {
			m.Observe(context.Background(), nil, &policy.Decision{Verdict: policy.Verdict{Reason: r}, Preflight: preflight})
		}
	}
	if got := lines(t, m.Gatherer(), "corsgate_decisions_total"); len(got) != kinds*reasons {
		t.Errorf("%d counters: %s", len(got), strings.Join(got, "\n"))
	}
}

// TestNothingOfARequestBecomesALabel asks with much that differs and counts
// the series.
func TestNothingOfARequestBecomesALabel(t *testing.T) {
	set := compile(t, "api")
	m := New("v")
	servertest.Prepare(t, m, set)()
	before := len(lines(t, m.Gatherer(), "corsgate_"))
	for i := range 1000 {
		for _, method := range []string{"GET", "OPTIONS", fmt.Sprint("M", i)} {
			ask(m, set, policy.Request{
				Policy: []string{"", fmt.Sprint("p", i)}[i%2], Method: method, Authority: fmt.Sprint(i, ".test"), Path: fmt.Sprint("/", i),
				Origin: fmt.Sprintf("https://%d.test", i), RequestMethod: fmt.Sprint("R", i), RequestHeaders: fmt.Sprint("x-", i),
			})
		}
	}
	if got := lines(t, m.Gatherer(), "corsgate_"); len(got)-before > 12 {
		t.Errorf("%d series more: %s", len(got)-before, strings.Join(got, "\n"))
	}
}

func TestReloadKeepsCountersOfPoliciesThatStay(t *testing.T) {
	first, second := compile(t, "api", "web"), compile(t, "web", "new")
	m := New("v")
	servertest.Prepare(t, m, first)()
	get := func(host string) policy.Request {
		return policy.Request{Method: "GET", Authority: host, Path: "/", Origin: "https://app.test"}
	}
	ask(m, first, get("api.test"))
	ask(m, first, get("web.test"))
	servertest.Prepare(t, m, second)()
	ask(m, first, get("api.test")) // it was under way
	ask(m, second, get("web.test"))
	check(t, m, "corsgate_decisions_total",
		`corsgate_decisions_total{decided="asked",kind="request",policy="api",reason="request_allowed"} 1`,
		`corsgate_decisions_total{decided="asked",kind="request",policy="web",reason="request_allowed"} 2`)
	servertest.Prepare(t, m, second)()
	check(t, m, "corsgate_decisions_total", `corsgate_decisions_total{decided="asked",kind="request",policy="web",reason="request_allowed"} 2`)
}

func TestLoadsAreCounted(t *testing.T) {
	m := New("v")
	at := time.Unix(1_700_000_000, 250e6)
	m.loaded(live.Load{At: at, Took: 2 * time.Second, Changed: true, Status: live.Status{Ready: true, Generation: 1, Policies: 3, LoadedAt: at, Hash: "0000000000ff9999"}})
	m.loaded(live.Load{At: at.Add(time.Minute), Took: time.Second, Status: live.Status{Ready: true, Generation: 1, Policies: 3, LoadedAt: at, Hash: "0000000000ff9999"}})
	m.loaded(live.Load{At: at.Add(time.Hour), Took: 3 * time.Second, Err: errors.New("bad"), Status: live.Status{Generation: 1, Policies: 3, LoadedAt: at, Hash: "0000000000ff9999"}})
	check(t, m, "corsgate_loads_total", `corsgate_loads_total{result="changed"} 1`, `corsgate_loads_total{result="refused"} 1`, `corsgate_loads_total{result="unchanged"} 1`)
	check(t, m, "corsgate_set_", `corsgate_set_generation 1`, `corsgate_set_hash 255`, `corsgate_set_loaded_timestamp_seconds 1.70000000025e+09`)
	check(t, m, "corsgate_last_load_duration", `corsgate_last_load_duration_seconds 3`)
	check(t, m, "corsgate_last_load_success", `corsgate_last_load_success_timestamp_seconds 1.70000006025e+09`, `corsgate_last_load_successful 0`)
	check(t, m, "corsgate_policies", `corsgate_policies 3`)
	if hashNumber("") != 0 || hashNumber("ffffffffffffffffff") != 1<<48-1 {
		t.Error("a hash is not its first 48 bits")
	}
}

func TestRefusalsAreCountedByCode(t *testing.T) {
	m := New("v")
	for _, err := range []error{
		&live.LoadError{}, &live.LoadError{Err: errors.New("gone")}, &live.LoadError{Err: errors.New("gone")},
		&live.LoadError{Err: &live.Fault{Code: "store_corrupt", Err: errors.New("a lie")}},
	} {
		m.loaded(live.Load{Err: err})
	}
	m.MayRefuse("store_corrupt", "store_empty")
	check(t, m, "corsgate_release_refused_total",
		`corsgate_release_refused_total{code="policies"} 1`, `corsgate_release_refused_total{code="store_corrupt"} 1`,
		`corsgate_release_refused_total{code="store_empty"} 0`, `corsgate_release_refused_total{code="store_regressed"} 0`,
		`corsgate_release_refused_total{code="unreadable"} 2`)
	check(t, m, "corsgate_set_loaded", `corsgate_set_loaded_timestamp_seconds 0`)
}

// TestTheReasonOfTheLastRefusalIsShown goes from reason to reason, and back to none.
func TestTheReasonOfTheLastRefusalIsShown(t *testing.T) {
	m := New("v")
	m.MayRefuse("store_corrupt")
	regressed := &live.LoadError{Err: &live.Fault{Code: live.CodeRegressed, Err: errors.New("lost")}}
	corrupt := &live.LoadError{Err: &live.Fault{Code: "store_corrupt", Err: errors.New("a lie")}}
	for _, c := range []struct {
		load live.Load
		want string
	}{
		{live.Load{}, ""},
		{live.Load{Err: regressed}, live.CodeRegressed},
		{live.Load{Err: regressed}, live.CodeRegressed},
		{live.Load{Err: &live.LoadError{Err: context.Canceled}, Cut: true}, live.CodeRegressed},
		{live.Load{Err: corrupt}, "store_corrupt"},
		{live.Load{}, ""},
		{live.Load{Err: corrupt}, "store_corrupt"},
	} {
		m.loaded(c.load)
		var want []string
		for _, code := range []string{live.CodePolicies, "store_corrupt", live.CodeRegressed, live.CodeUnreadable} {
			want = append(want, fmt.Sprintf("corsgate_last_load_refused{code=%q} %v", code, number(code == c.want)))
		}
		check(t, m, "corsgate_last_load_refused", want...)
	}
}

// TestWhatServesIsTold is about a start without the source, and the source's coming back.
func TestWhatServesIsTold(t *testing.T) {
	m := New("v")
	at := time.Unix(1_700_000_000, 0)
	m.loaded(live.Load{At: at, Err: &live.LoadError{Err: errors.New("gone")}, Changed: true, Status: live.Status{
		Ready: true, Generation: 1, LoadedAt: at, Hash: "0000000000ff9999", ServedFrom: live.FromState, Release: live.Release{Revision: 41},
	}})
	check(t, m, "corsgate_served_from_state", `corsgate_served_from_state 1`)
	check(t, m, "corsgate_policy_revision", `corsgate_policy_revision 41`)
	check(t, m, "corsgate_set_hash", `corsgate_set_hash 255`)
	check(t, m, "corsgate_set_loaded", `corsgate_set_loaded_timestamp_seconds 1.7e+09`)
	check(t, m, "corsgate_last_load_success", `corsgate_last_load_success_timestamp_seconds 0`, `corsgate_last_load_successful 0`)
	m.loaded(live.Load{At: at, Status: live.Status{Ready: true, Generation: 2, ServedFrom: live.FromSource, Release: live.Release{Revision: 42}}})
	check(t, m, "corsgate_served_from_state", `corsgate_served_from_state 0`)
	check(t, m, "corsgate_policy_revision", `corsgate_policy_revision 42`)
}

func TestAges(t *testing.T) {
	m := New("v")
	since := time.Now().Add(-time.Hour)
	m.AgeOf("corsgate_old_seconds", "Old.", func() time.Time { return since })
	m.AgeOf("corsgate_never_seconds", "Never.", func() time.Time { return time.Time{} })
	for name, least := range map[string]float64{"corsgate_old_seconds": 3600, "corsgate_never_seconds": 0} {
		line := strings.Fields(lines(t, m.Gatherer(), name)[0])
		if age, err := strconv.ParseFloat(line[1], 64); err != nil || age < least || age > least+3600 {
			t.Errorf("%s: %q, want about %v", name, line, least)
		}
	}
}

func TestALoadThatTheEndCutsOffIsNotCounted(t *testing.T) {
	m := New("v")
	m.loaded(live.Load{At: time.Unix(1, 0), Took: time.Second, Changed: true, Status: live.Status{Generation: 1, Policies: 3}})
	before := lines(t, m.Gatherer(), "corsgate_")
	m.loaded(live.Load{At: time.Unix(9, 0), Took: time.Minute, Err: errors.New("the context has ended"), Cut: true, Status: live.Status{Generation: 1, Policies: 3}})
	check(t, m, "corsgate_", before...)
}

func TestTheWireIsCounted(t *testing.T) {
	m := New("v")
	m.StreamStarted()
	m.StreamStarted()
	m.StreamEnded()
	m.FirstMessage(wire.KindResponseHeaders)
	m.Answered(wire.KindCheck, 15*time.Microsecond)
	m.Answered(wire.KindRequestHeaders, 5*time.Microsecond)
	m.PassedThrough(server.PassPanic)
	m.UpstreamCORS("api")
	m.Misused(server.MisuseNoResponses)
	for _, want := range []string{
		`corsgate_active_streams 1`,
		`corsgate_first_messages_total{message="response_headers"} 1`, `corsgate_first_messages_total{message="unknown"} 0`,
		`corsgate_answer_duration_seconds_bucket{phase="check",le="1e-05"} 0`, `corsgate_answer_duration_seconds_bucket{phase="check",le="2e-05"} 1`,
		`corsgate_answer_duration_seconds_bucket{phase="request_headers",le="1e-05"} 1`, `corsgate_answer_duration_seconds_count{phase="response_headers"} 0`,
		`corsgate_pass_through_closes_total{cause="panic"} 1`, `corsgate_pass_through_closes_total{cause="answered"} 0`,
		`corsgate_misused_streams_total{kind="no_responses"} 1`, `corsgate_misused_streams_total{kind="full_duplex_bodies"} 0`,
		`corsgate_upstream_cors_total{policy="api"} 1`, `corsgate_build_info{version="v"} 1`,
	} {
		if !slices.Contains(lines(t, m.Gatherer(), "corsgate_"), want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestEnvoysAreCountedByState(t *testing.T) {
	m := New("v")
	for state, n := range map[string]int{"current": 3, "refused": 1} {
		m.Envoys(state, func() int { return n })
	}
	check(t, m, "corsgate_envoys", `corsgate_envoys{state="current"} 3`, `corsgate_envoys{state="refused"} 1`)
}

func TestThePageIsServed(t *testing.T) {
	m := New("v")
	m.CountedBy("corsgate_lines_total", "Lines.", func() uint64 { return 7 })
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"corsgate_lines_total 7\n", "go_goroutines ", "process_open_fds ", "corsgate_active_streams 0\n"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, w.Body)
		}
	}
}

func TestCountingCostsNoMemory(t *testing.T) {
	set := compile(t, "api")
	m := New("v")
	servertest.Prepare(t, m, set)()
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	d := set.Decide(&r)
	n := testing.AllocsPerRun(100, func() {
		m.StreamStarted()
		m.FirstMessage(wire.KindRequestHeaders)
		m.Observe(context.Background(), &r, &d)
		m.UpstreamCORS(d.Policy)
		m.Answered(wire.KindRequestHeaders, time.Microsecond)
		m.PassedThrough(server.PassAnswered)
		m.StreamEnded()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	set := compile(b, "api")
	m := New("v")
	servertest.Prepare(b, m, set)()
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	d := set.Decide(&r)
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(context.Background(), &r, &d)
	}
}

func BenchmarkAnswered(b *testing.B) {
	m := New("v")
	b.ReportAllocs()
	for b.Loop() {
		m.Answered(wire.KindRequestHeaders, 42*time.Microsecond)
	}
}
