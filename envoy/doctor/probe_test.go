package doctor_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
)

// setOf loads policies.
func setOf(t *testing.T, text string) *policy.Set {
	t.Helper()
	folder := t.TempDir()
	corsgatetest.WritePolicies(t, folder+"/policies.yaml", text)
	return envoytest.Set(t, folder)
}

// front answers in Envoy's place, and notes what it was asked.
type front struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func startFront(t *testing.T, answer http.HandlerFunc) *front {
	t.Helper()
	f := &front{}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Method+" "+r.Host+r.URL.Path+" "+r.Header.Get("Origin"))
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *front) probe(t *testing.T, text string, unsafe bool) (r doctor.Report) {
	t.Helper()
	u, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(f.Certificate())
	doctor.Prober{URL: u, Policies: setOf(t, text), Unsafe: unsafe, TLS: &tls.Config{RootCAs: pool}}.Probe(t.Context(), &r)
	return r
}

// onePolicy has the host of httptest's certificate.
const onePolicy = `
policies:
- name: one
  hosts: [example.com]
  cors: {allowOrigins: [https://app.example]}
  deniedRequests: block
`

func TestProbeFindsWrongAnswers(t *testing.T) {
	for _, test := range []struct {
		name, policies, seen string
		answer               http.HandlerFunc
		want                 string // begins a finding
	}{
		{"a filter that wants a token", onePolicy, "something refuses before corsgate answers, or Envoy has other policies; browsers block", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 401, and should be 204; access-control-allow-origin is not there, and should be \"https://app.example\""},
		{"an upstream that grants everybody", onePolicy, "somebody else has written it, such as the upstream: a page may read what the policy does not let it",
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
				w.Header().Set("Vary", "Origin")
				if strings.HasSuffix(r.Header.Get("Origin"), ".invalid") || r.Method == http.MethodOptions {
					w.WriteHeader(map[bool]int{true: 403, false: 204}[strings.HasSuffix(r.Header.Get("Origin"), ".invalid")])
				}
			}, "error [probe] GET https://example.com/: for the origin https://corsgate-doctor.invalid: access-control-allow-origin is there, and should not be"},
		{"two values", onePolicy, "browsers compare it with the page's origin or request, and may block or allow wrongly", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Access-Control-Allow-Origin"] = []string{"https://app.example", "*"}
			w.Header().Set("Vary", "Origin")
		}, "error [probe] GET https://example.com/: for the origin https://app.example: access-control-allow-origin is \"https://app.example,*\", and should be \"https://app.example\"\n"},
		{"no Vary", onePolicy, "a cache may hand this answer to a page of another origin, which browsers then block", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		}, "error [probe] GET https://example.com/: for the origin https://app.example: Vary has no Origin\n"},
		{"no Vary for a cache", onePolicy, "a cache may hand this answer to a page, which then reads what it should not, or is blocked", func(http.ResponseWriter, *http.Request) {},
			"warning [probe] GET https://example.com/: for a request without an Origin: Vary has no Origin\n"},
		{"no route", onePolicy, "no route takes the request, or something else answers than corsgate", http.NotFound,
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 404, and should be 204;"},
		{"no route, and a compiled filter", onePolicy, "browsers take it, too: a compiled filter answers so if no route takes the request", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			w.Header().Set("Vary", "Origin")
		}, "error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 200, and should be 204"},
		{"a redirect", onePolicy, "something refuses before corsgate answers, or Envoy has other policies; browsers block", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusFound)
		},
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 302, and should be 204;"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := startFront(t, test.answer).probe(t, test.policies, false)
			if got := text(r); !strings.Contains("\n"+got, "\n"+test.want) {
				t.Errorf("found\n%s", got)
			}
			if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Seen == test.seen }) {
				t.Errorf("nobody sees %q", test.seen)
			}
		})
	}
}

// TestProbeLeavesToTheUpstreamWhatIsItsOwn has policies that touch nothing.
func TestProbeLeavesToTheUpstreamWhatIsItsOwn(t *testing.T) {
	f := startFront(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Access-Control-Allow-Origin", "*") })
	for name, mode := range map[string]string{"off": "mode: \"off\"", "shadow": "mode: shadow", "defer": "upstreamHeaders: defer"} {
		r := f.probe(t, strings.Replace(onePolicy, "deniedRequests: block", mode, 1), false)
		for _, one := range r.Findings {
			if !strings.HasPrefix(one.Place.URL, "OPTIONS") || name != "defer" {
				t.Errorf("%s: %s", name, text(r))
			}
		}
	}
}

func TestProbeSendsWhatItSays(t *testing.T) {
	for _, unsafe := range []bool{false, true} {
		f := startFront(t, func(http.ResponseWriter, *http.Request) {})
		r := f.probe(t, onePolicy, unsafe)
		methods := map[string]int{}
		for _, line := range f.asked {
			method, rest, _ := strings.Cut(line, " ")
			methods[method]++
			if !strings.HasPrefix(rest, "example.com/") {
				t.Errorf("it has asked %s", line)
			}
		}
		if methods["POST"] > 0 != unsafe || methods["OPTIONS"] == 0 || methods["GET"] == 0 || methods["HEAD"] == 0 || len(methods) > 4 || r.Probes != len(f.asked) {
			t.Errorf("unsafe %v: %v, %d probes", unsafe, methods, r.Probes)
		}
	}
}

func TestProbeIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("policies:\n")
	for i := range 200 {
		b.WriteString(strings.NewReplacer("N", strings.Repeat("a", i%50+1)+strings.Repeat("b", i/50)).Replace("- {name: N, hosts: [N.example.com], cors: {allowOrigins: [https://N.example]}}\n"))
	}
	f := startFront(t, func(http.ResponseWriter, *http.Request) {})
	if r := f.probe(t, b.String(), true); r.Probes != 300 || len(r.Findings) != 20 {
		t.Errorf("%d requests, %d findings", r.Probes, len(r.Findings))
	}
	f.Close()
	if r := f.probe(t, b.String(), false); r.Probes != 3 || !slices.Equal(codes(r), []string{"probe-failed"}) {
		t.Errorf("%d requests, %s", r.Probes, text(r))
	}
}
