package observability_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/feed"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/store"
)

// outage is what may become of the questions of an Envoy.
type outage struct {
	name    string
	service func(*testing.T) string // starts corsgate, if at all
	change  func(object)            // of the bootstrap; nil means none
	// healthy is how many corsgates Envoy finds.
	healthy float64
	// due are the alerts that fire.
	due []string
	// unasked has Envoy decide by itself, as no-trip alone can, by so many filters.
	unasked bool
	shards  int
	// feed has it tell what it decides, and follows has its filters delivered.
	feed, follows bool
	// spoil has Envoy refuse a filter after it has taken those in the folder.
	spoil  bool
	folder string
}

var outages = []outage{
	{name: "none", service: answering, healthy: 1},
	{name: "gone", service: gone, due: []string{"CorsgateEndpointUnhealthy", "CorsgateUnanswered"}},
	{name: "silent", service: silent, healthy: 1, due: []string{"CorsgateUnanswered"}},
	{name: "refused", service: answering, change: allowNoCalls, healthy: 1, due: []string{"CorsgateOverflow", "CorsgateUnanswered"}},
	{name: "not asked", service: answering, change: removeFilters, healthy: 1, due: []string{"CorsgateNotAsked"}},
	{name: "nobody need be asked", service: answering, healthy: 1, unasked: true},
	{name: "nobody need be asked by shards", service: answering, healthy: 1, unasked: true, shards: 2},
	{name: "told", service: taking, healthy: 1, unasked: true, feed: true},
	{name: "told to nobody", service: answering, healthy: 1, unasked: true, feed: true, due: []string{"CorsgateFeedLost"}},
	{name: "followed", service: delivering, healthy: 1, unasked: true, follows: true},
	{name: "followed by shards", service: delivering, healthy: 1, unasked: true, shards: 2, follows: true},
	{name: "not followed", service: answering, healthy: 1, unasked: true, follows: true, due: []string{"CorsgateNotFollowed"}},
	{name: "a filter is refused", service: answering, healthy: 1, unasked: true, spoil: true, due: []string{"CorsgateFilterRefused"}},
	{name: "a filter of several is refused", service: answering, healthy: 1, unasked: true, shards: 2, spoil: true, due: []string{"CorsgateFilterRefused"}},
}

// TestOutagesAlert runs each outage on a real Envoy in each profile, and has
// Prometheus judge by the rules what Envoy counted.
func TestOutagesAlert(t *testing.T) {
	promtool := tool(t, "promtool")
	upstream := startUpstream(t)
	var mu sync.Mutex
	var tests []any
	t.Run("count", func(t *testing.T) {
		for _, profile := range envoy.Profiles() {
			for _, o := range outages {
				if o.unasked && profile != envoy.NoTrip {
					continue
				}
				t.Run(string(profile)+"/"+o.name, func(t *testing.T) {
					t.Parallel()
					series := o.count(t, profile, upstream)
					mu.Lock()
					defer mu.Unlock()
					tests = append(tests, ruleTest(string(profile)+", "+o.name, series, o.due))
				})
			}
		}
	})
	judge(t, promtool, tests)
}

// TestDenialsAlert has Prometheus judge by the rules a policy that denies half of
// what it is asked, for each reason.
func TestDenialsAlert(t *testing.T) {
	promtool := tool(t, "promtool")
	var tests []any
	for _, r := range policy.Reasons() {
		var due []string
		switch r {
		case policy.ReasonPolicyUnknown:
			due = []string{"CorsgatePolicyUnknown"}
		case policy.ReasonNoPolicy, policy.ReasonPolicyOff, policy.ReasonNotCORS, policy.ReasonSameOrigin, policy.ReasonPreflightAllowed, policy.ReasonRequestAllowed:
		default:
			due = []string{"CorsgateManyDenied"}
		}
		series := []any{decisions(r, "preflight"), decisions(policy.ReasonRequestAllowed, "request")}
		tests = append(tests, ruleTest(r.String(), series, due))
	}
	judge(t, promtool, tests)
}

// TestTheFeedAlerts has Prometheus judge by the rules what comes of the feed.
func TestTheFeedAlerts(t *testing.T) {
	promtool := tool(t, "promtool")
	due := map[string][]string{
		`corsgate_feed_entries_total{outcome="agreed"`:       nil,
		`corsgate_feed_entries_total{outcome="unverifiable"`: nil,
		`corsgate_feed_entries_total{outcome="disagreed"`:    {"CorsgateFeedDisagrees"},
		`corsgate_feed_entries_total{outcome="refused"`:      {"CorsgateFeedRefused"},
		`corsgate_feed_refused_batches_total{version="1"`:    {"CorsgateFeedRefused"},
	}
	var tests []any
	for series, alerts := range due {
		tests = append(tests, ruleTest(series, []any{object{"series": series + `,job="corsgate",instance="c1"}`, "values": "0+1x120"}}, alerts))
	}
	judge(t, promtool, tests)
}

// TestTheStateAlerts has Prometheus judge by the rules what a service says of its source, and
// of what it has kept.
func TestTheStateAlerts(t *testing.T) {
	promtool := tool(t, "promtool")
	var tests []any
	for _, c := range []struct {
		series, values string
		due            []string
	}{
		{`corsgate_served_from_state{`, "0x120", nil},
		{`corsgate_served_from_state{`, "1x120", []string{"CorsgateServesState"}},
		{`corsgate_set_generation{`, "0x120", []string{"CorsgateNoPolicies"}},
		{`corsgate_set_generation{`, "0x1 1x120", nil},
		{`corsgate_source_age_seconds{`, "5x120", nil},
		{`corsgate_source_age_seconds{`, "0+60x120", []string{"CorsgateSourceSilent"}},
		{`corsgate_last_load_refused{code="policies",`, "1x120", nil},
		{`corsgate_last_load_refused{code="store_regressed",`, "0x120", nil},
		{`corsgate_last_load_refused{code="store_regressed",`, "1x120", []string{"CorsgateStoreRegressed"}},
		{`corsgate_last_load_refused{code="store_regressed",`, "1x80 0x40", nil},
		{`corsgate_last_load_refused{code="store_unreachable",`, "1x120", nil},
		{`corsgate_last_load_refused{code="store_empty",`, "1x120", nil},
		{`corsgate_last_load_refused{code="unsupported_version",`, "1x120", []string{"CorsgateReleaseRefused"}},
		{`corsgate_last_load_refused{code="unit_corrupt",`, "1x120", []string{"CorsgateReleaseRefused"}},
		{`corsgate_last_load_refused{code="unit_corrupt",`, "1x80 0x40", nil},
		{`corsgate_state_write_failures_total{`, "3x120", nil},
		{`corsgate_state_write_failures_total{`, "0+2x120", []string{"CorsgateStateNotWritten"}},
		{`corsgate_state_age_seconds{`, "0+60x120", nil},
	} {
		tests = append(tests, ruleTest(c.series+c.values, []any{object{"series": c.series + `job="corsgate",instance="c1"}`, "values": c.values}}, c.due))
	}
	judge(t, promtool, tests)
}

// TestAFleetAlerts has Prometheus judge by the rules what two instances say of their
// revisions.
func TestAFleetAlerts(t *testing.T) {
	promtool := tool(t, "promtool")
	var tests []any
	for _, c := range []struct {
		name, first, second string
		due                 []string
	}{
		{"the same revisions", "0+1x120", "0+1x120", nil},
		{"another revision for a minute", "1x88 2x31", "1x120", nil},
		{"another revision", "1+1x120", "1x120", []string{"CorsgateRevisionsDiffer"}},
	} {
		tests = append(tests, ruleTest(c.name, []any{
			object{"series": `corsgate_policy_revision{job="corsgate",instance="c1"}`, "values": c.first},
			object{"series": `corsgate_policy_revision{job="corsgate",instance="c2"}`, "values": c.second},
		}, c.due))
	}
	judge(t, promtool, tests)
}

// TestEachRefusalHasAnAlert holds the codes of a store to the alerts about them.
func TestEachRefusalHasAnAlert(t *testing.T) {
	elsewhere := []string{store.CodeUnreachable, store.CodeEmpty, store.CodeRegressed} // CorsgateSourceSilent, CorsgateLoadRefused, CorsgateStoreRegressed
	var file rules
	read(t, "alerts.yaml", func(b []byte) error { return yaml.Unmarshal(b, &file) })
	var codes *regexp.Regexp
	for _, r := range file.Groups[0].Rules {
		if m := regexp.MustCompile(`code=~"([^"]+)"`).FindStringSubmatch(r.Expr); m != nil && r.Alert == "CorsgateReleaseRefused" {
			codes = regexp.MustCompile("^(?:" + m[1] + ")$")
		}
	}
	for _, code := range store.Codes() {
		if codes == nil || codes.MatchString(code) == slices.Contains(elsewhere, code) {
			t.Errorf("the alert about refused releases is about %s: %t", code, slices.Contains(elsewhere, code))
		}
	}
}

// TestFollowersAlert has Prometheus judge by the rules what a service that has one Envoy
// follow says of it.
func TestFollowersAlert(t *testing.T) {
	promtool := tool(t, "promtool")
	var tests []any
	for state, due := range map[ecds.State][]string{ecds.Current: nil, ecds.Waiting: {"CorsgateEnvoyLags"}, ecds.Refused: {"CorsgateEnvoyRefuses"}} {
		var series []any
		for _, s := range ecds.States() {
			series = append(series, object{"series": fmt.Sprintf(`corsgate_envoys{job="corsgate",instance="c1",state=%q}`, s), "values": map[bool]string{true: "1x120", false: "0x120"}[s == state]})
		}
		tests = append(tests, ruleTest(string(state), series, due))
	}
	judge(t, promtool, tests)
}

// TestReplicasThatDifferAlert has Prometheus judge by the rules the hashes that replicas of the
// same Service serve, and of two, and of none.
func TestReplicasThatDifferAlert(t *testing.T) {
	promtool := tool(t, "promtool")
	differ := []string{"CorsgateReplicasDiffer"}
	var tests []any
	for _, c := range []struct {
		name, one, two string
		due            []string
	}{
		{"the same", `namespace="a",service="s"`, `namespace="a",service="s"`, differ},
		{"without a Service", `x="1"`, `x="2"`, differ},
		{"two Services", `namespace="a",service="s"`, `namespace="a",service="t"`, nil},
		{"two namespaces", `namespace="a",service="s"`, `namespace="b",service="s"`, nil},
	} {
		hash := func(labels, value string) object {
			return object{"series": `corsgate_set_hash{job="corsgate",instance="c` + value + `",` + labels + `}`, "values": value + "x120"}
		}
		tests = append(tests, ruleTest(c.name, []any{hash(c.one, "1"), hash(c.two, "2")}, c.due))
	}
	judge(t, promtool, tests)
}

// decisions is an input series of as many decisions a minute for each reason.
func decisions(r policy.Reason, kind string) object {
	return object{"series": fmt.Sprintf(`corsgate_decisions_total{job="corsgate",instance="c1",decided="compiled",policy="api",reason=%q,kind=%q}`, r, kind), "values": "0+100x120"}
}

// judge runs the tests of the rules in Prometheus.
func judge(t *testing.T, promtool string, tests []any) {
	t.Helper()
	rules, err := filepath.Abs("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.yaml")
	text, err := json.Marshal(object{"rule_files": []any{rules}, "evaluation_interval": "1m", "tests": tests})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// tool returns the path of a program. If it is missing, the test is skipped,
// or fails when CI=true.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// ruleTest is a test of promtool: as much of each series comes every minute, and
// after long enough only these alerts fire.
func ruleTest(name string, series []any, due []string) object {
	var firing []any
	for _, alert := range due {
		firing = append(firing, object{"labels": fmt.Sprintf(`{alertname=%q}`, alert), "value": 1})
	}
	return object{"name": name, "interval": "1m", "input_series": series, "promql_expr_test": []any{object{
		"expr": `count by (alertname) (ALERTS{alertstate="firing"})`, "eval_time": "90m", "exp_samples": firing,
	}}}
}

// count sends requests through an Envoy and returns what it counted of them, as
// input series.
func (o *outage) count(t *testing.T, profile envoy.Profile, upstream string) (series []any) {
	t.Helper()
	address, admin := o.start(t, profile, upstream)
	servertest.Await(t, "the health checks", func() bool {
		healthy, checked := sum(scrape(t, admin), "envoy_cluster_membership_healthy"), sum(scrape(t, admin), "envoy_cluster_health_check_attempt")
		return healthy == o.healthy && checked > 0
	})
	before := scrape(t, admin)
	for range 3 {
		request(t, address)
	}
	if o.spoil {
		o.spoilFilter(t)
	}
	after := scrape(t, admin)
	servertest.Await(t, "what is told, refused or followed", func() bool {
		after = scrape(t, admin)
		return (!o.feed || after[toldStat]+after[lostStat] == 3) && o.spoil == (refusals(after) > 0) && (!o.follows || isConnected(after) == (len(o.due) == 0))
	})
	for name, value := range after {
		labels := strings.Replace(name, "{", `{job="envoy",instance="e1",`, 1)
		// A counter never falls; the bytes that wait, which are a gauge, do.
		isGauge := strings.Contains(name, "_membership_") || strings.HasSuffix(name, connectedStat) || value < before[name]
		values := fmt.Sprintf("0+%vx120", 100*(value-before[name]))
		if isGauge {
			values = fmt.Sprintf("%v+0x120", value)
		}
		series = append(series, object{"series": labels, "values": values})
	}
	return series
}

// spoilFilter puts a filter in place that Envoy does not take.
func (o *outage) spoilFilter(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.folder, "corsgate*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no filters: %v", err)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	bad := regexp.MustCompile(`"regex": *"[^"]*"`).ReplaceAll(good, []byte(`"regex": "("`))
	if err := envoy.WriteFile(o.folder, filepath.Base(files[0]), bad); err != nil {
		t.Fatal(err)
	}
}

// refusals counts the filters that an Envoy has refused.
func refusals(samples map[string]float64) (n float64) {
	for name, value := range samples {
		if strings.Contains(name, "_update_rejected") && strings.Contains(name, "_http_filter_corsgate") {
			n += value
		}
	}
	return n
}

func (o *outage) start(t *testing.T, profile envoy.Profile, upstream string) (address, admin string) {
	t.Helper()
	text, err := compiled(t, envoy.Config{
		Profile: profile, Listen: "127.0.0.1:0", Upstream: upstream, Service: o.service(t), MessageTimeout: timeoutOf(o),
	}, o).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var b object
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	envoytest.Patient(b)
	if o.change != nil {
		o.change(b)
	}
	if text, err = json.Marshal(b); err != nil {
		t.Fatal(err)
	}
	e := envoytest.Start(t, text)
	return e.Listeners["traffic"], e.Admin
}

// timeoutOf is long if an answer comes, for a busy machine, and short if
// none does.
func timeoutOf(o *outage) time.Duration {
	if slices.Contains(o.due, "CorsgateUnanswered") {
		return 100 * time.Millisecond
	}
	return envoytest.MessageTimeout
}

// Envoy's counters of what it tells of its decisions.
const (
	toldStat = "envoy_access_logs_open_telemetry_access_log_corsgate_logs_written{}"
	lostStat = "envoy_access_logs_open_telemetry_access_log_corsgate_logs_dropped{}"
)

// connectedStat ends the names of Envoy's gauges of whether a filter is delivered.
const connectedStat = "_control_plane_connected_state{}"

// isConnected reports whether all filters of an Envoy are delivered.
func isConnected(samples map[string]float64) bool {
	for name, value := range samples {
		if strings.HasSuffix(name, connectedStat) && value == 0 {
			return false
		}
	}
	return true
}

// delivering has a corsgate that delivers.
func delivering(t *testing.T) string {
	address, _ := serve(t, service.Config{ECDS: &ecds.Server{Compiler: corsgatetest.Compiler}})
	return address
}

// taking has a corsgate that is told of decisions.
func taking(t *testing.T) string {
	address, _ := serve(t, service.Config{Feed: &feed.Server{}})
	return address
}

func answering(t *testing.T) string {
	address, _ := serve(t, service.Config{})
	return address
}

// silent has a healthy corsgate that never answers.
func silent(t *testing.T) string {
	address, _ := serve(t, service.Config{Observers: server.Observers{never{}}})
	return address
}

// never is an observer that holds each answer back.
type never struct{}

// Observe implements server.Observer.
func (never) Observe(ctx context.Context, _ *policy.Request, _ *policy.Decision) { <-ctx.Done() }

// gone has no corsgate at all.
func gone(*testing.T) string { return envoytest.FreeAddress() }

// allowNoCalls opens the circuit breaker of the cluster corsgate.
func allowNoCalls(b object) {
	for _, c := range b["static_resources"].(object)["clusters"].([]any) {
		if c := c.(object); c["name"] == "corsgate" {
			c["circuit_breakers"] = object{"thresholds": []any{object{"max_requests": 0}}}
		}
	}
}

// removeFilters leaves the router alone.
func removeFilters(b object) {
	m := manager(b)
	filters := m["http_filters"].([]any)
	m["http_filters"] = filters[len(filters)-1:]
	host := m["route_config"].(object)["virtual_hosts"].([]any)[0].(object)
	delete(host, "typed_per_filter_config")
}

// request makes a request, whatever comes of it.
func request(t *testing.T, address string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", app)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// sample is a line of a page for Prometheus.
var sample = regexp.MustCompile(`(?m)^((?:corsgate|envoy)_\w+(?:\{[^}]*\})?) (\S+)$`)

// scrape reads Envoy's page for Prometheus.
func scrape(t *testing.T, admin string) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + admin + "/stats/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return samples(t, resp.Body)
}

// samples reads a page for Prometheus, without the buckets of histograms.
func samples(t *testing.T, page io.Reader) map[string]float64 {
	t.Helper()
	text, err := io.ReadAll(page)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, m := range sample.FindAllStringSubmatch(string(text), -1) {
		if v, err := strconv.ParseFloat(m[2], 64); err == nil && !strings.Contains(m[1], "_bucket{") {
			found[m[1]] = v
		}
	}
	return found
}

// sum adds the series of a metric that are about the cluster corsgate.
func sum(samples map[string]float64, metric string) (total float64) {
	for name, value := range samples {
		if strings.HasPrefix(name, metric+"{") && strings.Contains(name, `envoy_cluster_name="corsgate"`) {
			total += value
		}
	}
	return total
}

// addEnvoy adds the metrics of Envoys that ask by ext_proc and by ext_authz, and of
// those that need not.
func addEnvoy(t *testing.T, known map[string]labels) {
	t.Helper()
	for _, e := range []struct {
		profile envoy.Profile
		shards  int
		follows bool
	}{{envoy.OneTrip, 0, false}, {envoy.ExtAuthz, 0, false}, {envoy.NoTrip, 0, false}, {envoy.NoTrip, 2, false}, {envoy.NoTrip, 2, true}} {
		o := outage{service: answering, shards: e.shards, feed: true, follows: e.follows}
		_, admin := o.start(t, e.profile, startUpstream(t))
		for name := range scrape(t, admin) {
			metric, rest, _ := strings.Cut(name, "{")
			if known[metric] == nil {
				known[metric] = labels{}
			}
			for _, pair := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(rest, -1) {
				if known[metric][pair[1]] == nil {
					known[metric][pair[1]] = map[string]bool{}
				}
				known[metric][pair[1]][pair[2]] = true
			}
		}
	}
}
