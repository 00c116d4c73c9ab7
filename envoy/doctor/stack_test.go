package doctor_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/feed"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
)

// object is a JSON object.
type object = map[string]any

const policies = `
policies:
- name: app
  hosts: [api.test, "*.shop.test"]
  cors: {allowOrigins: [https://app.example, "https://*.app.example", "http://localhost:*"], allowMethods: [PUT], allowHeaders: [content-type], allowCredentials: true}
- name: public
  hosts: [api.test]
  paths: [/public]
  cors: {allowOrigins: ["*"], exposeHeaders: [etag]}
- name: admin
  hosts: [api.test]
  paths: [/admin]
  cors: {allowOrigins: [https://admin.example]}
  deniedRequests: block-unsafe
`

// stack is what an Envoy needs around it.
type stack struct {
	policies string // the folder
	set      *policy.Set
	service  *corsgatetest.Service
	admin    string // URL of corsgate's admin listener
	upstream string
}

// startStack starts a corsgate that delivers, and an application that grants every origin.
func startStack(t *testing.T, address string) *stack {
	t.Helper()
	s := &stack{policies: t.TempDir()}
	corsgatetest.WritePolicies(t, filepath.Join(s.policies, "policies.yaml"), policies)
	s.set = envoytest.Set(t, s.policies)
	deliver := &ecds.Server{Compiler: corsgatetest.Compiler}
	s.service = corsgatetest.Serve(t, address, s.policies, service.Config{ECDS: deliver, Feed: &feed.Server{}})
	pages := &admin.Server{Reloader: s.service.Reloader, Ready: func() bool { return true }, Envoys: deliver}
	s.admin = serve(t, pages.Handler())
	s.upstream = strings.TrimPrefix(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "x-upstream")
	})), "http://")
	return s
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	envoytest.ServeHTTP(t, &http.Server{Handler: h}, l)
	return "http://" + l.Addr().String()
}

// bootstrap returns the generated bootstrap of an Envoy in the stack, to be changed. It waits
// long, so that a busy machine breaks nothing.
func (s *stack) bootstrap(t *testing.T, c envoy.Config) object {
	t.Helper()
	c.Listen, c.Upstream = "127.0.0.1:0", s.upstream
	if c.Service == "" {
		c.Service = s.service.Address
	}
	if c.Service == "none" {
		c.Service = ""
	}
	if c.MessageTimeout == 0 {
		c.MessageTimeout = envoytest.MessageTimeout
	}
	if c.Profile == envoy.NoTrip && !c.Compiled.ECDS {
		c.Compiled.Folder = t.TempDir()
		envoytest.WriteFilters(t, c, s.set)
	}
	return envoytest.Bootstrap(t, c)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// input reads a running Envoy, as the command does.
func (s *stack) input(t *testing.T, e *envoytest.Running) doctor.Input {
	t.Helper()
	page := func(path string) []byte { return get(t, "http://"+e.Admin+path) }
	return doctor.Input{
		Config: page("/config_dump"), Clusters: page("/clusters?format=json"), Stats: page("/stats"), ServerInfo: page("/server_info"),
		Status: get(t, s.admin+"/status"), Policies: s.set,
	}
}

func get(t *testing.T, page string) []byte {
	t.Helper()
	resp, err := http.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(page, resp.Status, err)
	}
	return text
}

func examine(t *testing.T, in doctor.Input) doctor.Report {
	t.Helper()
	r, err := doctor.Examine(in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// probe sends requests to an Envoy's traffic listener.
func (s *stack) probe(t *testing.T, e *envoytest.Running) (r doctor.Report) {
	t.Helper()
	u, err := url.Parse("http://" + e.Listeners["traffic"])
	if err != nil {
		t.Fatal(err)
	}
	doctor.Prober{URL: u, Policies: s.set, Unsafe: true}.Probe(t.Context(), &r)
	return r
}

// text is a report as a test shows it.
func text(r doctor.Report) string {
	var b bytes.Buffer
	for _, f := range r.Findings {
		b.WriteString(f.Level.String() + " [" + f.Code + "] " + f.Place.String() + ": " + f.What + "\n")
	}
	return b.String()
}

// await waits until what is found in an Envoy is as wanted.
func await(t *testing.T, s *stack, e *envoytest.Running, what string, as func(doctor.Report) bool) (r doctor.Report) {
	t.Helper()
	for start := time.Now(); time.Since(start) < servertest.Patience; time.Sleep(50 * time.Millisecond) {
		if r = examine(t, s.input(t, e)); as(r) {
			return r
		}
	}
	t.Fatalf("want %s, found\n%s", what, text(r))
	return r
}
