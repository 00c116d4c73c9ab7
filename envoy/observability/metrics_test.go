package observability_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/feed"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/metrics"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/wire"
)

// labels are a metric's labels with all values that they may have.
type labels map[string]map[string]bool

// gathered returns the metrics that there are. Everything has happened once, so
// that all labels have all their values.
func gathered(t *testing.T) map[string]labels {
	t.Helper()
	m := metrics.New("v1.0.0")
	m.MayRefuse(store.Codes()...)
	m.CountedBy("corsgate_decision_log_lines_total", "", func() uint64 { return 1 })
	m.CountedBy("corsgate_decision_log_dropped_total", "", func() uint64 { return 1 })
	m.CountedBy("corsgate_log_dropped_total", "", func() uint64 { return 1 })
	m.CountedBy("corsgate_feed_refused_batches_total", "", func() uint64 { return 1 })
	m.CountedBy("corsgate_state_write_failures_total", "", func() uint64 { return 1 })
	for _, name := range []string{"corsgate_source_age_seconds", "corsgate_state_age_seconds"} {
		m.AgeOf(name, "", time.Now)
	}
	for _, o := range feed.Outcomes() {
		m.FeedEntries(o.String(), func() uint64 { return 1 })
	}
	for _, state := range ecds.States() {
		m.Envoys(string(state), func() int { return 1 })
	}
	happen(m)
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]labels{"up": {}}
	for _, f := range families {
		l := labels{}
		for _, sample := range f.GetMetric() {
			for _, pair := range sample.GetLabel() {
				if l[pair.GetName()] == nil {
					l[pair.GetName()] = map[string]bool{}
				}
				l[pair.GetName()][pair.GetValue()] = true
			}
		}
		found[f.GetName()] = l
		if f.GetType().String() == "HISTOGRAM" {
			buckets := maps.Clone(l)
			buckets["le"] = nil
			found[f.GetName()+"_bucket"], found[f.GetName()+"_count"], found[f.GetName()+"_sum"] = buckets, l, l
		}
	}
	return found
}

func happen(m *metrics.Metrics) {
	for _, r := range policy.Reasons() {
		for _, preflight := range []bool{false, true} {
			v := policy.Verdict{Policy: "api", Reason: r, Answer: &policy.Answer{}}
			m.Observe(context.Background(), nil, &policy.Decision{Verdict: v, Preflight: preflight, Shadow: v, ShadowDiffers: true})
			m.Compiled().Observe(context.Background(), nil, &policy.Decision{Verdict: v, Preflight: preflight})
		}
	}
	for p := range server.PassThroughs {
		m.PassedThrough(p)
	}
	m.FirstMessage(wire.KindRequestHeaders)
	m.Answered(wire.KindRequestHeaders, time.Millisecond)
	m.UpstreamCORS("api")
	m.Misused(server.MisuseNoResponses)
	m.Loading()(live.Load{Err: errors.New("refused")})
}

// reporter is told of findings, as a *testing.T is.
type reporter interface {
	Errorf(format string, args ...any)
}

// findings counts them.
type findings int

// Errorf implements reporter.
func (f *findings) Errorf(string, ...any) { *f++ }

// everywhere are the labels that Prometheus gives each sample, and the last two on Kubernetes.
var everywhere = []string{"job", "instance", "namespace", "service"}

// check reports what in a PromQL expression no metric has.
func check(t reporter, where, expr string, known map[string]labels) {
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		t.Errorf("%s: brackets without a match in %s", where, expr)
	}
	have := slices.Clone(everywhere)
	byPattern := regexp.MustCompile(`\{__name__=~"([^"]*)"\}`)
	patterns := byPattern.FindAllStringSubmatch(expr, -1)
	for _, u := range patterns {
		checkPattern(t, where, u[1], known)
	}
	used := regexp.MustCompile(`\b((?:corsgate|envoy|process|go)_\w+|up\b)(?:\{([^}]*)\})?`).FindAllStringSubmatch(byPattern.ReplaceAllString(expr, ""), -1)
	if len(used)+len(patterns) == 0 {
		t.Errorf("%s: no metric in %s", where, expr)
	}
	for _, u := range used {
		l, ok := known[u[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, u[1])
			continue
		}
		have = append(have, slices.Collect(maps.Keys(l))...)
		checkSelector(t, where, u[1], u[2], l)
	}
	if made := regexp.MustCompile(`count_values by \(\w+\) \("(\w+)"`).FindStringSubmatch(expr); made != nil {
		have = append(have, made[1])
	}
	for _, by := range regexp.MustCompile(`\bby \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for name := range strings.SplitSeq(by[1], ",") {
			if name = strings.TrimSpace(name); !slices.Contains(have, name) {
				t.Errorf("%s: no metric of %s has a label %s", where, expr, name)
			}
		}
	}
}

// checkPattern reports a pattern that no metric's name matches.
func checkPattern(t reporter, where, pattern string, known map[string]labels) {
	names := regexp.MustCompile("^(?:" + pattern + ")$")
	for name := range known {
		if names.MatchString(name) {
			return
		}
	}
	t.Errorf("%s: there is no metric whose name matches %s", where, pattern)
}

// checkSelector reports labels that the metric does not have, and values that
// match nothing.
func checkSelector(t reporter, where, metric, selector string, known labels) {
	for _, m := range regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`).FindAllStringSubmatch(selector, -1) {
		name, value := m[1], m[3]
		if slices.Contains(everywhere, name) {
			continue
		}
		values, ok := known[name]
		if !ok {
			t.Errorf("%s: %s has no label %s", where, metric, name)
			continue
		}
		if strings.Contains(value, "$") || values == nil {
			continue
		}
		for alternative := range strings.SplitSeq(value, "|") {
			re := regexp.MustCompile("^(?:" + alternative + ")$")
			if !slices.ContainsFunc(slices.Collect(maps.Keys(values)), re.MatchString) {
				t.Errorf("%s: %s has no %s that %q matches", where, metric, name, alternative)
			}
		}
	}
}

type dashboard struct {
	Title      string
	Panels     []panel
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Targets                  []struct{ Expr, LegendFormat string }
	GridPos                  struct{ X, Y, W, H int }
}

func read(t *testing.T, name string, into func([]byte) error) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := into(text); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestDashboardShowsMetricsThatThereAre(t *testing.T) {
	var d dashboard
	read(t, "dashboard.json", func(b []byte) error { return json.Unmarshal(b, &d) })
	known := gathered(t)
	addEnvoy(t, known)
	ids := map[int]bool{}
	var all strings.Builder
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is not the first", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: description %q, %d queries, at %+v", p.Title, p.Description, len(p.Targets), p.GridPos)
		}
		for _, target := range p.Targets {
			check(t, p.Title, target.Expr, known)
			all.WriteString(target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if q := strings.TrimPrefix(v.Definition, "label_values"); v.Definition != "" {
			metric, label, _ := strings.Cut(strings.Trim(q, "()"), ", ")
			check(t, v.Name, "count by ("+label+") ("+metric+")", known)
		}
	}
	for name := range known {
		if !strings.HasSuffix(name, "_sum") && strings.HasPrefix(name, "corsgate_") && !strings.Contains(all.String(), name) {
			t.Errorf("%s is nowhere on the dashboard", name)
		}
	}
}

type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func TestAlertsAreAboutMetricsThatThereAre(t *testing.T) {
	var file rules
	read(t, "alerts.yaml", func(b []byte) error { return yaml.Unmarshal(b, &file) })
	known := gathered(t)
	addEnvoy(t, known)
	alerts := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if alerts[r.Alert] || !strings.HasPrefix(r.Alert, "Corsgate") {
				t.Errorf("the name %q", r.Alert)
			}
			alerts[r.Alert] = true
			check(t, r.Alert, r.Expr, known)
			if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: labels %v, annotations %v", r.Alert, r.Labels, r.Annotations)
			}
			for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
				if by := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(r.Expr); by != nil && !strings.Contains(by[1], m[1]) {
					t.Errorf("%s: the text needs the label %s, which %q loses", r.Alert, m[1], by[0])
				}
			}
		}
	}
	if len(alerts) < 8 {
		t.Errorf("only %d alerts", len(alerts))
	}
}

// TestTheCheckFindsMistakes keeps the tests above from passing whatever the
// files say.
func TestTheCheckFindsMistakes(t *testing.T) {
	known := gathered(t)
	for _, expr := range []string{
		`rate(corsgate_decision_total[5m])`, `sum by (origin) (corsgate_decisions_total)`, `corsgate_decisions_total{outcome="x"}`,
		`corsgate_decisions_total{reason="denied"}`, `corsgate_decisions_total{reason=~"request_.*|typo_.*"}`, `sum(corsgate_policies`, `vector(1)`,
		`corsgate_decisions_total unless {__name__=~"corsgate_decision"}`,
	} {
		var found findings
		check(&found, "probe", expr, known)
		if found == 0 {
			t.Errorf("nothing is found in %s", expr)
		}
	}
}
