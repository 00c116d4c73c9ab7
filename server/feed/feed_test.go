package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/seldom"
	"github.com/corsgate/corsgate/server/servertest"
)

// observed notes what it is told, as "policy reason kind origin".
type observed struct {
	mu    sync.Mutex
	lines []string
}

func (o *observed) Observe(_ context.Context, r *policy.Request, d *policy.Decision) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d.Answer == nil || d.Shadow.Answer != nil {
		o.lines = append(o.lines, "a decision of no use to observers")
	}
	kind := "request"
	if d.Preflight {
		kind = "preflight"
	}
	o.lines = append(o.lines, fmt.Sprintf("%s %v %s %q", d.Policy, d.Reason, kind, r.Origin))
}

const (
	app   = "https://app.example"
	other = "https://other.example"
)

// setFor returns policies of api.test that allow an origin, and one in shadow.
func setFor(t *testing.T, origin string) *policy.Set {
	t.Helper()
	return policytest.Compile(t,
		policy.Spec{Name: "api", Hosts: []string{"api.test"}, Paths: []string{"/v1"}, CORS: policy.CORS{AllowOrigins: []string{origin}}},
		policy.Spec{Name: "api-rest", Hosts: []string{"api.test"}, CORS: policy.CORS{AllowOrigins: []string{"https://rest.example"}}},
		policy.Spec{Name: "rehearsed", Hosts: []string{"shadow.test"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{origin}}})
}

// serving returns a feed that has the sets, the last one serves.
func serving(t *testing.T, sets ...*policy.Set) (*Server, *observed, *bytes.Buffer) {
	t.Helper()
	seen, text := &observed{}, &bytes.Buffer{}
	s := &Server{Observer: seen, Logger: slog.New(slog.NewJSONHandler(text, nil))}
	for _, set := range sets {
		servertest.Prepare(t, s, set)()
	}
	return s, seen, text
}

// told is an entry of a request of app to api.test/v1, but for the pairs of members.
func told(set *policy.Set, pairs ...string) string {
	members := map[string]string{"set": set.Hash(), "policy": "api", "reason": "request_allowed", "host": "api.test", "path": "/v1", "method": "GET", "origin": app}
	for i := 0; i < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	return written(members)
}

// batchOf is a batch of an Envoy.
func batchOf(entries ...string) *collector.ExportLogsServiceRequest {
	scope := &logs.ScopeLogs{}
	for _, e := range entries {
		scope.LogRecords = append(scope.LogRecords, &logs.LogRecord{Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: e}}})
	}
	node := &common.KeyValue{Key: "node_name", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "edge-\x1b[2J1"}}}
	return &collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{node}}, ScopeLogs: []*logs.ScopeLogs{scope},
	}}}
}

// send calls the service as Envoy does.
func (s *Server) send(t *testing.T, batch *collector.ExportLogsServiceRequest) *collector.ExportLogsServiceResponse {
	t.Helper()
	response, err := s.export(t.Context(), func(m any) error { proto.Merge(m.(proto.Message), batch); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return response.(*collector.ExportLogsServiceResponse)
}

// TestDecisionsAreDecidedAgain has Envoys that are right, wrong, and of a set that is not
// known. What they decided is observed, whatever the service decides.
func TestDecisionsAreDecidedAgain(t *testing.T) {
	set, before, unknown := setFor(t, app), setFor(t, other), setFor(t, "https://unknown.example")
	for _, c := range []struct {
		name, entry string
		want        Outcome
		observed    string
	}{
		{"right", told(set), Agreed, `api request_allowed request "https://app.example"`},
		{"right by the set before", told(before, "reason", "request_origin_denied"), Agreed, `api request_origin_denied request "https://app.example"`},
		{"wrong by the set before", told(before), Disagreed, `api request_allowed request "https://app.example"`},
		{"another reason", told(set, "reason", "request_origin_denied"), Disagreed, `api request_origin_denied request "https://app.example"`},
		{"another policy", told(set, "policy", "api-rest"), Disagreed, `api-rest request_allowed request "https://app.example"`},
		{"a policy that no set has", told(set, "policy", "x\xff"), Disagreed, ` request_allowed request "https://app.example"`},
		{"no policy", told(set, "policy", "", "host", "b.test", "reason", "no_policy"), Agreed, ` no_policy request "https://app.example"`},
		{"a preflight", told(set, "method", "OPTIONS", "request_method", "PUT", "reason", "preflight_method_denied"), Agreed,
			`api preflight_method_denied preflight "https://app.example"`},
		{"bytes", told(set, "origin", "\xff", "reason", "request_origin_malformed"), Agreed, `api request_origin_malformed request "\xff"`},
		{"the same site", told(set, "origin", other, "sec_fetch_site", "same-origin", "reason", "same_origin"), Agreed, `api same_origin request "https://other.example"`},
		{"a policy in shadow", told(set, "host", "shadow.test", "policy", "", "reason", "no_policy"), Disagreed, ` no_policy request "https://app.example"`},
		{"an unknown set", told(unknown), Unverifiable, `api request_allowed request "https://app.example"`},
		{"a path that is cut", told(set, "path", "/v1/"+strings.Repeat("x", 8188)), Unverifiable, `api request_allowed request "https://app.example"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, seen, _ := serving(t, before, set)
			response := s.send(t, batchOf(c.entry))
			if diff := cmp.Diff([]string{c.observed}, seen.lines); diff != "" || response.GetPartialSuccess() != nil {
				t.Errorf("observed (-want +got)\n%s, answered %v", diff, response)
			}
			for _, o := range Outcomes() {
				if got := s.Count(o); got != map[bool]uint64{true: 1}[o == c.want] {
					t.Errorf("%d are %v", got, o)
				}
			}
		})
	}
}

// TestTheLastSetsAreKept has one set after the other serve, some of them again.
func TestTheLastSetsAreKept(t *testing.T) {
	s, _, _ := serving(t)
	sets := make([]*policy.Set, KeptSets+1)
	for i := range sets {
		sets[i] = setFor(t, fmt.Sprintf("https://app-%d.example", i))
		for range 2 * KeptSets { // which are the same one
			servertest.Prepare(t, s, sets[i])()
		}
	}
	for i, set := range sets {
		if _, known := s.kept.of(set.Hash()); known != (i > 0) {
			t.Errorf("the set %d is known: %v", i, known)
		}
	}
	if set, known := s.kept.of("x"); known || set != sets[KeptSets] {
		t.Error("another set than the last one serves")
	}
}

// stamps is a set of them.
func stamps(list ...string) map[string]bool {
	of := map[string]bool{}
	for _, stamp := range list {
		of[stamp] = true
	}
	return of
}

// TestAStampStandsForASet has resources that stay as they are, some that do not, and a
// set that is compiled and refused.
func TestAStampStandsForASet(t *testing.T) {
	old, current, refused, next := setFor(t, "https://old.example"), setFor(t, app), setFor(t, "https://refused.example"), setFor(t, "https://next.example")
	s, _, _ := serving(t, old, current)
	s.Stamped(old, stamps("gone", "both", "changed", "always"))
	s.Stamped(old, stamps("both", "changed", "always"))
	s.Stamped(current, stamps("both", "always"))
	servertest.Prepare(t, s, refused)
	s.Stamped(refused, stamps("both", "refused"))
	commit := servertest.Prepare(t, s, next)
	s.Stamped(next, stamps("always", "next")) // it is compiled before it serves
	commit()
	for stamp, want := range map[string]*policy.Set{"both": current, "changed": old, "next": next, "always": next} {
		if got, known := s.kept.of(stamp); !known || got != want {
			t.Errorf("%s: known %v, the wrong set", stamp, known)
		}
	}
	for _, stamp := range []string{"gone", "refused"} {
		if _, known := s.kept.of(stamp); known {
			t.Errorf("%s is known", stamp)
		}
	}
	for i := range KeptSets {
		servertest.Prepare(t, s, setFor(t, fmt.Sprintf("https://app-%d.example", i)))()
	}
	for _, stamp := range []string{"both", "changed", "next"} {
		if _, known := s.kept.of(stamp); known {
			t.Errorf("%s is still known", stamp)
		}
	}
}

// TestAnEntryIsRefusedAlone has what is not an entry between entries.
func TestAnEntryIsRefusedAlone(t *testing.T) {
	set := setFor(t, app)
	s, seen, log := serving(t, set)
	entries := []string{"-", told(set), `{"set":`, "", told(set), strings.Repeat("x", maxEntry+1), told(set, "reason", "\x1b[2J")}
	response := s.send(t, batchOf(entries...))
	if got := response.GetPartialSuccess().GetRejectedLogRecords(); got != 5 || len(seen.lines) != 2 || s.Count(Refused) != 5 || s.Count(Agreed) != 2 {
		t.Errorf("%d are refused, %q observed", got, seen.lines)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "it is not an entry of the feed") {
		t.Errorf("the log has %s", log)
	}
}

func TestABatchIsCut(t *testing.T) {
	set := setFor(t, app)
	s, seen, _ := serving(t, set)
	entries := make([]string, MaxEntries+3)
	for i := range entries {
		entries[i] = told(set)
	}
	if got := s.send(t, batchOf(entries...)).GetPartialSuccess().GetRejectedLogRecords(); got != 3 || len(seen.lines) != MaxEntries {
		t.Errorf("%d are refused, %d observed", got, len(seen.lines))
	}
}

// TestDisagreementsAreLoggedSeldom has one after the other.
func TestDisagreementsAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := setFor(t, app)
		s, _, log := serving(t, set)
		wrong := batchOf(told(set, "origin", "\x1b[2J\xff"+strings.Repeat("x", 300)))
		for range 5 {
			s.send(t, wrong)
		}
		first := log.String()
		for _, want := range []string{
			`"level":"ERROR"`, "please report it", `"node":"\"edge-\\x1b[2J1\""`, `"set":"` + set.Hash(), `"envoy_reason":"request_allowed"`, `"reason":"request_origin_malformed"`,
			`"origin":"\"\\x1b[2J\\xff` + strings.Repeat("x", 251) + `\""`, `"host":"api.test"`, `"not_logged_before":0`,
		} {
			if strings.Count(first, "\n") != 1 || !strings.Contains(first, want) {
				t.Errorf("the log has %s, want %s in it", first, want)
			}
		}
		time.Sleep(seldom.Interval)
		s.send(t, wrong)
		if second := strings.TrimPrefix(log.String(), first); strings.Count(second, "\n") != 1 || !strings.Contains(second, `"not_logged_before":4`) {
			t.Errorf("then %s", second)
		}
	})
}

// TestBatchesAreRefusedWhole counts those of clients that may not tell, and what is no
// OTLP.
func TestBatchesAreRefusedWhole(t *testing.T) {
	set := setFor(t, app)
	s, seen, log := serving(t, set)
	broken := status.Error(codes.Internal, "error unmarshalling \x1b[2J")
	if _, err := s.export(t.Context(), func(any) error { return broken }); !errors.Is(err, broken) || s.RefusedBatches() != 1 {
		t.Errorf("got %v, %d batches are refused", err, s.RefusedBatches())
	}
	if !strings.Contains(log.String(), `unmarshalling \\x1b[2J`) {
		t.Errorf("the log has %s", log)
	}
	unread := func(any) error { t.Error("the batch is read"); return nil }
	s.Allowed = []string{"envoy.example"}
	if _, err := s.export(t.Context(), unread); status.Code(err) != codes.PermissionDenied || s.RefusedBatches() != 2 {
		t.Errorf("got %v, %d batches are refused", err, s.RefusedBatches())
	}
	early, _, _ := serving(t)
	if _, err := early.export(t.Context(), unread); status.Code(err) != codes.Unavailable {
		t.Errorf("without policies: %v", err)
	}
	if len(seen.lines) > 0 {
		t.Errorf("observed %q", seen.lines)
	}
}
