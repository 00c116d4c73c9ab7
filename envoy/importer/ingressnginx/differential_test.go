package ingressnginx_test

import (
	"fmt"
	"math/rand/v2"
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

// pick returns one of some, and writes an annotation unless it is the default.
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
	a.methods = a.set(r, "cors-allow-methods", "GET, PUT, POST, DELETE, PATCH, OPTIONS", "GET, POST", "PUT", "GET,DELETE, OPTIONS")
	a.headers = a.set(r, "cors-allow-headers", "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization", "X-Token", "Content-Type, Authorization")
	a.credentials = a.set(r, "cors-allow-credentials", "true", "true", "false") == "true"
	a.expose = a.set(r, "cors-expose-headers", "", "X-Total", "X-Page, X-Total")
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
	config, err := importertest.Documents(ingressnginx.Read)([]source.File{{Path: "ingress.yaml", Text: []byte(input)}})
	if err != nil {
		t.Fatal(err)
	}
	result := importer.Translate(importer.Options{}, config)
	location := a.render() + "proxy_pass UPSTREAM;\n}\n"
	ask := nginxtest.Start(t, "server {\nlisten LISTEN;\nserver_name a.test;\nlocation \"/api/\" {\n"+location+"location = \"/api\" {\n"+location+"location / { proxy_pass UPSTREAM; }\n}\nserver {\nlisten LISTEN;\nserver_name other.test;\nlocation / { proxy_pass UPSTREAM; }\n}\n")
	through := importertest.Through(t, result.Policies, importertest.Application)
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
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
