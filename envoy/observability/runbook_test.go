package observability_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/denied"
)

// TestEachAlertHasItsSection holds the runbook to the alerts: a section for
// each, to which the alert points, with what to look at and what to do.
func TestEachAlertHasItsSection(t *testing.T) {
	var file rules
	read(t, "alerts.yaml", func(b []byte) error { return yaml.Unmarshal(b, &file) })
	sections := runbook(t)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			body, ok := sections[r.Alert]
			if !ok || !strings.Contains(body, "\n- Look") || !strings.Contains(body, "\n- Do: ") {
				t.Errorf("%s has no section with what to look at and what to do", r.Alert)
			}
			if want := "RUNBOOK.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
				t.Errorf("%s points to %q, want %q", r.Alert, r.Annotations["runbook"], want)
			}
			delete(sections, r.Alert)
		}
	}
	delete(sections, "Switching off and back")
	for title := range sections {
		t.Errorf("there is no alert %s", title)
	}
}

// runbook returns the sections by their titles.
func runbook(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		sections[title] = body
	}
	return sections
}

// TestTheRunbookNamesTheFieldWithAnUnknownPolicy holds what it says of /denied to
// what that lists.
func TestTheRunbookNamesTheFieldWithAnUnknownPolicy(t *testing.T) {
	set := policytest.Compile(t, policy.Spec{Name: "api", CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
	r := policy.Request{Method: "GET", Policy: "gone", Origin: "https://app.test"}
	d := set.Decide(&r)
	var tracker denied.Tracker
	tracker.Observe(t.Context(), &r, &d)
	listed, err := json.Marshal(tracker.List())
	if err != nil {
		t.Fatal(err)
	}
	section := runbook(t)["CorsgatePolicyUnknown"]
	for said, field := range map[string]string{"under the policy `\"\"`": `"policy":""`, "`asked` is the name": `"asked":"\"gone\""`} {
		if !strings.Contains(section, said) || !strings.Contains(string(listed), field) {
			t.Errorf("the runbook says %q: %t, and /denied %s", said, strings.Contains(section, said), listed)
		}
	}
}

// TestSwitchesOfTheRunbook reads what it says to write: the policy that touches
// nothing, and the filters to switch off.
func TestSwitchesOfTheRunbook(t *testing.T) {
	section := runbook(t)["Switching off and back"]
	off := regexp.MustCompile("`(\\{name: .*?\\})`").FindStringSubmatch(section)
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(section)
	if off == nil || block == nil {
		t.Fatal("the policy or the configuration is missing")
	}
	loaded := policyfile.Load(fstest.MapFS{"off.yaml": {Data: []byte("policies: [" + off[1] + "]")}}, "")
	for _, d := range loaded.Diagnostics {
		t.Error(d)
	}
	for _, switched := range []string{"`corsgate.static`", "`--without-origin leave`", "`--managed-host`"} {
		if !strings.Contains(section, switched) {
			t.Errorf("it does not say that %s switches requests without an Origin off", switched)
		}
	}
	var host struct {
		Filters map[string]struct{ Disabled bool } `yaml:"typed_per_filter_config"`
	}
	if err := yaml.Unmarshal([]byte(block[1]), &host); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"corsgate.decide", "corsgate.static"} {
		if !host.Filters[name].Disabled {
			t.Errorf("%s is not switched off", name)
		}
	}
}

// TestScrapeConfiguration holds the sample for Prometheus to where corsgate and
// Envoy show their metrics, and to the job that the alerts name.
func TestScrapeConfiguration(t *testing.T) {
	var file struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job    string                       `yaml:"job_name"`
			Path   string                       `yaml:"metrics_path"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	read(t, "prometheus.yaml", func(b []byte) error { return yaml.Unmarshal(b, &file) })
	var got []string
	for _, c := range file.Scrape {
		for _, s := range c.Static {
			got = append(got, c.Job+" "+strings.Join(s.Targets, " ")+c.Path)
		}
	}
	want := []string{"corsgate " + admin.DefaultAddress, "envoy 127.0.0.1:9901/stats/prometheus"}
	if !slices.Equal(file.RuleFiles, []string{"alerts.yaml"}) || !slices.Equal(got, want) {
		t.Errorf("rules of %q, scrapes %q, want %q", file.RuleFiles, got, want)
	}
}

// TestPrometheusTakesTheFiles has Prometheus itself read them.
func TestPrometheusTakesTheFiles(t *testing.T) {
	promtool := tool(t, "promtool")
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", "prometheus.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
