package recent

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/servertest"
)

func compile(t testing.TB, origins ...string) *policy.Set {
	t.Helper()
	return policytest.Compile(t,
		policy.Spec{Name: "api", Hosts: []string{"api.test"}, CORS: policy.CORS{AllowOrigins: origins}},
		policy.Spec{Name: "other", Hosts: []string{"other.test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}},
		policy.Spec{Name: "next", Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
}

// observe has the set decide about a GET of the origin.
func (ds *Decisions) decide(set *policy.Set, host, origin string) {
	r := policy.Request{Method: "GET", Authority: host, Path: "/p?secret", Origin: origin}
	d := set.Decide(&r)
	ds.Observe(context.Background(), &r, &d)
}

func TestLinesAreThoseOfTheDecisionLog(t *testing.T) {
	ds, set := &Decisions{}, compile(t, "https://app.test")
	servertest.Prepare(t, ds, set)()
	ds.decide(set, "api.test", "https://a\x00<b>.test")
	ds.decide(set, "api.test", "") // no Origin: does not count
	if ds.Told() {
		t.Error("an Envoy asked, and told nothing")
	}
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	d := set.Decide(&r)
	ds.Compiled().Observe(t.Context(), &r, &d)
	tail := ds.From(0)
	if !ds.Told() {
		t.Error("no Envoy told of a decision")
	}
	if len(tail.Decisions) != 2 || tail.Next != 2 || tail.Lost != 0 {
		t.Fatalf("%+v", tail)
	}
	first, _ := decisionlog.Read(tail.Decisions[0].Line)
	second, _ := decisionlog.Read(tail.Decisions[1].Line)
	if first.Policy != "api" || first.Reason != "request_origin_malformed" || first.Path != "/p" || first.Request().Origin != "https://a\x00<b>.test" {
		t.Errorf("%+v", first)
	}
	if second.Decided != "compiled" || second.Origin != "https://app.test" || second.ShadowPolicy != "next" {
		t.Errorf("%+v", second)
	}
	ds.decide(set, "api.test", "https://"+strings.Repeat("é", 2*printable.MaxBytes))
	for _, kept := range ds.From(0).Decisions {
		e, _ := decisionlog.Read(kept.Line)
		want := Decision{Line: kept.Line, Policy: e.Policy, Reason: e.Reason, ShadowPolicy: e.ShadowPolicy, ShadowReason: e.ShadowReason, Origin: e.Origin}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("it is not what its line says: %s", diff)
		}
	}
	if tail = ds.From(ds.From(0).Next); tail.Decisions != nil || tail.Next != 3 {
		t.Errorf("afterwards: %+v", tail)
	}
	if tail = ds.From(1 << 40); tail.Decisions != nil || tail.Next != 3 {
		t.Errorf("a place that is not there: %+v", tail)
	}
}

func TestAFloodIsSampledAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ds, set := &Decisions{}, compile(t, "https://app.test")
		stop := servertest.Run(t, ds.Run)
		flood := func() {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 1000 {
						ds.decide(set, "api.test", "https://app.test")
					}
				})
			}
			all.Wait()
		}
		flood()
		if seen, kept := ds.Share(); seen != 4000 || kept != PerSecond {
			t.Errorf("at first: %d of %d", kept, seen)
		}
		for range 10 * ticks {
			time.Sleep(time.Second / ticks)
			synctest.Wait()
			flood()
		}
		seen, kept := ds.Share()
		if seen != 404_000 || kept != PerSecond+10*PerSecond {
			t.Errorf("after ten seconds: %d of %d", kept, seen)
		}
		if tail := ds.From(20); len(tail.Decisions) != Most || tail.Lost != kept-Most-20 || tail.Next != kept {
			t.Errorf("%d decisions, %d lost, next %d", len(tail.Decisions), tail.Lost, tail.Next)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		flood()
		if _, again := ds.Share(); again != kept+PerSecond {
			t.Errorf("after a pause: %d", again-kept)
		}
		stop()
	})
}

// whileAsked is a context that calls itself when a decision is asked for its values.
type whileAsked struct {
	context.Context
	call func()
}

func (c whileAsked) Value(key any) any {
	c.call()
	return c.Context.Value(key)
}

func TestADecisionThatIsAboutToBeKeptIsNotLeftOut(t *testing.T) {
	ds, set := &Decisions{}, compile(t, "https://app.test")
	asked := false
	ctx := whileAsked{t.Context(), func() {
		asked = true
		if seen, kept := ds.Share(); seen != kept {
			t.Errorf("%d of %d are kept", kept, seen)
		}
	}}
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	d := set.Decide(&r)
	if ds.Observe(ctx, &r, &d); !asked {
		t.Error("nobody asked for the values of the context")
	}
}

func TestUseIsOfThePolicyAsItServes(t *testing.T) {
	ds, set := &Decisions{}, compile(t, "https://app.test", "https://b.test")
	servertest.Prepare(t, ds, set)()
	ds.decide(set, "api.test", "https://app.test")
	ds.decide(set, "api.test", "https://evil.test")
	ds.decide(set, "other.test", "https://app.test")
	check := func(name string, origins, seen uint64) {
		t.Helper()
		u, ok := ds.Use(name)
		if !ok || u.Origins["https://app.test"] != origins || len(u.Origins) > 1 || u.Seen != seen || u.Kept != seen || u.Since.IsZero() {
			t.Errorf("%s: %+v", name, u)
		}
	}
	check("api", 1, 3)
	check("other", 1, 3)
	check("next", 2, 3)
	servertest.Prepare(t, ds, compile(t, "https://app.test"))()
	check("api", 0, 0)
	check("other", 1, 3)
	if _, ok := ds.Use("none"); ok {
		t.Error("a policy that does not serve has a use")
	}
}

func TestNoTrafficMakesItGrow(t *testing.T) {
	ds, set := &Decisions{}, compile(t, "https://*.test")
	servertest.Prepare(t, ds, set)()
	for i := range 2 * MaxOrigins {
		ds.taken.Store(0)
		ds.decide(set, "api.test", fmt.Sprintf("https://a%d.test", i))
	}
	ds.taken.Store(0)
	ds.decide(set, "api.test", "https://"+strings.Repeat(strings.Repeat("a", 61)+".", 4)+"test")
	if u, _ := ds.Use("api"); len(u.Origins) != MaxOrigins || u.Others != MaxOrigins+1 {
		t.Errorf("%d origins and %d others", len(u.Origins), u.Others)
	}
}

func TestManyPoliciesDoNotMakeItGrow(t *testing.T) {
	many := func(n int) *policy.Set {
		var specs []policy.Spec
		for i := range n {
			specs = append(specs, policy.Spec{Name: fmt.Sprintf("p%d", i), Hosts: []string{fmt.Sprintf("h%d.test", i)}, CORS: policy.CORS{AllowOrigins: []string{"*"}}})
		}
		return policytest.Compile(t, specs...)
	}
	const policies = 2 * maxCounted / MaxOrigins
	ds, set := &Decisions{}, many(policies)
	servertest.Prepare(t, ds, set)()
	counted := func() (n int) {
		for _, name := range set.Names() {
			u, _ := ds.Use(name)
			n += len(u.Origins)
		}
		return n
	}
	fill := func() {
		for i := range policies * MaxOrigins {
			ds.taken.Store(0)
			ds.decide(set, fmt.Sprintf("h%d.test", i%policies), fmt.Sprintf("https://a%d.test", i/policies))
		}
	}
	fill()
	if n := counted(); n != maxCounted {
		t.Errorf("%d origins are counted, want %d", n, maxCounted)
	}
	servertest.Prepare(t, ds, many(1))() // there is room again
	servertest.Prepare(t, ds, set)()
	fill()
	if n := counted(); n != maxCounted {
		t.Errorf("%d origins are counted after a change, want %d", n, maxCounted)
	}
}

// BenchmarkObserve is what a request pays when enough was kept.
func BenchmarkObserve(b *testing.B) {
	ds, set := &Decisions{}, compile(b, "https://app.test")
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	d := set.Decide(&r)
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ds.Observe(ctx, &r, &d)
		}
	})
}
