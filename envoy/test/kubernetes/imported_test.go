//go:build linux

package kubernetes

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
)

// importedEdge is a Gateway with two listeners, and a route that is there once all are.
const importedEdge = `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: eg
  infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: corsgate-edge}}
  listeners:
  - {name: a, protocol: HTTP, port: 25500, hostname: "*.a.test"}
  - {name: b, protocol: HTTP, port: 25500, hostname: "*.b.test"}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: upstream, namespace: default}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 25502}}]}
`

var seed = flag.Uint64("seed", 1, "what made-up policies and questions follow from")

// TestEnvoyGatewayImported makes up policies and filters, and compares what a browser gets
// from Envoy Gateway's Envoy with what it gets by the imported policies. The report has to
// tell of each difference.
func TestEnvoyGatewayImported(t *testing.T) {
	envoytest.Full(t)
	const hosts = 40
	t.Logf("-seed %d", *seed)
	r := madeUp{rand.New(rand.NewPCG(*seed, 19))}
	objects := importedEdge + ownProxy + r.objects(hosts)

	upstream, err := net.Listen("tcp", upstreamAddress)
	if err != nil {
		t.Fatal(err)
	}
	envoytest.ServeHTTP(t, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, upstream)
	home := t.TempDir()
	put(t, filepath.Join(home, "resources", "all.yaml"), objects)
	startGatewayIn(t, home)
	s := gatewaySide{t}
	for host := range hosts {
		servertest.Await(t, "the routes of "+hostOf(host), func() bool { return s.send("GET", hostOf(host), "/z", nil).Status == 200 })
	}

	compareImported(t, r, hosts, objects)
}

// compareImported asks what pages ask, and holds the imported policies to what the report says.
func compareImported(t *testing.T, r madeUp, hosts int, objects string) {
	t.Helper()
	s := gatewaySide{t}
	imp := importedFrom(t, objects)
	readable, different, untold := 0, 0, 0
	for range 6000 {
		q := r.question(hosts)
		was, is := q.Ask(s.send), q.Ask(imp.send)
		if was.Read {
			readable++
		}
		if was == is {
			continue
		}
		different++
		if imp.tells(q, is.Sent && !was.Sent || is.Read && !was.Read) {
			continue
		}
		if untold++; untold <= 5 {
			t.Errorf("%+v\nEnvoy:    %+v\ncorsgate: %+v\n%s", q, was, is, imp.Report())
		}
	}
	t.Logf("%d policies; %d answers were readable, %d differ", len(imp.Policies), readable, different)
	if readable < 100 {
		t.Error("hardly anybody was allowed anything: nothing was compared")
	}
}

// madeUp makes up objects and questions.
type madeUp struct{ *rand.Rand }

func pick[T any](r madeUp, of ...T) T { return of[r.IntN(len(of))] }

// some returns a list in YAML of some of the texts, each once.
func (r madeUp) some(texts ...string) string {
	r.Shuffle(len(texts), func(i, k int) { texts[i], texts[k] = texts[k], texts[i] })
	return `["` + strings.Join(texts[:1+r.IntN(len(texts))], `", "`) + `"]`
}

func hostOf(i int) string { return fmt.Sprintf("h%d.%s.test", i, []string{"a", "b"}[i%2]) }

// objects makes up routes with filters, and policies for them and for the Gateway. They
// name their targets: an Envoy Gateway without Kubernetes keeps no labels to select by.
func (r madeUp) objects(hosts int) string {
	var b strings.Builder
	policy := func(name, target string) {
		merge := pick(r, "", "", "  mergeType: StrategicMerge\n")
		if !strings.Contains(target, "HTTPRoute") {
			merge = ""
		}
		fmt.Fprintf(&b, "---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: %s, namespace: default}\nspec:\n  %s\n%s  cors: %s\n", name, target, merge, r.cors(false))
	}
	for i := range hosts {
		fmt.Fprintf(&b, "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: h%d, namespace: default}\nspec:\n  parentRefs: [{name: edge}]\n  hostnames: [%s]\n  rules:\n", i, hostOf(i))
		for k, match := range []string{"{path: {value: /a}}", "{path: {value: /a/b}}", "{path: {type: Exact, value: /c}}", "{path: {value: /}}"} {
			if k < 3 && r.IntN(2) == 0 {
				continue
			}
			filters := ""
			if r.IntN(3) == 0 {
				filters = fmt.Sprintf("    filters: [{type: CORS, cors: %s}]\n", r.cors(true))
			}
			fmt.Fprintf(&b, "  - name: r%d\n    matches: [%s]\n%s    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: upstream}]\n", k, match, filters)
		}
		if r.IntN(2) == 0 {
			policy(fmt.Sprintf("route-%d", i), fmt.Sprintf("targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: h%d}]", i))
		}
		if r.IntN(3) == 0 {
			policy(fmt.Sprintf("rule-%d", i), fmt.Sprintf("targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: h%d, sectionName: r3}]", i))
		}
	}
	policy("gateway", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]")
	if r.IntN(2) == 0 {
		policy("listener", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: b}]")
	}
	return b.String()
}

// cors makes up what a CORS filter or a policy says.
func (r madeUp) cors(filter bool) string {
	origins := []string{"https://app.example", "https://*.app.example", "http://localhost:3000", "https://App.example", "https://app.example:443", "http://*.app.example:8080"}
	if r.IntN(4) == 0 {
		origins = []string{"https://*", "https://*:8443"}
	}
	fields := []string{"allowOrigins: " + r.some(origins...)}
	if r.IntN(6) == 0 {
		fields[0] = `allowOrigins: ["*"]`
	}
	if r.IntN(3) > 0 {
		fields = append(fields, "allowMethods: "+pick(r, r.some("GET", "PUT", "DELETE", "OPTIONS"), `["*"]`))
	}
	if r.IntN(3) > 0 {
		fields = append(fields, "allowHeaders: "+pick(r, r.some("x-a", "X-B", "authorization", "origin"), `["*"]`))
	}
	if r.IntN(2) == 0 {
		fields = append(fields, fmt.Sprintf("allowCredentials: %v", r.IntN(2) == 0))
	}
	if r.IntN(3) == 0 {
		age := pick(r, "10m", "0s", "100h")
		if filter {
			age = pick(r, "1", "600", "360000")
		}
		fields = append(fields, "maxAge: "+age)
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// question makes up what a page asks for.
func (r madeUp) question(hosts int) importertest.Page {
	q := importertest.Page{Host: hostOf(r.IntN(hosts)), Path: pick(r, "/", "/a", "/a/", "/a/b/c", "/ab", "/c", "/c/d", "/z", "/a?b=c")}
	q.Request = browser.Request{
		Engine: browser.Firefox,
		Origin: pick(r, "https://app.example", "https://app.example", "https://www.app.example", "https://a.b.app.example", "http://app.example", "https://app.example:8443",
			"http://www.app.example:8080", "http://localhost:3000", "https://evilapp.example", "https://app.example.evil.test", "null"),
		Target: "http://" + q.Host, Method: pick(r, "GET", "POST", "PUT", "DELETE", "PATCH"), Credentials: pick(r, browser.Omit, browser.Include),
	}
	for _, name := range []string{"x-a", "x-b", "authorization"} {
		if r.IntN(4) == 0 {
			q.Headers = append(q.Headers, browser.Header{Name: name, Value: "1"})
		}
	}
	return q
}

// gatewaySide is Envoy Gateway's Envoy.
type gatewaySide struct{ t *testing.T }

func (s gatewaySide) send(method, host, path string, headers browser.Headers) browser.Response {
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://127.0.0.1:25500"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = host
	for _, h := range headers {
		req.Header.Set(h.Name, h.Value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return browser.Response{}
	}
	defer resp.Body.Close()
	return browser.Response{Status: resp.StatusCode, Headers: linesOf(resp.Header)}
}

func linesOf(values map[string][]string) (lines browser.Headers) {
	for name, list := range values {
		for _, value := range list {
			lines = append(lines, browser.Header{Name: name, Value: value})
		}
	}
	return lines
}

// policySide is what came of the import.
type policySide struct {
	importer.Result
	set *policy.Set
	// send goes through corsgate to an upstream without CORS headers.
	send importertest.Send
}

func importedFrom(t *testing.T, objects string) *policySide {
	t.Helper()
	configs, err := importer.Read(importer.Auto, []source.File{{Path: "all.yaml", Text: []byte(objects)}})
	if err != nil {
		t.Fatal(err)
	}
	imp := &policySide{Result: importer.Translate(importer.Options{}, configs...)}
	imp.send = importertest.Through(t, imp.Policies, importertest.Application)
	imp.set = policy.Compile(policyfile.Examine(imp.Policies, func(policy.Problem) {}))
	return imp
}

// isOf reports whether a policy lists a host.
func (imp *policySide) isOf(name, host string) bool {
	return slices.ContainsFunc(imp.Policies, func(s policy.Spec) bool { return s.Name == name && slices.Contains(s.Hosts, host) })
}

// tells reports whether the report tells of a difference: of the path, or of an entry of the
// policy that allows another origin than before.
func (imp *policySide) tells(q importertest.Page, wider bool) bool {
	d := imp.set.Decide(&policy.Request{Method: http.MethodGet, Authority: q.Host, Path: q.Path, Origin: q.Origin})
	path, _, _ := strings.Cut(q.Path, "?")
	return slices.ContainsFunc(imp.Findings, func(f source.Finding) bool {
		switch {
		case f.Field == "paths" && strings.HasPrefix(path, f.Value):
			return imp.isOf(f.Policy, q.Host)
		case f.Policy != d.Policy:
			return false
		case wider:
			return f.Origin == q.Origin && (f.Fidelity == source.Equal || f.Fidelity == source.Widened)
		}
		return f.Fidelity == source.Narrowed && strings.HasPrefix(f.Field, "allowOrigins") || f.Value == "*" && q.Origin == "null"
	})
}
