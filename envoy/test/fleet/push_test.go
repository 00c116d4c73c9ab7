//go:build unix

package fleet

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/store"
)

// gateway is an instance and the Envoy that follows it.
type gateway struct {
	*instance
	envoy *envoytest.Running
}

func startGateway(t *testing.T, b store.Backend, upstream string) *gateway {
	t.Helper()
	i := start(t, plan{store: b, with: service.Config{ECDS: &ecds.Server{Compiler: corsgatetest.Compiler}}})
	bootstrap, err := json.Marshal(envoytest.Bootstrap(t, envoy.Config{
		Profile: envoy.NoTrip, Listen: "127.0.0.1:0", Upstream: upstream, Service: i.Address().String(),
		MessageTimeout: envoytest.MessageTimeout, Compiled: envoy.Compiled{ECDS: true, Shards: 1},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return &gateway{i, envoytest.Start(t, bootstrap)}
}

// answer returns the headers that Envoy's answer exposes.
func (g *gateway) answer(t testing.TB) string {
	t.Helper()
	req, err := http.NewRequestWithContext(servertest.Context(t), http.MethodGet, "http://"+g.envoy.Listeners["traffic"]+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Origin", origin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.Header.Get("Access-Control-Expose-Headers")
}

// answers checks what Envoy exposes.
func (g *gateway) answers(t testing.TB, n int) {
	t.Helper()
	if got := g.answer(t); got != fmt.Sprintf("x-%d", n) {
		t.Errorf("Envoy exposes %q, want x-%d", got, n)
	}
}

func (g *gateway) awaitAnswer(t testing.TB, n int) {
	t.Helper()
	servertest.Await(t, fmt.Sprintf("Envoy's answer x-%d", n), func() bool { return g.answer(t) == fmt.Sprintf("x-%d", n) })
}

// TestPushes has two instances, with an Envoy each, follow what is pushed.
func TestPushes(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	cluster, publisher := startStore(t, 3)
	push(t, publisher, units(t, 1))
	var gateways []*gateway
	for range 2 {
		g := startGateway(t, open(t, cluster.URL(fleetName)), strings.TrimPrefix(upstream.URL, "http://"))
		g.awaitAnswer(t, 1)
		gateways = append(gateways, g)
	}
	for n := 2; n <= 4; n++ {
		begin := time.Now()
		push(t, publisher, units(t, n))
		took := []any{"push", time.Since(begin).Round(time.Millisecond)}
		for i, g := range gateways {
			g.awaitAnswer(t, n)
			took = append(took, fmt.Sprintf("Envoy %d", i+1), time.Since(begin).Round(time.Millisecond))
		}
		t.Log(took...)
	}

	// Mistakes stop at who pushes.
	bad, res, err := store.Cut(fstest.MapFS{"p.yaml": {Data: []byte("policies: [{name: api, cors: {allowOrigins: [app.example]}}]")}}, "")
	if bad != nil || !res.HasErrors() || err != nil {
		t.Errorf("Cut of bad policies: %v, %v, %v", bad, res.Diagnostics, err)
	}

	// What was spoilt in the store stops at each instance.
	good, err := store.Current(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	client := cluster.Client()
	spoilt := push(t, &between{Backend: publisher, call: func(call string) error {
		if call == "Swap" {
			spoilLargest(t, client)
		}
		return nil
	}}, append(units(t, 5), largeGroup()))
	for _, g := range gateways {
		g.awaitRefusal(t, store.CodeUnit)
		if now := g.Reloader.Status(); now.Release != good.Release || now.LastError == nil {
			t.Errorf("serves %+v, %v, want %+v", now.Release, now.LastError, good.Release)
		}
		if text, _ := g.page(t, "/metrics"); !strings.Contains(text, `="`+store.CodeUnit+`"`) {
			t.Errorf("/metrics does not have %s", store.CodeUnit)
		}
		g.isReady(t, true)
		g.exposes(t, 4)
		g.answers(t, 4)
	}

	back, err := store.Rollback(servertest.Context(t), publisher, 2, store.Meta{})
	if err != nil || back.Revision != spoilt.Revision+1 {
		t.Fatalf("Rollback: %+v, %v", back, err)
	}
	for _, g := range gateways {
		g.awaitRelease(t, back.Info)
		g.awaitAnswer(t, 2)
		g.exposes(t, 2)
	}
}

// largeGroup is a group that is too large to be in a record.
func largeGroup() policyfile.Unit {
	random := rand.NewChaCha8([32]byte{})
	var b strings.Builder
	for range 25_000 {
		var name [16]byte
		_, _ = random.Read(name[:])
		fmt.Fprintf(&b, "https://%s.example\n", hex.EncodeToString(name[:]))
	}
	return policyfile.Unit{Kind: policyfile.UnitGroup, Name: "large", Data: []byte(b.String())}
}

// spoilLargest has the largest unit in the store say what the smallest does.
func spoilLargest(t testing.TB, client *clientv3.Client) {
	t.Helper()
	got, err := client.Get(servertest.Context(t), keyPrefix+"u/", clientv3.WithPrefix())
	if err != nil || len(got.Kvs) < 2 {
		t.Fatalf("units: %v, %v", got, err)
	}
	slices.SortFunc(got.Kvs, func(a, b *mvccpb.KeyValue) int { return len(a.Value) - len(b.Value) })
	smallest, largest := got.Kvs[0], got.Kvs[len(got.Kvs)-1]
	if _, err := client.Put(servertest.Context(t), string(largest.Key), string(smallest.Value)); err != nil {
		t.Fatal(err)
	}
}

// TestRacingPushes has two push at the same time, again and again.
func TestRacingPushes(t *testing.T) {
	t.Parallel()
	_, alice := startStore(t, 1)
	now := push(t, alice, units(t, 1))

	// One is faster at the last moment.
	bob := store.Meta{By: "bob", Message: "faster"}
	slow := &between{Backend: alice, call: func(call string) (err error) {
		if call == "Swap" {
			now, err = store.Push(servertest.Context(t), alice, units(t, 2), bob)
		}
		return err
	}}
	_, err := store.Push(servertest.Context(t), slow, units(t, 3), store.Meta{By: "alice"})
	expectConflict(t, err, now.Info)

	for round := range 10 {
		base := now.Ref()
		outcomes := make(chan outcome, 2)
		for k, name := range []string{"alice", "bob"} {
			pushed := units(t, 10+2*round+k)
			go func() {
				p, err := store.Push(servertest.Context(t), alice, pushed, store.Meta{By: name, Base: &base})
				outcomes <- outcome{p, err}
			}()
		}
		won, lost := <-outcomes, <-outcomes
		if won.err != nil {
			won, lost = lost, won
		}
		if won.err != nil {
			t.Fatalf("both have lost: %v, %v", won.err, lost.err)
		}
		expectConflict(t, lost.err, won.Info)
		now = won.Pushed
	}
}

// outcome is what came of a push.
type outcome struct {
	store.Pushed
	err error
}

// expectConflict checks that a push has lost, and to whom.
func expectConflict(t testing.TB, err error, winner store.Info) {
	t.Helper()
	lost, ok := errors.AsType[*store.Conflict](err)
	if !ok {
		t.Fatalf("%v, want a conflict", err)
	}
	if lost.Now.Ref() != winner.Ref() || lost.Now.By != winner.By || !strings.Contains(lost.Error(), winner.By) {
		t.Errorf("lost to %+v (%v), want %+v", lost.Now, lost, winner)
	}
}
