package differential

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/feed"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

// messageTimeout is how long Envoy waits for an answer: no exchange is to miss it.
const messageTimeout = 30 * time.Second

// object is a JSON object of a bootstrap.
type object = map[string]any

// stack is an Envoy with the upstream, and with corsgate.
type stack struct {
	variant
	config   envoy.Config
	asks     func(*policy.Request) (bool, error) // of what is compiled, without shards
	upstream *upstream
	handler  *wire.Handler
	asked    *asked
	told     *asked // by the feed
	feed     *feed.Server
	cut      uint64 // of what it told, not all
	log      *accessLog
	envoy    *envoytest.Running
}

// start starts the Envoy with the policies of w.
func start(t *testing.T, v variant, w *world) *stack {
	t.Helper()
	s := &stack{variant: v, upstream: startUpstream(t), asked: &asked{}, log: &accessLog{path: filepath.Join(t.TempDir(), "access.log")}}
	s.handler, s.told = &wire.Handler{Observer: s.asked}, &asked{}
	s.feed = &feed.Server{Observer: s.told}
	s.config = envoy.Config{
		Profile: envoy.NoTrip, Listen: "127.0.0.1:0", Upstream: s.upstream.address, AllowCustomMethods: true,
		MessageTimeout: messageTimeout, Compiled: v.compiled,
	}
	s.config.Compiled.Folder = t.TempDir()
	switch v.service {
	case serves:
		s.config.Service = serve(t, s.handler, s.feed)
	case dead:
		s.config.Service = envoytest.FreeAddress()
	}
	s.load(t, w)
	b := envoytest.Bootstrap(t, s.config)
	s.amend(b)
	doc, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	s.envoy = envoytest.Start(t, doc)
	return s
}

// serve serves both protocols, and the feed, on an address until the test ends.
func serve(t *testing.T, h *wire.Handler, f *feed.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	desc, impl := f.Service()
	s := &server.Server{Listener: l, Handler: h, Services: []server.Service{{Desc: desc, Impl: impl}}}
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("corsgate: %v", err)
		}
	})
	return l.Addr().String()
}

// amend takes health checks out of a bootstrap, lets WebSockets over HTTP/2 through,
// adds the hosts for which Envoy names the policy, and has the log written to a file.
func (s *stack) amend(b object) {
	for _, cluster := range b["static_resources"].(object)["clusters"].([]any) {
		delete(cluster.(object), "health_checks")
	}
	m := envoytest.Manager(b)
	m["access_log"].([]any)[0] = s.log.config()
	m["http2_protocol_options"] = object{"allow_connect": true}
	m["normalize_path"] = !s.asWritten
	routes := m["route_config"].(object)
	hosts := routes["virtual_hosts"].([]any)
	for domain, name := range s.named {
		hosts = append(hosts, naming(domain, name, hosts[0].(object)["routes"].([]any)[0].(object)))
	}
	routes["virtual_hosts"] = hosts
}

// naming returns a virtual host that names a policy, or whose route does.
func naming(domain, policy string, route object) object {
	names := object{"filter_metadata": object{"corsgate": object{"policy": policy}}}
	host := object{"name": domain, "domains": []any{domain}}
	if domain == namedByRoute {
		route = maps.Clone(route)
		route["metadata"] = names
	} else {
		host["metadata"] = names
	}
	host["routes"] = []any{route}
	return host
}

// load gives the policies of w to corsgate and to Envoy.
func (s *stack) load(t *testing.T, w *world) {
	t.Helper()
	servertest.Prepare(t, s.handler, w.set)()
	servertest.Prepare(t, s.feed, w.set)()
	filters, err := s.config.Compile(w.set)
	if err != nil {
		t.Fatal(err)
	}
	unsharded := s.config
	unsharded.Compiled.Shards = 1
	whole, err := unsharded.Compile(w.set)
	if err != nil {
		t.Fatal(err)
	}
	if s.asks, err = whole.Resources[0].Asks(); err != nil {
		t.Fatal(err)
	}
	if err := envoy.WriteFilters(s.config.Compiled.Folder, filters); err != nil {
		t.Fatal(err)
	}
	if s.envoy != nil {
		servertest.Await(t, "Envoy has the policies", func() bool { return s.has(t, filters) })
	}
}

// has reports whether the Envoy runs these filters.
func (s *stack) has(t *testing.T, filters *notrip.Result) bool {
	t.Helper()
	resp, err := http.Get("http://" + s.envoy.Admin + "/config_dump?resource=ecds_filters&mask=ecds_filter.name,version_info")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	dump, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range filters.Resources {
		if !strings.Contains(string(dump), r.Version) {
			return false
		}
	}
	return true
}

// asked are the requests that corsgate was asked about. It is safe for concurrent use.
type asked struct {
	mu       sync.Mutex
	requests map[policy.Request]int
}

// Observe implements server.Observer.
func (a *asked) Observe(_ context.Context, r *policy.Request, _ *policy.Decision) {
	kept := policy.Request{
		Policy: strings.Clone(r.Policy), Method: strings.Clone(r.Method), Authority: strings.Clone(r.Authority), Path: strings.Clone(r.Path),
		Origin: strings.Clone(r.Origin), RequestMethod: strings.Clone(r.RequestMethod), RequestHeaders: strings.Clone(r.RequestHeaders),
		RequestPrivateNetwork: strings.Clone(r.RequestPrivateNetwork), SecFetchSite: strings.Clone(r.SecFetchSite),
		Upgrade: strings.Clone(r.Upgrade), Protocol: strings.Clone(r.Protocol),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests[kept]++
}

// awaitTold waits until the feed has told all of the requests, whose decisions Envoy took
// by itself, and reports what it has told besides, and what Decide does not agree with.
func (s *stack) awaitTold(t *testing.T, requests []policy.Request) {
	t.Helper()
	for _, r := range requests {
		if asTold(&r) {
			s.cut++
		}
		servertest.Await(t, fmt.Sprintf("the feed tells %+.1000q", r), func() bool { return s.told.take(r) })
	}
	servertest.Await(t, "all but what is cut is decided again", func() bool { return s.feed.Count(feed.Unverifiable) == s.cut })
	for _, r := range s.told.left() {
		t.Errorf("the feed tells what Envoy has not decided: %+q", r)
	}
	for _, o := range []feed.Outcome{feed.Disagreed, feed.Refused} {
		if n := s.feed.Count(o); n > 0 {
			t.Errorf("of what the feed tells, %d are %v", n, o)
		}
	}
}

// asTold makes r what the feed tells of it, and reports whether something is cut.
func asTold(r *policy.Request) (cut bool) {
	r.Path, _, _ = strings.Cut(r.Path, "?")
	r.SecFetchSite, _, _ = strings.Cut(r.SecFetchSite, ",") // of several lines, which decide nothing then
	values := map[string]*string{
		"host": &r.Authority, "path": &r.Path, "method": &r.Method, "origin": &r.Origin, "request_method": &r.RequestMethod,
		"request_headers": &r.RequestHeaders, "request_private_network": &r.RequestPrivateNetwork,
		"sec_fetch_site": &r.SecFetchSite, "upgrade": &r.Upgrade, "protocol": &r.Protocol,
	}
	for _, in := range contract.FedInputs() {
		value := values[in.Key]
		cut = cut || len(*value) >= in.Most
		*value = (*value)[:min(len(*value), in.Most)]
	}
	return cut
}

// reset forgets what was asked.
func (a *asked) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = map[policy.Request]int{}
}

// take reports whether r was asked about, and crosses it off.
func (a *asked) take(r policy.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.requests[r] == 0 {
		return false
	}
	if a.requests[r]--; a.requests[r] == 0 {
		delete(a.requests, r)
	}
	return true
}

// left are the requests that were not crossed off.
func (a *asked) left() []policy.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []policy.Request
	for r := range a.requests {
		list = append(list, r)
	}
	return list
}

// logLine is what the access log tells of an exchange.
type logLine struct {
	Case, Method, Path, Upgrade, Protocol, Details string
	Policy, Reason                                 string
	ShadowPolicy                                   string `json:"shadow_policy"`
	ShadowReason                                   string `json:"shadow_reason"`
	ShadowDiffers                                  bool   `json:"shadow_differs"`
}

// accessLog reads a growing access log.
type accessLog struct {
	path string
	read int64
}

// config is the configuration of an access logger.
func (l *accessLog) config() object {
	format := object{"case": "%REQ(" + caseHeader + ")%", "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%",
		"upgrade": "%REQ(UPGRADE)%", "protocol": "%REQ(:PROTOCOL)%", "details": "%RESPONSE_CODE_DETAILS%"}
	for _, key := range []string{"policy", "reason", "shadow_policy", "shadow_reason", "shadow_differs"} {
		format[key] = "%DYNAMIC_METADATA(corsgate:" + key + ")%"
	}
	return object{"name": "envoy.access_loggers.file", "typed_config": object{
		"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
		"path":  l.path, "log_format": object{"omit_empty_values": true, "json_format": format},
	}}
}

// more returns the lines that have come since the last call.
func (l *accessLog) more(t *testing.T) (lines []logLine) {
	t.Helper()
	file, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, l.read, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		l.read += int64(len(line))
		var parsed logLine
		if err := json.Unmarshal([]byte(line), &parsed); err != nil {
			t.Fatal(fmt.Errorf("%w: %s", err, line))
		}
		lines = append(lines, parsed)
	}
	return lines
}
