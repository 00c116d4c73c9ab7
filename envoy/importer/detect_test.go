package importer_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

const (
	virtualService = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec:\n  hosts: [shop.example.com]\n  http:\n  - corsPolicy:\n      allowOrigins: [{exact: https://istio.example}]\n"
	httpRoute      = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec:\n  hostnames: [web.example.com]\n  rules:\n  - filters: [{type: CORS, cors: {allowOrigins: [https://gateway.example]}}]\n"
	securityPolicy = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: p}\nspec:\n  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: other}]\n  cors: {allowOrigins: [https://policy.example]}\n"
	ingress        = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  annotations:\n    nginx.ingress.kubernetes.io/enable-cors: \"true\"\n    nginx.ingress.kubernetes.io/cors-allow-origin: https://ingress.example\nspec:\n  rules: [{host: i.example.com}]\n"
	nginxConf      = "# main\nserver {\n  server_name n.example.com;\n  add_header Access-Control-Allow-Origin https://nginx.example;\n}\n"
	fragment       = "cors:\n  allow_origin_string_match: [{exact: https://envoy.example}]\n"
)

func file(path, text string) source.File { return source.File{Path: path, Text: []byte(text)} }

// imported returns the policies and the report of an input.
func imported(t *testing.T, from string, files ...source.File) (policies, report string) {
	t.Helper()
	configs, err := importer.Read(from, files)
	if err != nil {
		t.Fatal(err)
	}
	r := importer.Translate(importer.Options{}, configs...)
	return string(r.Text()), r.Report()
}

func TestEachDocumentSaysOfWhichSystemItIs(t *testing.T) {
	list := "kind: List\napiVersion: v1\nitems:\n"
	for _, doc := range []string{virtualService, httpRoute, ingress} {
		list += "- " + strings.ReplaceAll(strings.TrimSpace(doc), "\n", "\n  ") + "\n"
	}
	policies, _ := imported(t, importer.Auto, file("all.yaml", list), file("envoy.yaml", fragment), file("sites/n", nginxConf))
	for _, system := range []string{"istio", "gateway", "ingress", "nginx", "envoy"} {
		if !strings.Contains(policies, "https://"+system+".example") {
			t.Errorf("%s is not read:\n%s", system, policies)
		}
	}
}

func TestFilesWithinConfigMaps(t *testing.T) {
	text := "kind: ConfigMap\ndata:\n  note: x\n  nginx.conf: |\n"
	for line := range strings.Lines(nginxConf) {
		text += "    " + line
	}
	text += "  traefik.yaml: |\n    http: {middlewares: {c: {headers: {accessControlAllowOriginList: [https://traefik.example]}}}}\n"
	policies, report := imported(t, importer.Auto, file("all.yaml", text))
	if !strings.Contains(policies, "https://nginx.example") || !strings.Contains(policies, "https://traefik.example") || !strings.Contains(report, "all.yaml:8:") {
		t.Error(policies, report)
	}
}

// Labels in lines are one text to YAML, and no object of JavaScript.
func TestLabelsInLines(t *testing.T) {
	policies, _ := imported(t, importer.Auto, file("labels", "traefik.http.middlewares.c.headers.accesscontrolalloworiginlist=https://a.example,https://b.example\ntraefik.http.middlewares.c.headers.accesscontrolmaxage=60\n"))
	if !strings.Contains(policies, "[https://a.example, https://b.example]") || !strings.Contains(policies, "maxAge: 60") {
		t.Error(policies)
	}
}

// A route that answers through a middleware of Traefik is not read as one without CORS.
func TestRoutesWithMiddlewares(t *testing.T) {
	route := "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n  hostnames: [h.example]\n  rules:\n  - filters: [{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: c}}]\n"
	middleware := "apiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: {name: c}\nspec: {headers: {accessControlAllowOriginList: [https://traefik.example]}}\n"
	policies, _ := imported(t, importer.Auto, file("all.yaml", route+"---\n"+middleware))
	if !strings.Contains(policies, "https://traefik.example") || !strings.Contains(policies, "h.example") {
		t.Error(policies)
	}
}

// A system that extends the Gateway API reads all its routes: those without its means, and those
// with a CORS filter.
func TestExtensionsReadAllRoutes(t *testing.T) {
	const bare = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: admin}\nspec: {hostnames: [h.example], rules: [{matches: [{path: {value: /admin}}]}]}\n"
	for name, text := range map[string]string{
		"kong": "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: c}\nplugin: cors\nconfig: {origins: [https://app.example]}\n---\n" +
			"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, annotations: {konghq.com/plugins: c}}\nspec: {hostnames: [h.example], rules: [{}]}\n",
		"traefik": "apiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: {name: c}\nspec: {headers: {accessControlAllowOriginList: [https://app.example]}}\n---\n" +
			"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {hostnames: [h.example], rules: [{filters: [{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: c}}]}]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			policies, report := imported(t, importer.Auto, file("all.yaml", text+bare+"---\n"+httpRoute))
			for _, want := range []string{"[https://app.example]", "paths: [/admin]\n  mode: \"off\"", "[https://gateway.example]"} {
				if !strings.Contains(policies, want) {
					t.Errorf("no %s:\n%s%s", want, policies, report)
				}
			}
		})
	}
}

// Envoy Gateway reads the routes of the Gateway API by itself: they come once.
func TestRoutesAreReadOnce(t *testing.T) {
	policies, report := imported(t, importer.Auto, file("all.yaml", httpRoute+"---\n"+securityPolicy))
	if strings.Count(policies, "https://gateway.example") != 1 || strings.Contains(report, "never reached") {
		t.Errorf("%s%s", policies, report)
	}
}

func TestFromNamesTheSystem(t *testing.T) {
	policies, _ := imported(t, "nginx", file("x.yaml", "add_header Access-Control-Allow-Origin https://nginx.example;\n"))
	if !strings.Contains(policies, "https://nginx.example") {
		t.Error(policies)
	}
	if _, err := importer.Read("istio", []source.File{file("r.yaml", httpRoute)}); !errors.Is(err, importer.ErrNothing) {
		t.Errorf("a route of another system: %v", err)
	}
	for _, from := range []string{"auto", "envoy", "istio", "gateway-api", "envoy-gateway", "contour", "ingress-nginx", "nginx", "traefik", "kong"} {
		if !slices.Contains(importer.Systems(), from) {
			t.Errorf("there is no --from %s", from)
		}
	}
}

// What is pasted is mended, if that is certain, and told.
func TestPastedText(t *testing.T) {
	for about, c := range map[string]struct{ text, says string }{
		"plain":             {fragment, ""},
		"indented":          {"    cors:\n      allow_origin_string_match: [{exact: https://envoy.example}]\n", ""},
		"a byte order mark": {"\ufeff" + fragment, ""},
		"CRLF":              {strings.ReplaceAll(fragment, "\n", "\r\n"), ""},
		"code block":        {"We use this:\n\n```yaml\n" + fragment + "```\n\nand it does not work: why?\n", "in:1:1: dropped: what stands around the code blocks is not read"},
		"two code blocks":   {"```yaml\n" + fragment + "```\nand\n```yaml\n" + virtualService + "```\n", "around the code blocks"},
		"a citation":        {"> " + strings.ReplaceAll(strings.TrimSpace(fragment), "\n", "\n> ") + "\n", "citation"},
		"tabs":              {"cors:\n\tallow_origin_string_match:\n\t- exact: https://envoy.example\n", "tabs at the beginning of lines"},
		"JavaScript":        {"// cors\nexport default {\n  cors: {\n    allow_origin_string_match: [{exact: 'https://envoy.example'}],\n  },\n};\n", "an object of JavaScript"},
		"fields":            {"cors: {allow_origin_string_match: [{exact: 'https://envoy.example'}]},\nother: true,\n", ""},
	} {
		policies, report := imported(t, importer.Auto, file("in", c.text))
		if !strings.Contains(policies, "https://envoy.example") || !strings.Contains(report, c.says) {
			t.Errorf("%s:\n%s%s", about, policies, report)
		}
	}
	_, report := imported(t, importer.Auto, file("in", "Look:\n```\n"+fragment+"```\n"))
	if !strings.Contains(report, "in:4:") {
		t.Errorf("lines are not those of the file:\n%s", report)
	}
}

func TestWhatIsNotRead(t *testing.T) {
	for about, c := range map[string]struct{ text, says string }{
		"a template":      {"spec:\n  hosts: [{{ .Values.host }}]\n  cors: {{- toYaml .Values.cors | nindent 4 }}\n", "in is a template of Helm: render it first, as in 'helm template CHART | corsgate import -'"},
		"TOML":            {"[http.middlewares.cors.headers]\n  accessControlAllowOriginList = [\"https://a.example\"]\n", "TOML"},
		"UTF-16":          {"c\x00o\x00r\x00s\x00", "UTF-16"},
		"a broken file":   {"a: 1\n b: 2\n", "in:2:3: this is neither YAML nor JSON"},
		"a bare star":     {"cors:\n  allowOrigins: [*]\n", "in quotes"},
		"something else":  {"kind: ConfigMap\ndata: {a: b}\n", importer.ErrNothing.Error()},
		"no text":         {"", importer.ErrNothing.Error()},
		"text":            {"hello", importer.ErrNothing.Error()},
		"broken includes": {"server {\n", "in"},
	} {
		if _, err := importer.Read(importer.Auto, []source.File{file("in", c.text)}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", about, err, c.says)
		}
	}
	alert := "kind: PrometheusRule\nspec: {annotations: {summary: '{{ $labels.pod }} is down'}}\n---\n" + virtualService
	if policies, _ := imported(t, importer.Auto, file("in", alert)); !strings.Contains(policies, "https://istio.example") {
		t.Errorf("an alert's placeholder is not a template's:\n%s", policies)
	}
}

func TestAConfigMapMayHoldSeveralFiles(t *testing.T) {
	indented := func(text string) string {
		return "\n    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	}
	text := "kind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\ndata:\n  other: x\n  a.conf: |" + indented(nginxConf) + "  b.conf: |" + indented(strings.NewReplacer("nginx.example", "second.example", "n.example", "m.example").Replace(nginxConf))
	policies, report := imported(t, importer.Auto, file("in", text))
	if !strings.Contains(policies, "https://nginx.example") || !strings.Contains(policies, "https://second.example") || !strings.Contains(report, "in:10:") || strings.Contains(report, "nobody understands") {
		t.Errorf("%s%s", policies, report)
	}
}

func TestWhatNamesCORSAndIsNotUnderstoodIsTold(t *testing.T) {
	_, report := imported(t, importer.Auto, file("in", virtualService+"---\nkind: Gateway\nspec:\n  corsStuff: {origins: []}\n---\nkind: Pod\nspec: {}\n"))
	if !strings.Contains(report, "in:12:14: decide spec.corsStuff: it names CORS, and nobody understands it") || strings.Count(report, "nobody understands") != 1 {
		t.Error(report)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yaml", "b.JSON", "c.conf", "default", "d.txt", ".hidden.yaml", "sub/e.yml", ".git/f.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := importer.Files([]string{dir, filepath.Join(dir, "d.txt"), "-"}, strings.NewReader("typed"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, string(f.Text))
	}
	if want := []string{"a.yaml", "b.JSON", "c.conf", "default", "sub/e.yml", "d.txt", "typed"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if files[len(files)-1].Path != "stdin" {
		t.Error(files[len(files)-1].Path)
	}
	if files[4].Folder != dir || files[5].Folder != "" || files[6].Folder != "" {
		t.Errorf("only a file of a folder that is named has that: %q", []string{files[4].Folder, files[5].Folder, files[6].Folder})
	}
	if _, err := importer.Files([]string{filepath.Join(dir, "none")}, nil); err == nil || !strings.Contains(err.Error(), "none") {
		t.Error(err)
	}
	if _, err := importer.Files([]string{"-"}, strings.NewReader(strings.Repeat("x", 32<<20+1))); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Error(err)
	}
}

// A folder has links as Debian's nginx does, some of a machine that it is a copy of.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	site := func(name string) string {
		return "server { server_name " + name + ".example.com; include snippets/cors.inc; }"
	}
	write("secret/site", site("secret"))
	write("etc/nginx.conf", "http { include sites-enabled/*; }")
	write("etc/snippets/cors.inc", "include origins.map; add_header Access-Control-Allow-Origin $cors;")
	write("etc/origins.map", "set $cors https://app.example.com;")
	write("etc/origins.txt", "not read")
	for _, name := range []string{"relative", "absolute", "copied", "off"} {
		write("etc/sites-available/"+name, site(name))
	}
	write("etc/sites-enabled/plain", site("plain"))
	link("etc/sites-enabled/relative", "../sites-available/relative")
	link("etc/sites-enabled/absolute", filepath.Join(dir, "etc/sites-available/absolute"))
	link("etc/sites-enabled/copied", "/no/such/folder/nginx/sites-available/copied")
	link("etc/sites-enabled/out", "../../secret/site")
	link("etc/sites-enabled/gone", "../sites-available/gone")
	link("etc/circle", ".")
	write("etc/k8s.yaml", fragment)
	link("etc/k8s-again.yaml", "k8s.yaml")

	files, err := importer.Files([]string{filepath.Join(dir, "etc")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	configs, err := importer.Read(importer.Auto, files)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	outside, reports := 0, 0
	for _, c := range configs {
		for _, r := range c.Routes {
			if r.CORS != nil && len(r.Hosts) > 0 {
				hosts = append(hosts, r.Hosts...)
			} else if r.CORS != nil {
				reports++
			}
		}
		for _, f := range c.Findings {
			if strings.Contains(f.Message, "not in the folder") && f.Fidelity == source.Decide {
				outside++
			}
		}
	}
	slices.Sort(hosts)
	if want := []string{"absolute.example.com", "copied.example.com", "plain.example.com", "relative.example.com"}; !slices.Equal(hosts, want) {
		t.Errorf("%q, want %q", hosts, want)
	}
	if outside != 2 || reports != 1 {
		t.Errorf("%d links are told, want 2; the YAML is read %d times", outside, reports)
	}
}

// Whatever people paste is refused or imported.
func FuzzRead(f *testing.F) {
	for _, text := range []string{virtualService, httpRoute, securityPolicy, ingress, nginxConf, fragment, "```\n" + fragment + "```", "a: {{ .Values.a }}", "[a]\nb=1", "cors: {a: true,},\n"} {
		f.Add("auto", []byte(text))
	}
	f.Fuzz(func(t *testing.T, from string, text []byte) {
		if !slices.Contains(importer.Systems(), from) {
			from = importer.Auto
		}
		configs, err := importer.Read(from, []source.File{{Path: "in", Text: text}})
		if err != nil {
			return
		}
		r := importer.Translate(importer.Options{}, configs...)
		if strings.Contains(r.Report(), "corsgate refuses it") {
			t.Errorf("%s\n%s", r.Text(), r.Report())
		}
		_ = r.Cases()
	})
}

// What is a template is said, by the words of the one who fills it in; what is none, not.
func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"kind: VirtualService\nspec: {corsPolicy: {{ toYaml .Values.cors }}}":                              "is a template of Helm",
		"kind: VirtualService\nspec:\n{{- if .Values.cors }}\n  corsPolicy: {}\n{{- end }}":                "is a template of Helm",
		"http:\n  middlewares:\n    a: {headers: {accessControlAllowOriginList:\n    - {{ env \"A\" }}\n}": `"{{ env \"A\" }}" is a template`,
		"add_header Access-Control-Allow-Origin \"{{ a }}\";":                                              `a:1: "{{ a }}" is a template`,
		"# {{ ansible_managed }}\nadd_header Access-Control-Allow-Origin \"https://a.example\";":           "",
		"add_header Access-Control-Allow-Origin \"${ORIGIN}\";":                                            "envsubst",
		"set $A https://a.example;\nadd_header Access-Control-Allow-Origin \"${A}\";":                      "",
		"corsPolicy: {allowOrigins: [{exact: \"${A}\"}]}":                                                  "envsubst",
	} {
		configs, err := importer.Read(importer.Auto, []source.File{{Path: "a", Text: []byte(text)}})
		said := importer.Translate(importer.Options{}, configs...).Report()
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, want) || want == "" && strings.Contains(said, "template") {
			t.Errorf("%s\nsays %q, want %q", text, said, want)
		}
	}
}

// A file beside others that nobody can read ends an import only if it is about CORS.
func TestForeignFilesBesideOthers(t *testing.T) {
	conf := source.File{Path: "nginx.conf", Text: []byte("server { add_header Access-Control-Allow-Origin https://a.example; }")}
	params := source.File{Path: "fastcgi_params", Text: []byte("\nfastcgi_param  QUERY_STRING  $query_string;\nfastcgi_param  \"A: b\": c;\n")}
	configs, err := importer.Read(importer.Auto, []source.File{conf, params})
	if r := importer.Translate(importer.Options{}, configs...); err != nil || len(r.Policies) != 1 || !strings.Contains(r.Report(), "fastcgi_params: dropped: this is neither YAML") {
		t.Errorf("%v\n%s", err, r.Report())
	}
	if _, err := importer.Read(importer.Auto, []source.File{params}); err == nil {
		t.Error("a file alone is read")
	}
	params.Text = append(params.Text, "# CORS: x\n"...)
	if _, err := importer.Read(importer.Auto, []source.File{conf, params}); err == nil {
		t.Error("a file about CORS is not read, and that is no error")
	}
}
