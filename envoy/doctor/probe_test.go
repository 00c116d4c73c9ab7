package doctor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func (f *front) port() string { return f.URL[strings.LastIndexByte(f.URL, ':')+1:] }

func (f *front) probe(t *testing.T, text string, unsafe bool) (r doctor.Report) {
	t.Helper()
	p := f.prober(t, text)
	p.Unsafe = unsafe
	p.Probe(t.Context(), &r)
	return r
}

func (f *front) prober(t *testing.T, text string) doctor.Prober {
	t.Helper()
	u, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(f.Certificate())
	return doctor.Prober{URL: u, Policies: setOf(t, text), TLS: &tls.Config{RootCAs: pool}}
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
		{"a port that is not known", onePolicy, "browsers write the port, if they ask this listener themselves and no load balancer is in between: something refuses before corsgate answers, or Envoy has other policies; browsers block", func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Host, ":") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			right(w, r)
		}, "note [probe-port] OPTIONS https://example.com:PORT/: with the port in the host, for the origin https://app.example: the status is 403, and should be 204;"},
		{"another answer with the right headers", onePolicy, "browsers take it, too, but something else answers than corsgate", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			w.Header().Set("Vary", "Origin")
			w.WriteHeader(206)
		}, "error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 206, and should be 204\n"},
		{"no cookies", strings.Replace(onePolicy, "]}", "], allowCredentials: true}", 1), "browsers block requests with cookies or other credentials, which the policy allows", right,
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: access-control-allow-credentials is not there"},
		{"no methods", strings.Replace(onePolicy, "]}", "], allowMethods: [PUT]}", 1), "browsers block requests with methods or headers that the policy allows", right,
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: access-control-allow-methods is not there"},
		{"nothing is exposed", strings.Replace(onePolicy, "]}", "], exposeHeaders: [etag]}", 1), "pages can read other headers of answers than the policy says", right,
			"error [probe] GET https://example.com/: for the origin https://app.example: access-control-expose-headers is not there"},
		{"preflights are not kept", strings.Replace(onePolicy, "]}", "], maxAge: 10m}", 1), "browsers send preflights more often or more seldom than the policy says", right,
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: access-control-max-age is not there"},
		{"switched off", onePolicy, "browsers block what the policy allows", func(http.ResponseWriter, *http.Request) {},
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 200, and should be 204; access-control-allow-origin is not there"},
		{"another answer to preflights", onePolicy, "browsers block what the policy allows", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206) },
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 206, and should be 204; access-control-allow-origin is not there"},
		{"a redirect", onePolicy, "something refuses before corsgate answers, or Envoy has other policies; browsers block", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusFound)
		},
			"error [probe] OPTIONS https://example.com/: for the origin https://app.example: the status is 302, and should be 204;"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := startFront(t, test.answer)
			r := f.probe(t, test.policies, false)
			if got := strings.ReplaceAll(text(r), f.port(), "PORT"); !strings.Contains("\n"+got, "\n"+test.want) {
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
			if !strings.HasPrefix(rest, "example.com/") && line != "OPTIONS "+"example.com:"+f.port()+"/ https://app.example" {
				t.Errorf("it has asked %s", line)
			}
		}
		if methods["POST"] > 0 != unsafe || methods["OPTIONS"] == 0 || methods["GET"] == 0 || methods["HEAD"] == 0 || len(methods) > 4 || r.Probes != len(f.asked) {
			t.Errorf("unsafe %v: %v, %d probes", unsafe, methods, r.Probes)
		}
	}
}

// right answers as corsgate does for onePolicy.
func right(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	allowed := r.Header.Get("Origin") == "https://app.example"
	if allowed {
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
	}
	switch {
	case allowed && r.Method == http.MethodOptions:
		w.Header().Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
		w.WriteHeader(http.StatusNoContent)
	case !allowed && r.Header.Get("Origin") != "":
		w.WriteHeader(http.StatusForbidden)
	}
}

// many are 200 policies.
func many() string {
	var b strings.Builder
	b.WriteString("policies:\n")
	for i := range 200 {
		b.WriteString(strings.NewReplacer("N", strings.Repeat("a", i%50+1)+strings.Repeat("b", i/50)).Replace("- {name: N, hosts: [N.example.com], cors: {allowOrigins: [https://N.example]}}\n"))
	}
	return b.String()
}

// TestProbeAsksSeveralAtOnce has an application that answers as soon as it has been asked
// some times.
func TestProbeAsksSeveralAtOnce(t *testing.T) {
	var mu sync.Mutex
	asked, open, most := 0, 0, 0
	some := make(chan struct{})
	f := startFront(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked, open = asked+1, open+1
		most = max(most, open)
		if asked == 8 {
			close(some)
		}
		mu.Unlock()
		select {
		case <-some:
		case <-r.Context().Done():
		}
		mu.Lock()
		open--
		mu.Unlock()
	})
	r := f.probe(t, many(), false)
	if slices.Contains(codes(r), "probe-failed") || r.Probes != asked || most != 8 {
		t.Errorf("%d of %d requests, %d at once: %s", r.Probes, asked, most, text(r))
	}
}

// TestSlowAnswersAreNotAccused ends the time when some requests have right answers, or none.
func TestSlowAnswersAreNotAccused(t *testing.T) {
	for _, test := range []struct {
		answered int
		want     string
	}{
		{3, "note [probe-unfinished] URL: 3 of 8 requests were answered within 1m0s, and one may take a quarter of that\n"},
		{0, "error [probe-failed] OPTIONS https://example.com/: none of the 8 requests was answered within 1m0s\n"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var left atomic.Int32
		left.Store(int32(test.answered))
		f := startFront(t, func(w http.ResponseWriter, r *http.Request) {
			if left.Add(-1) >= 0 {
				right(w, r)
				return
			}
			if test.answered == 0 {
				cancel()
			}
			<-r.Context().Done()
		})
		p := f.prober(t, onePolicy)
		p.Progress = func(done, _ int) {
			if done == test.answered {
				cancel()
			}
		}
		var r doctor.Report
		p.Probe(ctx, &r)
		if got := strings.Replace(text(r), f.URL, "URL", 1); got != test.want {
			t.Errorf("found %s, want %s", got, test.want)
		}
		if slices.Contains(codes(r), "probe-unfinished") && r.Findings[0].Write != "--probe-timeout 5m0s" {
			t.Errorf("it says to write %s", r.Findings[0].Write)
		}
	}
}

// TestPortIsNotAccused has a front door that is wrong for the host with the port, alone or
// for the host without it, too.
func TestPortIsNotAccused(t *testing.T) {
	two := strings.Replace(onePolicy, "policies:", "policies:\n- {name: two, hosts: [two.example.com], cors: {allowOrigins: [https://app.example]}, deniedRequests: block}", 1)
	for _, broken := range []bool{false, true} {
		f := startFront(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Host, ":") || broken {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			right(w, r)
		})
		p := f.prober(t, two)
		p.TLS.ServerName = "example.com"
		var r doctor.Report
		p.Probe(t.Context(), &r)
		if noted := slices.Contains(codes(r), "probe-port"); noted == broken || noted && (len(r.Findings) != 1 || !strings.Contains(text(r), " (and 1 more of this kind)")) {
			t.Errorf("broken %v: found %s", broken, text(r))
		}
	}
}

// TestPortOfTheListenerIsAsked has a policy without hosts: its requests have the listener's
// own host, and are accused.
func TestPortOfTheListenerIsAsked(t *testing.T) {
	f := startFront(t, func(http.ResponseWriter, *http.Request) {})
	if r := f.probe(t, strings.Replace(onePolicy, "  hosts: [example.com]\n", "", 1), false); !slices.Equal(codes(r), []string{"probe"}) || r.Errors == 0 {
		t.Errorf("found %s", text(r))
	}
}

func TestProbeIsBounded(t *testing.T) {
	f := startFront(t, func(http.ResponseWriter, *http.Request) {})
	if r := f.probe(t, many(), true); r.Probes != 300 || len(r.Findings) != 20 {
		t.Errorf("%d requests, %d findings", r.Probes, len(r.Findings))
	}
	f.Close()
	if r := f.probe(t, many(), false); r.Probes < 3 || r.Probes > 10 || len(r.Findings) != 1 || !slices.Equal(codes(r), []string{"probe-failed"}) {
		t.Errorf("%d requests, %s", r.Probes, text(r))
	}
}
