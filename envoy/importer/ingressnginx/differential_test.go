package ingressnginx_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/ingressnginx"
	"github.com/corsgate/corsgate/envoy/importer/nginx/nginxtest"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy/browser"
)

// annotations are the values that the controller arrives at, and how they are written.
type annotations struct {
	origins                          []string
	methods, headers, expose, maxAge string
	credentials                      bool
	written                          string
}

// set returns one of some values, and writes an annotation unless it is the default.
func (a *annotations) set(r *rand.Rand, name, byDefault string, of ...string) string {
	if r.IntN(3) == 0 {
		return byDefault
	}
	value := of[r.IntN(len(of))]
	a.written += fmt.Sprintf("    nginx.ingress.kubernetes.io/%s: %q\n", name, value)
	return value
}

func random(r *rand.Rand) annotations {
	a := annotations{written: "    nginx.ingress.kubernetes.io/enable-cors: \"true\"\n"}
	list := a.set(r, "cors-allow-origin", "*", "*", "https://app.example.com", "https://app.example.com, http://localhost:3000", "https://*.example.com", "https://*.example.com:8443,https://App.Example.org", "null,https://example.com")
	for entry := range strings.SplitSeq(list, ",") {
		a.origins = append(a.origins, strings.TrimSpace(entry))
	}
	a.methods = a.set(r, "cors-allow-methods", "GET, PUT, POST, DELETE, PATCH, OPTIONS", "GET, POST", "PUT", "GET,DELETE, OPTIONS", "GET PUT")
	a.headers = a.set(r, "cors-allow-headers", "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization", "X-Token", "Content-Type, Authorization", "X-Token Content-Type")
	a.credentials = a.set(r, "cors-allow-credentials", "true", "true", "false") == "true"
	a.expose = a.set(r, "cors-expose-headers", "", "X-Total", "X-Page, X-Total", "X-Page X-Total")
	a.maxAge = a.set(r, "cors-max-age", "1728000", "600")
	return a
}

// render is the template "CORS" of rootfs/etc/nginx/template/nginx.tmpl, with
// buildCorsOriginRegex of internal/ingress/controller/template/template.go, in
// kubernetes/ingress-nginx at dbb11b92ddb7.
func (a annotations) render() string {
	headers := "more_set_headers 'Access-Control-Allow-Origin: $http_origin';\n"
	if a.credentials {
		headers += "more_set_headers 'Access-Control-Allow-Credentials: true';\n"
	}
	headers += "more_set_headers 'Access-Control-Allow-Methods: " + a.methods + "';\nmore_set_headers 'Access-Control-Allow-Headers: " + a.headers + "';\n"
	if a.expose != "" {
		headers += "more_set_headers 'Access-Control-Expose-Headers: " + a.expose + "';\n"
	}
	headers += "more_set_headers 'Access-Control-Max-Age: " + a.maxAge + "';\n"

	origins := "set $http_origin *;\nset $cors 'true';\n"
	if !slices.Equal(a.origins, []string{"*"}) {
		var all []string
		for _, o := range a.origins {
			all = append(all, "("+strings.Replace(regexp.QuoteMeta(o), `\*`, `[A-Za-z0-9\-]+`, 1)+")")
		}
		origins = "if ($http_origin ~* (" + strings.Join(all, "|") + ")$ ) { set $cors 'true'; }\n"
	}
	return origins + "if ($request_method = 'OPTIONS') {\n set $cors ${cors}options;\n}\nif ($cors = \"true\") {\n" + headers + "}\nif ($cors = \"trueoptions\") {\n" +
		headers + "more_set_headers 'Content-Type: text/plain charset=UTF-8';\nmore_set_headers 'Content-Length: 0';\nreturn 204;\n}\n"
}

// TestDifferential asks nginx with what the controller writes, and the imported policies.
func TestDifferential(t *testing.T) {
	nginxtest.Missing(t)
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		a := random(r)
		t.Run(fmt.Sprint(seed), func(t *testing.T) { differ(t, r, a) })
	}
}

func differ(t *testing.T, r *rand.Rand, a annotations) {
	input := "kind: Ingress\nmetadata:\n  name: shop\n  annotations:\n" + a.written +
		"spec:\n  rules:\n  - host: a.test\n    http:\n      paths:\n      - {path: /api, pathType: Prefix}\n"
	result, through := importertest.Import(t, ingressnginx.Read, input)
	location := a.render() + "proxy_pass UPSTREAM;\n}\n"
	ask := nginxtest.Start(t, "server {\nlisten LISTEN;\nserver_name a.test;\nlocation \"/api/\" {\n"+location+"location = \"/api\" {\n"+location+"location / { proxy_pass UPSTREAM; }\n}\nserver {\nlisten LISTEN;\nserver_name other.test;\nlocation / { proxy_pass UPSTREAM; }\n}\n")
	pick := func(of ...string) string { return pick(r, of...) }
	for range 100 {
		page := importertest.Page{Host: pick("a.test", "a.test", "other.test"), Path: pick("/api", "/api/x", "/apix", "/")}
		page.Origin, page.Target = pick("https://app.example.com", "http://localhost:3000", "https://a.b.example.com", "https://x.example.com:8443", "https://app.example.org", "https://example.com", "null", "https://evilexample.com", "https://other.test"), "http://"+page.Host
		page.Method = pick("GET", "POST", "PUT", "DELETE", "PATCH")
		page.Credentials = []browser.Credentials{browser.Omit, browser.Include}[r.IntN(2)]
		if r.IntN(2) == 0 {
			page.Headers = browser.Headers{{Name: pick("X-Token", "Content-Type", "Authorization"), Value: "application/json"}}
		}
		was, saw := page.Reads(ask)
		is, sees := page.Reads(through)
		if was != is || !slices.Equal(saw, sees) {
			t.Fatalf("%s %s%s of %s, %s, %v\nnginx allows it: %v %v; corsgate: %v %v\n%s\n%s%s",
				page.Method, page.Host, page.Path, page.Origin, page.Credentials, page.Headers, was, saw, is, sees, a.written, result.Text(), result.Report())
		}
	}
}

// located is a location of nginx, as the controller writes it.
type located struct {
	path, kind string
	by         *served
	unserved   bool // nothing is behind it
}

// served is an Ingress of one host.
type served struct {
	name, class string
	annotations *annotations // nil: it has none
	regex       bool
	backend     bool // a default one
	paths       []located
}

func randomServed(r *rand.Rand, n int) *served {
	s := &served{name: fmt.Sprintf("i%d", n), regex: r.IntN(6) == 0, backend: r.IntN(6) == 0}
	if r.IntN(2) == 0 {
		s.class = "nginx"
	}
	if r.IntN(2) == 0 {
		a := random(r)
		s.annotations = &a
	}
	for range 1 + r.IntN(3) {
		p := located{path: pick(r, "/", "/api", "/api/v1", "/api/v1/x", "/admin", "/ap", "/b/"), kind: pick(r, "Exact", "Prefix", "Prefix", "ImplementationSpecific"), by: s}
		if s.regex {
			p.path, p.kind = pick(r, "/", "/api", "/api(/|$)(.*)", "/admin/(.*)", "/v[0-9]+", "/ap.*"), "ImplementationSpecific"
		} else if p.kind == "Exact" {
			p.path = pick(r, "/exact", "/api/exact") // of two locations with the same text, the order counts
		}
		s.paths = append(s.paths, p)
	}
	return s
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// text is the object.
func (s *served) text() string {
	text := "---\nkind: Ingress\nmetadata:\n  name: " + s.name + "\n  annotations:\n    a: b\n"
	if s.annotations != nil {
		text += s.annotations.written
	}
	if s.regex {
		text += "    nginx.ingress.kubernetes.io/use-regex: \"true\"\n"
	}
	text += "spec:\n"
	if s.class != "" {
		text += "  ingressClassName: " + s.class + "\n"
	}
	if s.backend {
		text += "  defaultBackend: {service: {name: s, port: {number: 80}}}\n"
	}
	text += "  rules:\n  - host: a.test\n    http:\n      paths:\n"
	for _, p := range s.paths {
		text += fmt.Sprintf("      - {path: '%s', pathType: %s}\n", p.path, p.kind)
	}
	return text
}

// locations is what the controller makes of the Ingresses of a host (createServers,
// getBackendServers and updateServerLocations of controller.go and location.go).
func locations(all []*served) (written []located) {
	root := located{path: "/", kind: "Prefix", by: all[0], unserved: !all[0].backend}
	list := []located{root}
	isDefault := true
	for _, s := range all {
		for _, p := range s.paths {
			if p.kind != "Exact" {
				p.kind = "Prefix" // SetDefaultNGINXPathType
			}
			switch k := slices.IndexFunc(list, func(l located) bool { return l.path == p.path && l.kind == p.kind }); {
			case k < 0:
				list = append(list, p)
			case k == 0 && isDefault:
				list[0], isDefault = p, false
			}
		}
	}
	slices.SortStableFunc(list, func(a, b located) int {
		return cmp.Or(len(b.path)-len(a.path), strings.Compare(b.path, a.path))
	})
	for _, l := range list {
		exact := l
		exact.kind = "Exact"
		taken := slices.ContainsFunc(list, func(other located) bool { return other.path == l.path && other.kind == "Exact" })
		if l.kind == "Prefix" && l.path != "/" && !l.by.regex {
			l.path = strings.TrimSuffix(l.path, "/") + "/"
		}
		written = append(written, l)
		if l.kind == "Prefix" && l.path != "/" && !l.by.regex && !taken {
			written = append(written, exact)
		}
	}
	return written
}

// server writes the locations (buildLocation).
func server(written []located) string {
	regex := slices.ContainsFunc(written, func(l located) bool { return l.by.regex })
	var text strings.Builder
	seen := map[string]bool{}
	for _, l := range written {
		where := "\"" + l.path + "\""
		switch {
		case regex:
			where = "~* \"^" + l.path + "\""
		case l.kind == "Exact":
			where = "= " + where
		}
		if seen[where] {
			continue // nginx would refuse it
		}
		seen[where] = true
		text.WriteString("location " + where + " {\n")
		switch {
		case l.unserved:
			text.WriteString("return 404;\n}\n")
			continue
		case l.by.annotations != nil:
			text.WriteString(l.by.annotations.render())
		}
		text.WriteString("proxy_pass UPSTREAM;\n}\n")
	}
	return "server {\nlisten LISTEN;\nserver_name a.test;\n" + text.String() + "}\n"
}

// TestSeveralDifferential asks nginx with what the controller writes for several Ingresses of a
// host, and the imported policies.
func TestSeveralDifferential(t *testing.T) {
	nginxtest.Missing(t)
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { several(t, rand.New(rand.NewPCG(seed, 2))) })
	}
}

func several(t *testing.T, r *rand.Rand) {
	var all []*served
	var input strings.Builder
	for n := range 1 + r.IntN(4) {
		s := randomServed(r, n)
		all = append(all, s)
		input.WriteString(s.text())
	}
	result, through := importertest.Import(t, ingressnginx.Read, input.String())
	conf := server(locations(all))
	ask := nginxtest.Start(t, conf)
	for range 60 {
		page := importertest.Page{Host: "a.test", Path: pick(r, "/", "/x", "/api", "/api/", "/api/x", "/apix", "/api/v1", "/api/v1/x", "/api/v1/x/y", "/API", "/admin", "/admin/x", "/Admin/x", "/ap", "/ap/x", "/v1", "/b", "/b/", "/b/x", "/exact", "/exact/x", "/api/exact")}
		page.Origin, page.Target = pick(r, "https://app.example.com", "http://localhost:3000", "https://x.example.com", "https://app.example.org", "https://other.test"), "http://"+page.Host
		page.Method = pick(r, "GET", "PUT")
		if ask("GET", page.Host, page.Path, nil).Status != http.StatusOK {
			continue // nothing is there, or a redirect
		}
		was, _ := page.Reads(ask)
		is, _ := page.Reads(through)
		if was != is && !tellsOfPath(result, page.Path, is) {
			t.Fatalf("%s %s of %s\nnginx allows it: %v; corsgate: %v\n%s\n%s\n%s%s", page.Method, page.Path, page.Origin, was, is, input.String(), conf, result.Text(), result.Report())
		}
	}
}

// tellsOfPath reports whether the report tells that a policy decides otherwise about a path.
func tellsOfPath(r importer.Result, path string, wider bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		begin, _, _ := strings.Cut(strings.TrimPrefix(f.Value, "^"), "(")
		begin, _, _ = strings.Cut(begin, "[")
		begin = strings.TrimRight(strings.TrimSuffix(begin, ".*"), "/")
		if f.Field != "paths" || !strings.HasPrefix(strings.ToLower(path), begin) {
			return false
		}
		return !wider || f.Fidelity == source.Decide || f.Fidelity == source.Widened || strings.Contains(f.Message, "covered, too")
	})
}

// FuzzRead is for annotations, snippets and surroundings of any kind.
func FuzzRead(f *testing.F) {
	f.Add("metadata: {annotations: {nginx.ingress.kubernetes.io/enable-cors: 'true', nginx.ingress.kubernetes.io/cors-allow-origin: 'https://*.a.example/*, *'}}\nspec: {rules: [{host: a, http: {paths: [{path: /a(/|$)(.*)}]}}]}")
	f.Add("nginx.ingress.kubernetes.io/configuration-snippet: |\n  add_header Access-Control-Allow-Origin $http_origin;\n  if ($x) {")
	f.Fuzz(func(_ *testing.T, text string) {
		docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)})
		if err != nil {
			return
		}
		for _, doc := range docs {
			ingressnginx.Claims(doc)
		}
		ingressnginx.Read(docs)
	})
}
