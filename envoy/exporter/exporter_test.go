package exporter

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3" // its messages are in what is decoded
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/prove"
)

var update = flag.Bool("update", false, "rewrite what testdata/policies.yaml is exported to")

// load returns the policies of testdata/policies.yaml.
func load(t *testing.T) Policies {
	t.Helper()
	r := policyfile.Load(os.DirFS("testdata/policies"), "policies")
	if r.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	return Policies{Specs: r.Policies.Specs(), Locate: func(spec int, field string) source.Place {
		d := r.Locate(spec, field)
		return source.Place{File: filepath.ToSlash(d.File), Line: d.Line, Column: d.Column}
	}}
}

// TestExports holds what policies with every setting are exported to, and what is told
// of it.
func TestExports(t *testing.T) {
	for _, to := range Targets() {
		t.Run(string(to), func(t *testing.T) {
			r, err := Export(to, load(t))
			if err != nil {
				t.Fatal(err)
			}
			var report strings.Builder
			for _, f := range r.Findings {
				fmt.Fprintf(&report, "%s: %s [%s %s] %q: %s (%s) %s\n", f.Place, f.Fidelity, f.Policy, f.Field, f.Value, f.Message, f.Hint, f.Origin)
			}
			golden(t, string(to)+".yaml", string(r.Document))
			golden(t, string(to)+".txt", report.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update to accept\n%s", name, got)
	}
}

// TestEnvoyKnowsEveryField decodes what is for Envoy into Envoy's own messages.
func TestEnvoyKnowsEveryField(t *testing.T) {
	r, err := Export(Envoy, load(t))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(r.Document, &doc); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, &hcm.HttpConnectionManager{}); err != nil {
		t.Error(err)
	}
}

// meaning is what a target takes an entry for, as a regex over whole origins.
var meaning = map[Target]func(o origin) string{
	Envoy:        func(o origin) string { return literalOr(o) },
	Istio:        func(o origin) string { return literalOr(o) },
	EnvoyGateway: func(o origin) string { return strings.ReplaceAll(regexp.QuoteMeta(o.text), `\*`, `.*`) },
	GatewayAPI: func(o origin) string { // a star is labels before a domain, or any host
		return strings.NewReplacer(`\*\.`, `([^/:]+\.)+`, `\*`, `(\[[^/]*\]|[^/:]+)`).Replace(regexp.QuoteMeta(o.text))
	},
}

func literalOr(o origin) string {
	if o.isRegex {
		return o.text
	}
	return regexp.QuoteMeta(o.text)
}

// TestNoOriginIsAddedOrLeftOutInSilence proves, for made-up policies, that what a target
// takes the exported origins for is what the policy allows, or less if the report says so.
func TestNoOriginIsAddedOrLeftOutInSilence(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	narrowed := map[Target]int{}
	for range 60 {
		s := policy.Spec{Name: "a", CORS: policy.CORS{AllowOrigins: randomOrigins(random)}}
		var patterns []policy.Pattern
		for _, text := range s.CORS.AllowOrigins {
			p, err := policy.ParsePattern(text)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
		for to, means := range meaning {
			e := exporter{target: targets[to], policies: Policies{Specs: []policy.Spec{s}, Locate: func(int, string) source.Place { return source.Place{} }}}
			r := e.rule(0)
			exprs := []string{`[^\x00-\x7f]`}
			for _, o := range r.origins {
				exprs = append(exprs, means(o))
				if re := regexp.MustCompile("^(?:" + o.text + ")$"); o.isRegex && re.MatchString("*") {
					t.Errorf("%s: %s matches *", to, o.text)
				}
			}
			lost, added, err := prove.Compare(prove.Regex{Expr: prove.Expression(patterns)}, prove.Regex{Expr: strings.Join(exprs, "|")})
			if err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(e.findings, func(f source.Finding) bool { return f.Fidelity == source.Narrowed })
			if added != "" || lost != "" && !told {
				t.Errorf("%s of %q: %q lost, %q added, told: %v", to, s.CORS.AllowOrigins, lost, added, told)
			}
			if told {
				narrowed[to]++
			}
		}
	}
	if narrowed[Envoy] > 0 || narrowed[GatewayAPI] == 0 || narrowed[EnvoyGateway] == 0 {
		t.Errorf("narrowed: %v", narrowed)
	}
}

func randomOrigins(random *rand.Rand) []string {
	var list []string
	for range 1 + random.IntN(3) {
		forms := []string{
			"https://a.example", "http://a.example:8080", "https://*.a.example", "https://*.a.example:8443", "https://app-*.b.example", "http://localhost:*",
			"https://*", "https://*:8443", "https://*:*", "http://[::1]:3000", "http://127.0.0.1:*", "https://a_b.example", "https://d.example.", "capacitor://localhost",
			"app://.", "chrome-extension://*", "app://*.a.example", "https://*.c.example:*",
		}
		list = append(list, forms[random.IntN(len(forms))])
	}
	return list
}

// TestRegexesStayAsNarrow holds that a regex is exported as it is only if Envoy takes it for
// no more than a policy does.
func TestRegexesStayAsNarrow(t *testing.T) {
	for expr, want := range map[string]string{
		`https://.*\.example\.com`:        `https://(?:[a-z0-9_-]+\.)+example\.com`, // proved to be the pattern
		`https://r[0-9]+\.example`:        `https://r[0-9]+\.example`,
		`.*`:                              `https://` + anyHostAndPort + ` http://` + anyHostAndPort, // it matches "*"
		`null|https://r[0-9]+\.example`:   ``,                                                        // it matches "null"
		`(file|https)://r[0-9]+\.example`: ``,                                                        // anybody can write file:// pages
		`(file|https)://(a|r[0-9])\.x\.example`: `https://a.x.example https://r0.x.example https://r1.x.example https://r2.x.example https://r3.x.example https://r4.x.example ` +
			`https://r5.x.example https://r6.x.example https://r7.x.example https://r8.x.example https://r9.x.example`,
		`https://a\.example/`: ``, // no origin
	} {
		s := policy.Spec{Name: "a", CORS: policy.CORS{AllowOriginRegexes: []string{expr}}}
		e := exporter{target: targets[Envoy], policies: Policies{Specs: []policy.Spec{s}, Locate: func(int, string) source.Place { return source.Place{} }}}
		if got := strings.Join(e.rule(0).texts(), " "); got != want {
			t.Errorf("%s becomes %s, want %s", expr, got, want)
		}
	}
}

const anyHostAndPort = `(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:]+\])(?::[0-9]+)?`
