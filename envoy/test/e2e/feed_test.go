package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/feed"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
)

// counting counts the decisions that it is told of.
type counting struct{ atomic.Int64 }

// Observe implements server.Observer.
func (c *counting) Observe(context.Context, *policy.Request, *policy.Decision) { c.Add(1) }

// fed is an Envoy that tells what it decides, and the corsgate that takes it.
type fed struct {
	*setup
	feed     *feed.Server
	observed *counting // asked and told
}

// startFed starts both. compiler compiles the policies, and change changes the
// bootstrap.
func startFed(t *testing.T, policies string, compiler ecds.Compiler, change func(object)) *fed {
	t.Helper()
	f := &fed{feed: &feed.Server{}, observed: &counting{}}
	e := &ecds.Server{Compiler: compiler}
	s := serveConfig(t, "127.0.0.1:0", folderOf(policies), service.Config{ECDS: e, Feed: f.feed, Observers: server.Observers{f.observed}})
	f.setup = feeds(t, s, change)
	awaitCurrent(t, e, 1, 1)
	return f
}

// feeds starts an Envoy that tells what it decides.
func feeds(t *testing.T, s *corsgate, change func(object)) *setup {
	t.Helper()
	up := startUpstream(t)
	c := envoy.Config{
		Profile: envoy.NoTrip, Listen: "127.0.0.1:0", Upstream: up.address, Service: s.address, MessageTimeout: envoytest.MessageTimeout, Admin: "127.0.0.1:0",
		Compiled: envoy.Compiled{ECDS: true, NamedPolicies: true, Feed: envoy.WholeFeed, Stats: true},
	}
	b := generate(t, c)
	change(b)
	return &setup{name: "fed", config: c, upstream: up, service: s, envoy: envoytest.Start(t, encode(t, b))}
}

// rewrites has routes change the host and the path after the decision.
func rewrites(b object) {
	for _, host := range manager(b)["route_config"].(object)["virtual_hosts"].([]any) {
		for _, route := range host.(object)["routes"].([]any) {
			to := route.(object)["route"].(object)
			to["host_rewrite_literal"] = "block.test"
			to["regex_rewrite"] = object{"pattern": object{"regex": "^.*$"}, "substitution": "/rewritten"}
		}
	}
}

// stat sums Envoy's counters whose names match.
func (s *setup) stat(t *testing.T, filter string) (sum int) {
	t.Helper()
	resp, err := http.Get("http://" + s.envoy.Admin + "/stats?format=json&filter=" + filter)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct{ Stats []struct{ Value int } }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	for _, one := range page.Stats {
		sum += one.Value
	}
	return sum
}

// Envoy's counters of what it tells, and of what it has decided.
const (
	toldStat    = "^access_logs.open_telemetry_access_log.corsgate.logs_written$"
	lostStat    = "^access_logs.open_telemetry_access_log.corsgate.logs_dropped$"
	decidedStat = "^corsgate.decisions"
)

// fedRequest makes up a request with an Origin.
func fedRequest(ctx context.Context, address string, g *rand.Rand) (*http.Request, error) {
	pick := func(list ...string) string { return list[g.IntN(len(list))] }
	path := pick("", "x", "v1/x?token=secret", "%ff/%80", "a%2fb", "..%2f", strings.Repeat("x", 9000))
	r, err := http.NewRequestWithContext(ctx, pick("GET", "POST", "DELETE", "OPTIONS"), "http://"+address+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	r.Host = pick("app.test", "paths.test", "paths.test", "public.test", "block.test", "strict.test", "debug.test", "forward.test", "shadow.test", "off.test", "lists.test", "star.test", "unmanaged.test", "APP.test")
	r.Header.Set("Origin", pick("https://app.example", "https://a.apps.example", "https://other.example", "https://"+r.Host, "null", "\xff", "https://\u00ff.example", "\xc3\xbf\xff"))
	if r.Method == "OPTIONS" {
		r.Header.Set("Access-Control-Request-Method", pick("PUT", "PATCH", "G\xff"))
		r.Header.Set("Access-Control-Request-Headers", pick("authorization", "Content-Type, authorization", "x-\xff", "other"))
	}
	if g.IntN(2) == 0 {
		r.Header["Sec-Fetch-Site"] = [][]string{{"same-origin"}, {"cross-site"}, {"same-origin", "none"}, {"\xff"}}[g.IntN(4)]
	}
	if g.IntN(4) == 0 { // what a client may say of the request that it is not
		r.Header.Set("X-Envoy-Original-Path", "/forged")
		r.Header.Set("X-Envoy-Original-Host", "forged.test")
	}
	return r, nil
}

// fedPolicies are policies of which some are chosen by the path.
func fedPolicies() string {
	return policies + `- {name: v1, hosts: [paths.test], paths: [/v1], cors: {allowOrigins: [https://app.example]}}
- {name: rest, hosts: [paths.test], cors: {allowOrigins: [https://other.example]}}
`
}

// fedRequests is how many requests TestFeed sends.
func fedRequests() int {
	if os.Getenv("CORSGATE_TEST") == "full" {
		return 20_000
	}
	return 4_000
}

// TestFeed has many clients send requests with routes that rewrite, hostile bytes, and
// policies that change meanwhile: each decision is counted once, whoever took it, and
// the service agrees with all that Envoy took.
func TestFeed(t *testing.T) {
	f := startFed(t, fedPolicies(), corsgatetest.Compiler, rewrites)
	const senders = 16
	var running sync.WaitGroup
	for i := range senders {
		running.Go(func() { f.sendMany(t, fedRequests()/senders, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	sent := make(chan struct{})
	go func() { running.Wait(); close(sent) }()
	for k, over := 0, false; !over; k++ {
		select {
		case <-sent:
			over = true
		default: // a few sets, by turns: those that Envoy may tell of are kept
			f.service.reloads(t, fedPolicies()+fmt.Sprintf("- {name: extra-%d, hosts: [extra.test], cors: {allowOrigins: [https://app.example]}}\n", k%3))
		}
	}
	want := fedRequests() / senders * senders
	servertest.Await(t, "all decisions are told", func() bool { return f.observed.Load() >= int64(want) })
	told := int(f.feed.Count(feed.Agreed) + f.feed.Count(feed.Unverifiable))
	if got := f.stat(t, decidedStat); got != want || f.observed.Load() != int64(want) {
		t.Errorf("%d requests: %d are observed, Envoy counts %d", want, f.observed.Load(), got)
	}
	if written, lost := f.stat(t, toldStat), f.stat(t, lostStat); written != told || lost != 0 {
		t.Errorf("Envoy has told %d and lost %d, and %d came", written, lost, told)
	}
	if disagreed, refused := f.feed.Count(feed.Disagreed), f.feed.Count(feed.Refused)+f.feed.RefusedBatches(); disagreed+refused > 0 {
		t.Errorf("%d decisions disagree, %d are refused", disagreed, refused)
	}
	if told < want/4 || told > want*9/10 {
		t.Errorf("of %d decisions, Envoy took %d", want, told)
	}
	if agreed := int(f.feed.Count(feed.Agreed)); agreed < told*3/4 {
		t.Errorf("of %d decisions, %d are decided again", told, agreed)
	}
}

// sendMany sends requests one after the other, over one of the versions of HTTP each.
func (f *fed) sendMany(t *testing.T, n int, g *rand.Rand) {
	for range n {
		r, err := fedRequest(t.Context(), f.address(), g)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := clients[[]string{"http/1", "http/2"}[g.IntN(2)]].RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err != nil || resp.Body.Close() != nil || resp.StatusCode >= 500 {
			t.Errorf("%s %s: %v, %v", r.Method, r.Host, resp.Status, err)
		}
	}
}

// TestADecisionIsToldOnce has an Envoy log a WebSocket when it is open, too.
func TestADecisionIsToldOnce(t *testing.T) {
	f := startFed(t, policies, corsgatetest.Compiler, func(b object) {
		manager(b)["access_log_options"] = object{"flush_log_on_tunnel_successfully_established": true, "flush_access_log_on_new_request": true}
	})
	if err := echoes(f.address(), "app.test", "https://app.example"); err != nil {
		t.Fatal(err)
	}
	servertest.Await(t, "the WebSocket has ended", func() bool { return f.stat(t, "downstream_cx_upgrades_active") == 0 })
	f.answer(t, "app.test", allowed)
	servertest.Await(t, "both are told", func() bool { return f.observed.Load() >= 2 })
	if told, counted := f.observed.Load(), f.stat(t, decidedStat); told != 2 || counted != 2 {
		t.Errorf("of 2 decisions %d are told, and Envoy counts %d", told, counted)
	}
}

// TestTheFeedFindsAFault delivers a filter that is compiled from other policies than it
// says: each answer that is otherwise is found.
func TestTheFeedFindsAFault(t *testing.T) {
	wrong := envoytest.Set(t, nobody(t, "", folderOf(strings.ReplaceAll(policies, "https://app.example", "https://other.example"))).folder)
	compilesWrongly := func(name string) (ecds.Compile, error) {
		compile, err := corsgatetest.Compiler(name)
		return func(set *policy.Set) ([]ecds.Resource, error) {
			right, err := compile(set)
			if err != nil {
				return nil, err
			}
			list, err := compile(wrong)
			for i := range list {
				r := &list[i]
				r.Encoded = bytes.ReplaceAll(r.Encoded, []byte(r.Stamp), []byte(right[i].Stamp))
				r.Stamp = right[i].Stamp
			}
			return list, err
		}, err
	}
	f := startFed(t, policies, compilesWrongly, func(object) {})
	f.answer(t, "off.test", allowed)
	f.answer(t, "app.test", allowed)
	servertest.Await(t, "the fault is found", func() bool { return f.feed.Count(feed.Disagreed) > 0 })
	servertest.Await(t, "the other decision is told", func() bool { return f.feed.Count(feed.Agreed) > 0 })
	if n := f.feed.Count(feed.Disagreed) + f.feed.Count(feed.Agreed); n != 2 || f.observed.Load() != 2 {
		t.Errorf("%d decisions are told, %d observed", n, f.observed.Load())
	}
}

// TestWhatTheFeedLosesIsCounted has nobody take it, because corsgate is away, or because
// it does not want to. No request fails.
func TestWhatTheFeedLosesIsCounted(t *testing.T) {
	for name, stops := range map[string]bool{"away": true, "does not take it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, e := delivers(t, "127.0.0.1:0", policies, corsgatetest.Compiler)
			s := feeds(t, service, func(object) {})
			awaitCurrent(t, e, 1, 1)
			if stops {
				service.stop()
			}
			const n = 100
			for range n {
				if got := s.answer(t, "app.test", allowed); got[0] != "200" || !slices.Contains(got, "access-control-allow-origin: https://app.example") {
					t.Errorf("got %q", got)
				}
			}
			servertest.Await(t, "Envoy has lost all", func() bool { return s.stat(t, lostStat) >= n })
			if told, lost := s.stat(t, toldStat), s.stat(t, lostStat); told != 0 || lost != n {
				t.Errorf("Envoy has told %d and lost %d", told, lost)
			}
		})
	}
}
