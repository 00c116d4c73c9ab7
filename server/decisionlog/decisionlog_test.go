package decisionlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

func compile(t testing.TB) *policy.Set {
	t.Helper()
	cors := policy.CORS{AllowOrigins: []string{"https://app.test"}, AllowMethods: []string{"PUT"}}
	return policytest.Compile(t, policy.Spec{Name: "api", CORS: cors}, policy.Spec{Name: "next", Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://other.test"}}})
}

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

func asked() context.Context {
	return metadata.NewIncomingContext(context.Background(), metadata.Pairs(
		"traceparent", "00-"+trace+"-00f067aa0ba902b7-01", contract.RouteMetadata, "to-api"))
}

// object returns the line of a decision on r.
func object(t *testing.T, ctx context.Context, r policy.Request) map[string]any {
	t.Helper()
	d := compile(t).Decide(&r)
	line := Append(ctx, nil, time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600)), &r, &d, false)
	if !bytes.HasSuffix(line, []byte("}\n")) || bytes.Count(line, []byte("\n")) != 1 {
		t.Errorf("this is not one line: %q", line)
	}
	var v map[string]any
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return v
}

// TestALineSaysThatEnvoyDecided has a decision that Envoy told.
func TestALineSaysThatEnvoyDecided(t *testing.T) {
	var out linestest.Buffer
	log := New(&out, 1)
	stop := servertest.Run(t, log.Run)
	r := policy.Request{Method: "GET", Authority: "none.test", Path: "/"}
	d := compile(t).Decide(&r)
	for _, o := range []wire.Observer{log, log.Compiled()} {
		o.Observe(context.Background(), &r, &d)
	}
	stop()
	asked, told, _ := strings.Cut(out.String(), "\n")
	if strings.Contains(asked, `"decided"`) || !strings.Contains(told, `,"decided":"compiled",`) {
		t.Errorf("the log has %s", &out)
	}
}

func TestALineSaysWhatWasDecided(t *testing.T) {
	for name, c := range map[string]struct {
		ctx  context.Context
		r    policy.Request
		want map[string]any
	}{
		"a preflight, with a trace and a route": {asked(), policy.Request{
			Method: "OPTIONS", Authority: "api.test", Path: "/v1?token=secret", Origin: "https://app.test", RequestMethod: "PUT", RequestHeaders: "x-a,x-b",
		}, map[string]any{
			"time": "2026-02-03T03:05:06.000007Z", "policy": "api", "reason": "preflight_header_denied", "origin": "https://app.test",
			"method": "OPTIONS", "host": "api.test", "path": "/v1", "request_method": "PUT", "request_headers": "x-a,x-b",
			"shadow_policy": "next", "shadow_reason": "preflight_origin_denied", "shadow_differs": true,
			"shadow_differences": []any{"reason: preflight_header_denied -> preflight_origin_denied"}, "route": "to-api", "trace_id": trace,
		}},
		"a route that Envoy names with the question": {asked(), policy.Request{Method: "GET", Policy: "gone", Route: "to-web"}, map[string]any{
			"time": "2026-02-03T03:05:06.000007Z", "reason": "policy_unknown", "method": "GET", "named_policy": "gone",
			"shadow_policy": "next", "shadow_reason": "not_cors", "shadow_differs": true, "shadow_differences": []any{"reason: policy_unknown -> not_cors"}, "route": "to-web", "trace_id": trace,
		}},
		"what exempts from blocking": {context.Background(), policy.Request{Method: "GET", Policy: "gone", SecFetchSite: "none", Upgrade: "websocket", Protocol: "websocket"}, map[string]any{
			"time": "2026-02-03T03:05:06.000007Z", "reason": "policy_unknown", "method": "GET", "named_policy": "gone",
			"sec_fetch_site": "none", "upgrade": "websocket", "protocol": "websocket",
			"shadow_policy": "next", "shadow_reason": "not_cors", "shadow_differs": true, "shadow_differences": []any{"reason: policy_unknown -> not_cors"},
		}},
		"what is empty is left out": {context.Background(), policy.Request{Method: "GET", Policy: "gone"}, map[string]any{
			"time": "2026-02-03T03:05:06.000007Z", "reason": "policy_unknown", "method": "GET", "named_policy": "gone",
			"shadow_policy": "next", "shadow_reason": "not_cors", "shadow_differs": true, "shadow_differences": []any{"reason: policy_unknown -> not_cors"},
		}},
		"a value that differs": {context.Background(), policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}, map[string]any{
			"time": "2026-02-03T03:05:06.000007Z", "policy": "api", "reason": "request_allowed", "method": "GET", "host": "api.test", "path": "/", "origin": "https://app.test",
			"shadow_policy": "next", "shadow_reason": "request_origin_denied", "shadow_differs": true,
			"shadow_differences": []any{"reason: request_allowed -> request_origin_denied", `access-control-allow-origin: "https://app.test" -> none`},
		}},
		"bytes that are no text are quoted": {context.Background(), policy.Request{Method: "GET", Authority: "a\"b", Path: "/\\\n", Origin: "\xffé\u2028"}, map[string]any{
			"time": "2026-02-03T03:05:06.000007Z", "policy": "api", "reason": "request_origin_malformed", "method": "GET",
			"host": `"a\"b"`, "path": `"/\\\n"`, "origin": `"\xff\u00e9\u2028"`,
			"shadow_policy": "next", "shadow_reason": "request_origin_malformed", "shadow_differs": false,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, object(t, c.ctx, c.r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLongValuesAreClipped(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	v := object(t, context.Background(), policy.Request{Method: "GET", Origin: long, Path: "/" + strings.Repeat("\xff", 100_000)})
	if v["clipped"] != true {
		t.Error("the line does not say that it is not whole")
	}
	if got := len(v["origin"].(string)); got != printable.MaxBytes {
		t.Errorf("%d bytes of the origin", got)
	}
	if got := len(v["path"].(string)); got > 4*printable.MaxBytes+2 {
		t.Errorf("%d bytes of the path", got)
	}
}

func TestTraceIDs(t *testing.T) {
	for parent, want := range map[string]string{
		"00-" + trace + "-00f067aa0ba902b7-01":                   trace,
		"01-" + trace + "-00f067aa0ba902b7-01-of-the-future":     trace,
		"ff-" + trace + "-00f067aa0ba902b7-01":                   "",
		"00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01":  "",
		"00-" + trace[1:] + "-00f067aa0ba902b7-01":               "",
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": "",
		"00-" + trace: "", "": "", "-": "", "00-": "", "0-" + trace + "-": "", "\xff": "",
	} {
		if got := traceID(parent); got != want {
			t.Errorf("%q: %q, want %q", parent, got, want)
		}
	}
}

// observe tells l of n decisions.
func observe(t *testing.T, l *Log, n int) {
	t.Helper()
	set := compile(t)
	for i := range n {
		r := policy.Request{Method: "GET", Path: fmt.Sprintf("/%d", i), Origin: "https://app.test"}
		d := set.Decide(&r)
		l.Observe(context.Background(), &r, &d)
	}
}

// run runs l until the end of what it has been told.
func run(t *testing.T, l *Log) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestAllOrEachNthIsLogged(t *testing.T) {
	for every, want := range map[int]int{0: 100, 1: 100, 7: 14, 100: 1, 101: 0} {
		var out bytes.Buffer
		l := New(&out, every)
		observe(t, l, 100)
		run(t, l)
		if got := strings.Count(out.String(), "\n"); got != want || l.Written() != uint64(want) || l.Dropped() != 0 {
			t.Errorf("1 of %d: %d lines, %d counted, %d dropped, want %d", every, got, l.Written(), l.Dropped(), want)
		}
	}
}

func TestLinesAreWrittenWhileItRuns(t *testing.T) {
	r, w := io.Pipe()
	l := New(w, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	lines := json.NewDecoder(r)
	for range 3 {
		observe(t, l, 1)
		var v struct{ Path string }
		if err := lines.Decode(&v); err != nil || v.Path != "/0" {
			t.Fatal(v, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// stuck blocks until it is freed.
type stuck chan struct{}

func (w stuck) Write(b []byte) (int, error) {
	<-w
	return len(b), nil
}

func TestARequestNeverWaitsForTheWriter(t *testing.T) {
	w := make(stuck)
	l := New(w, 1)
	var log bytes.Buffer
	l.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() { observe(t, l, 5000) }) // some 7 MiB
	}
	g.Wait()
	// What waits is kept, 1 MiB of it, however little the writer has taken.
	if l.Dropped() == 0 || l.Dropped() > 18_000 {
		t.Errorf("%d lines dropped", l.Dropped())
	}
	cancel()
	if err := <-ended; err != nil { // which gives the writer up
		t.Error(err)
	}
	if want := fmt.Sprintf("lines=%d\n", 20_000-l.Dropped()); !strings.HasSuffix(log.String(), want) {
		t.Errorf("the log says %q, want %q", &log, want)
	}
	close(w)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestFailuresAreLoggedAndCounted(t *testing.T) {
	var log bytes.Buffer
	l := New(full{}, 1)
	l.Logger = slog.New(slog.NewTextHandler(&log, nil))
	observe(t, l, 3)
	run(t, l)
	if strings.Count(log.String(), "disk full") != 1 || l.Dropped() != 3 || l.Written() != 0 {
		t.Errorf("%d dropped, %d written\n%s", l.Dropped(), l.Written(), &log)
	}
}

// Only a line that says in what a policy in shadow differs costs some.
func TestALineCostsNoMemory(t *testing.T) {
	l := New(io.Discard, 1)
	observe(t, l, 5000) // from now on there is no room to grow
	set := compile(t)
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/v1", Origin: "https://neither.test"}
	d := set.Decide(&r)
	n := testing.AllocsPerRun(100, func() { l.Observe(context.Background(), &r, &d) })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	for name, every := range map[string]int{"all": 1, "sampled": 100} {
		b.Run(name, func(b *testing.B) {
			l := New(io.Discard, every)
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- l.Run(ctx) }()
			set := compile(b)
			r := policy.Request{Method: "GET", Authority: "api.test", Path: "/v1", Origin: "https://neither.test"}
			d := set.Decide(&r)
			ctxs := asked()
			b.ReportAllocs()
			for b.Loop() {
				l.Observe(ctxs, &r, &d)
			}
			cancel()
			<-ended
		})
	}
}
