package nginx_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/nginx/nginxtest"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/browser"
)

// TestDifferential asks nginx and the imported policies the same questions, for random
// configurations. They may differ only if the report says so.
func TestDifferential(t *testing.T) {
	nginxtest.Missing(t)
	same, excused := 0, 0
	for seed := range uint64(140) {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		text := r.http()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s, e := differ(t, r, text)
			same, excused = same+s, excused+e
		})
	}
	t.Logf("%d questions answered alike, %d otherwise, as the reports say", same, excused)
	if !t.Failed() && same < 10*excused {
		t.Errorf("%d questions answered alike, and %d otherwise: the reports excuse too much", same, excused)
	}
}

func differ(t *testing.T, r random, text string) (same, excused int) {
	config, err := nginx.Read([]source.File{{Path: "nginx.conf", Text: []byte("http {\n" + text + "\n}\n")}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	result := importer.Translate(importer.Options{}, config)
	ask := nginxtest.Start(t, text)
	passed := false
	// Corsgate is in front of an nginx without CORS headers.
	through := importertest.Through(t, result.Policies, func(method, host, path string, headers browser.Headers) browser.Response {
		passed = true
		answer := ask(method, host, path, headers)
		answer.Headers = slices.DeleteFunc(answer.Headers, func(h browser.Header) bool { return strings.HasPrefix(h.Name, "Access-Control-") })
		return answer
	})
	for range 120 {
		page := r.page()
		was, saw := page.Reads(ask)
		is, sees := page.Reads(through)
		origin := browser.Headers{{Name: "Origin", Value: page.Origin}}
		refused := ask(page.Method, page.Host, page.Path, origin).Status == http.StatusForbidden
		passed = false
		through(page.Method, page.Host, page.Path, origin)
		if refused == passed && !excusesRefusal(result, refused) {
			t.Fatalf("%s %s%s of %s\nnginx refuses it: %v; corsgate: %v\n%s\n%s%s", page.Method, page.Host, page.Path, page.Origin, refused, !passed, text, result.Text(), result.Report())
		}
		switch {
		case was == is && slices.Equal(saw, sees):
			same++
		case excuses(result, was, is), was == is && says(result, "exposeHeaders"):
			excused++
		default:
			t.Fatalf("%s %s%s of %s, %s, %v\nnginx allows it: %v %v; corsgate: %v %v\n%s\n%s%s",
				page.Method, page.Host, page.Path, page.Origin, page.Credentials, page.Headers, was, saw, is, sees, text, result.Text(), result.Report())
		}
	}
	return same, excused
}

// excuses reports whether the report has a word for a difference.
func excuses(r importer.Result, was, is bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		switch {
		case is && !was:
			return f.Fidelity == source.Widened
		case was && !is:
			return f.Field != "paths" && (f.Fidelity == source.Narrowed || f.Fidelity == source.Decide)
		default:
			return false
		}
	})
}

// excusesRefusal reports whether the report has a word for a request that only nginx refuses,
// or only corsgate.
func excusesRefusal(r importer.Result, nginxRefuses bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		if nginxRefuses {
			return f.Fidelity == source.Decide && f.Field == "deniedRequests"
		}
		return f.Fidelity == source.Decide || f.Fidelity == source.Narrowed
	})
}

// says reports whether the report says of a field that it is not as it was.
func says(r importer.Result, field string) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool { return f.Field == field && f.Fidelity != source.Kept })
}

// random makes configurations of the shapes that people write.
type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func (r random) may(percent int, text string) string {
	if r.IntN(100) < percent {
		return text
	}
	return ""
}

// origin is what a map or an if compares with.
var (
	literals = []string{"https://app.example.com", "https://admin.example.com", "http://localhost:3000", "https://example.com", "https://app.example.com:8443", "https://App.example.org", "https://app.example.org"}
	regexes  = []string{
		`^https://(www|app)\.example\.com$`, `^https://(.*\.)?example\.com$`, `^https?://localhost(:[0-9]+)?$`, `^https://[a-z]+\.example\.org$`,
		`\.example\.com$`, `^https://app-[a-z0-9]+\.example\.net$`, `^https://example\.com(:\d+)?$`, `example`,
	}
)

func (r random) http() string {
	var b strings.Builder
	var servers strings.Builder
	for i, name := range []string{"a.test", "b.test"} {
		if i == 1 && r.IntN(2) == 0 {
			break
		}
		servers.WriteString(r.server(i, name, &b))
	}
	return b.String() + servers.String()
}

// server writes a server, and its maps in front.
func (r random) server(i int, name string, maps *strings.Builder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server {\n  listen LISTEN%s;\n  server_name %s%s;\n", map[int]string{0: " default_server"}[i], name, r.may(20, fmt.Sprintf(" .more%d.test", i)))
	if r.IntN(2) == 0 {
		b.WriteString(r.headers("  ", pick(r, `"*"`, "$http_origin", `"https://app.example.com"`)))
	}
	b.WriteString(r.may(10, "  if ($request_method = OPTIONS) {\n    return 204;\n  }\n"))
	b.WriteString(r.may(10, fmt.Sprintf("  if ($http_origin %s) {\n    return 403;\n  }\n", r.condition())))
	b.WriteString(r.may(30, "  location = /gone {\n"+r.headers("    ", `"*"`)+"    add_header X-Total 1 always;\n    return 410;\n  }\n"))
	paths := []string{"/", "/api", "^~ /static/", "= /exact", "/api/deep/"}
	for k, path := range paths {
		if k > 0 && r.IntN(3) > 0 {
			continue
		}
		fmt.Fprintf(&b, "  location %s {\n%s    proxy_pass UPSTREAM;\n  }\n", path, r.location(fmt.Sprintf("%d_%d", i, k), maps))
	}
	return b.String() + "}\n"
}

// location writes what a location does with requests of other origins, and says about CORS.
func (r random) location(id string, maps *strings.Builder) string {
	return r.may(15, fmt.Sprintf("    if ($http_origin !~%s \"%s\") {\n      return 403;\n    }\n", r.may(50, "*"), pick(r, regexes...))) + r.cors(id, maps)
}

func (r random) cors(id string, maps *strings.Builder) string {
	origin := "$cors" + id
	switch r.IntN(8) {
	case 0:
		return "" // it inherits
	case 1:
		return "    add_header X-Frame-Options DENY;\n"
	case 2:
		return r.options(r.headers("    ", `"*"`), `"*"`) + r.headers("    ", `"*"`)
	case 3:
		origin = pick(r, "$http_origin", fmt.Sprintf("%q", pick(r, literals...)))
	case 4, 5:
		maps.WriteString(r.mapping(origin))
	case 6:
		return r.chain(origin)
	case 7:
		return r.blocks()
	}
	headers := r.headers("    ", origin)
	return r.options(pick(r, headers, r.headers("      ", origin), ""), origin) + headers
}

// mapping writes a map of the origin.
func (r random) mapping(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "map $http_origin %s {\n", name)
	seen := map[string]bool{}
	for range 1 + r.IntN(4) {
		key, value := "", "$http_origin"
		if r.IntN(2) == 0 {
			key = pick(r, literals...)
			value = pick(r, value, key, `""`)
		} else {
			key = pick(r, "~", "~*") + pick(r, regexes...)
			value = pick(r, value, value, value, `""`)
		}
		if !seen[strings.ToLower(key)] {
			fmt.Fprintf(&b, "  %q %s;\n", strings.ReplaceAll(key, `\`, `\\`), value)
		}
		seen[strings.ToLower(key)] = true
	}
	return strings.ReplaceAll(b.String(), `\\\\`, `\\`) + r.may(30, "  default "+pick(r, `""`, `"*"`, "$http_origin", `"https://app.example.com"`)+";\n") + "}\n"
}

// chain writes set and if.
func (r random) chain(name string) string {
	b := "    set " + name + ` "";` + "\n"
	for range 1 + r.IntN(3) {
		b += fmt.Sprintf("    if ($http_origin %s) {\n      set %s %s;\n    }\n", r.condition(), name, pick(r, "$http_origin", "$http_origin", `""`))
	}
	b += r.may(30, "    if ("+name+` = "") {`+"\n      set "+name+" "+pick(r, `"*"`, `"https://app.example.com"`)+";\n    }\n")
	if r.IntN(3) > 0 {
		headers := r.headers("    ", name)
		return b + r.options(r.headers("      ", name), name) + headers
	}
	b += "    if ($request_method = OPTIONS) {\n      set " + name + "m \"${" + name[1:] + "m}o\";\n    }\n    if (" + name + "m = \"o\") {\n" + r.headers("      ", name) + "      return 204;\n    }\n"
	return b + r.headers("    ", name)
}

func (r random) condition() string {
	if r.IntN(3) == 0 {
		return pick(r, "=", "=", "!=") + " " + pick(r, literals...)
	}
	return pick(r, "~", "~*", "~*", "!~*") + fmt.Sprintf(` "%s"`, pick(r, regexes...))
}

// blocks writes headers within ifs.
func (r random) blocks() (b string) {
	for range 1 + r.IntN(2) {
		b += fmt.Sprintf("    if ($http_origin %s) {\n%s    }\n", r.condition(), r.headers("      ", pick(r, "$http_origin", "$http_origin", `"*"`)))
	}
	return b + r.may(50, "    if ($request_method = OPTIONS) {\n"+r.headers("      ", pick(r, "$http_origin", `"*"`))+"      return 204;\n    }\n")
}

// options writes what answers preflights.
func (r random) options(headers, origin string) string {
	switch r.IntN(4) {
	case 0:
		return ""
	case 1:
		return "    if ($request_method = OPTIONS) {\n      return " + pick(r, "204", "200", "403") + ";\n    }\n"
	case 2:
		return "    if ($request_method ~ ^(OPTIONS|TRACE)$) {\n" + r.headers("      ", origin) + "      return 204;\n    }\n"
	}
	return "    if ($request_method = 'OPTIONS') {\n" + headers + "      return 204;\n    }\n"
}

// headers writes a set of headers. A "*" of headers has Authorization beside it, since
// engines differ from the standard without it.
func (r random) headers(indent, origin string) string {
	always := r.may(70, " always")
	b := indent + "add_header Access-Control-Allow-Origin " + origin + always + ";\n"
	b += r.may(50, indent+`add_header Access-Control-Allow-Credentials "true"`+always+";\n")
	b += r.may(70, indent+"add_header Access-Control-Allow-Methods "+pick(r, `"GET, POST, PUT, DELETE, OPTIONS"`, `"GET, POST"`, `PUT`, `"*"`, "$http_access_control_request_method")+always+";\n")
	b += r.may(70, indent+"add_header Access-Control-Allow-Headers "+pick(r, `"Content-Type, Authorization"`, `"X-Token"`, `"*, Authorization"`, "$http_access_control_request_headers")+always+";\n")
	b += r.may(30, indent+"add_header Access-Control-Expose-Headers "+pick(r, `"X-Total"`, `"*"`)+always+";\n")
	return b + r.may(30, indent+"add_header Access-Control-Max-Age "+pick(r, "600", "86400", "1d")+always+";\n")
}

var origins = []string{
	"https://app.example.com", "https://admin.example.com", "https://www.example.com", "https://example.com", "https://example.com:8443", "https://app.example.com:8443",
	"http://localhost:3000", "http://localhost", "https://localhost:1", "https://a.b.example.com", "https://app.example.org", "https://other.test", "http://app.example.com",
	"https://app-1.example.net", "https://evilexample.com", "https://app.example.com.evil.test", "null",
}

func (r random) page() importertest.Page {
	p := importertest.Page{Host: pick(r, "a.test", "a.test", "b.test", "x.more0.test", "more0.test"), Path: pick(r, "/", "/api", "/api/x", "/static/x", "/exact", "/api/deep/x", "/other", "/gone")}
	p.Origin, p.Target = pick(r, origins...), "http://"+p.Host
	p.Method = pick(r, "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")
	p.Credentials = pick(r, browser.Omit, browser.Include)
	if r.IntN(3) == 0 {
		p.Headers = browser.Headers{{Name: pick(r, "Content-Type", "X-Token", "Authorization"), Value: "application/json"}}
	}
	return p
}
