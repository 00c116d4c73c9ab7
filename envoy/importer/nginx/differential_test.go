package nginx_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
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

// Which random configurations are tried.
var (
	first = flag.Uint64("first", 0, "the seed of the first random configuration")
	seeds = flag.Uint64("seeds", 140, "how many random configurations are tried")
)

// TestDifferential asks nginx and the imported policies the same questions, for random
// configurations. They may differ only if the report says so.
func TestDifferential(t *testing.T) {
	nginxtest.Missing(t)
	var tally importertest.Tally
	for seed := *first; seed < *first+*seeds; seed++ {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		text := r.http()
		t.Run(fmt.Sprint(seed), func(t *testing.T) { differ(t, r, text, &tally) })
	}
	tally.Check(t, 5)
}

func differ(t *testing.T, r random, text string, tally *importertest.Tally) {
	config, err := nginx.Read([]source.File{{Path: "nginx.conf", Text: []byte("http {\n" + text + "\n}\n")}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	result := importer.Translate(importer.Options{}, config)
	listen, other := nginxtest.StartBoth(t, text)
	var ask importertest.Send
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
		ask = r.session(page, pick(r, listen, listen, other))
		was, saw := page.Reads(ask)
		is, sees := page.Reads(through)
		refused := refuses(ask, page)
		passed = false
		through(page.Method, page.Host, page.Path, browser.Headers{{Name: "Origin", Value: page.Origin}})
		if refused == passed && !excusesRefusal(result, page, refused) {
			t.Fatalf("%s %s%s of %s\nnginx refuses it: %v; corsgate: %v\n%s\n%s%s", page.Method, page.Host, page.Path, page.Origin, refused, !passed, text, result.Text(), result.Report())
		}
		switch {
		case was == is && slices.Equal(saw, sees):
			tally.Same++
		case excuses(result, page, ask, was, is), was == is && says(result, "exposeHeaders"), leadsInCircle(ask, page):
			tally.Excused++
		default:
			t.Fatalf("%s %s%s of %s, %s, %v\nnginx allows it: %v %v; corsgate: %v %v\n%s\n%s%s",
				page.Method, page.Host, page.Path, page.Origin, page.Credentials, page.Headers, was, saw, is, sees, text, result.Text(), result.Report())
		}
	}
}

// statusOf is what nginx answers to the page's request with if an origin sends it.
func statusOf(ask importertest.Send, page importertest.Page, origin string) int {
	return ask(page.Method, page.Host, page.Path, browser.Headers{{Name: "Origin", Value: origin}}).Status
}

// refuses reports whether the page's request is refused for its origin.
func refuses(ask importertest.Send, page importertest.Page) bool {
	passes := func(origin string) bool { return statusOf(ask, page, origin) != http.StatusForbidden }
	return !passes(page.Origin) && slices.ContainsFunc(origins, passes)
}

// leadsInCircle reports whether a rewrite or a try_files leads the page's request in a circle, which
// nginx ends. The reader takes the files for present then.
func leadsInCircle(ask importertest.Send, page importertest.Page) bool {
	return statusOf(ask, page, page.Origin) == http.StatusInternalServerError
}

// excuses reports whether the report has a word for a difference.
func excuses(r importer.Result, page importertest.Page, ask importertest.Send, was, is bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		decide := f.Fidelity == source.Decide
		switch {
		case is && !was && !answersWith(f, "if this holds, nginx answers with ", page, ask), !answersWith(f, "nginx answers preflights with ", page, ask):
			return false
		case f.Field == "paths":
			return (decide || f.Fidelity == source.Widened || f.Fidelity == source.Differs && was) && isAbout(f.Value, page.Path)
		case is && !was:
			return f.Fidelity == source.Widened && (f.Field != "allowHeaders" || page.Headers != nil) || decide && (f.Field == "listen" || f.Field == "server_name" || isOfFolder(f, page)) || isOther(f, page, ask)
		default:
			return f.Fidelity == source.Narrowed || decide
		}
	})
}

// isOfFolder reports whether a finding says that another location answers requests for folders like
// that of the page.
func isOfFolder(f source.Finding, page importertest.Page) bool {
	return f.Field == "index" && strings.HasPrefix(f.Message, "another location answers then") && strings.HasSuffix(page.Path, "/")
}

// answersWith reports whether nginx answers the page with the status that a finding says it answers
// with, if it says so in these words.
func answersWith(f source.Finding, words string, page importertest.Page, ask importertest.Send) bool {
	_, status, says := strings.Cut(f.Message, words)
	if !says {
		return true
	}
	isSaid := func(is int) bool { return strings.HasPrefix(status, fmt.Sprint(is)) }
	plan := browser.MakePlan(page.Request)
	return isSaid(statusOf(ask, page, page.Origin)) || plan.Preflight && isSaid(ask("OPTIONS", page.Host, page.Path, plan.PreflightHeaders()).Status)
}

// isAbout reports whether a path of a location, which may be a regex, is about another one.
func isAbout(path, of string) bool {
	of, _, _ = strings.Cut(of, "?")
	re, err := regexp.Compile("(?i)" + path)
	return strings.HasPrefix(of+"/", strings.TrimPrefix(path, "^")) || err == nil && re.MatchString(of)
}

// isOther reports whether a finding says that something else than the location answers the page:
// the upstream its preflight, or nginx itself the request.
func isOther(f source.Finding, page importertest.Page, ask importertest.Send) bool {
	plan := browser.MakePlan(page.Request)
	if plan.Preflight && strings.Contains(f.Message, "sends preflights to the upstream") {
		status := ask("OPTIONS", page.Host, page.Path, plan.PreflightHeaders()).Status
		return status == http.StatusNotFound || status == http.StatusMethodNotAllowed // of files
	}
	status := statusOf(ask, page, page.Origin)
	if strings.HasPrefix(f.Message, `without "always"`) {
		page.Method = http.MethodGet
		gate := statusOf(ask, page, page.Origin) // which is told of by itself
		return f.Fidelity == source.Differs && status >= 300 && gate != http.StatusForbidden && gate != http.StatusUnauthorized
	}
	itself := strings.Contains(f.Message, "if this holds, nginx answers with") || strings.HasPrefix(f.Message, "nginx answers POST with") || f.Field == "error_page"
	return itself && f.Fidelity == source.Differs && status >= 300
}

// excusesRefusal reports whether the report has a word for a request that only nginx refuses,
// or only corsgate.
func excusesRefusal(r importer.Result, page importertest.Page, nginxRefuses bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		if f.Field == "paths" && isAbout(f.Value, page.Path) {
			return true
		}
		if nginxRefuses {
			own := strings.HasSuffix(page.Origin, "://"+page.Host)
			return f.Field == "deniedRequests" && own || f.Fidelity == source.Decide && (f.Field == "deniedRequests" || f.Field == "listen" || f.Field == "server_name") || f.Field == "return" && f.Value == "403"
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
	switch r.IntN(12) {
	case 0, 1:
		return r.gated()
	case 2:
		return r.folders()
	}
	var maps, servers strings.Builder
	if r.IntN(6) == 0 { // the same name on two addresses
		servers.WriteString(r.server(0, "a.test", "LISTEN default_server", &maps) + r.server(2, "a.test", "OTHER default_server", &maps))
	} else {
		servers.WriteString(r.server(0, "a.test", "LISTEN default_server;\n  listen OTHER", &maps))
	}
	if r.IntN(2) == 0 {
		servers.WriteString(r.server(1, "b.test", "LISTEN;\n  listen OTHER", &maps))
	}
	if r.IntN(3) == 0 { // names that another server has, or a part of them
		servers.WriteString(r.server(3, pick(r, "_", ".b.test", "*.b.test", "b.test x.b.test", "~^x"), "LISTEN;\n  listen OTHER", &maps))
	}
	maps.WriteString("map $request_method $realm {\n  OPTIONS off;\n  default x;\n}\n" + r.gates(5, ""))
	return maps.String() + servers.String()
}

// gated writes a server of which the gates are made up alone, so that its report excuses nothing
// else.
func (r random) gated() string {
	location := func(path, within string) string {
		gates := r.gates(20, "    ")
		return "  location " + path + " {\n" + gates + "    add_header Access-Control-Allow-Origin *" + r.may(30, " always") + ";\n" +
			"    add_header Access-Control-Allow-Methods PUT;\n    proxy_pass UPSTREAM;\n" + within + "  }\n"
	}
	return "map $request_method $realm {\n  OPTIONS off;\n  default x;\n}\n" + r.gates(50, "") + r.may(20, "deny all;\n") +
		"server {\n  listen LISTEN default_server;\n  listen OTHER;\n  server_name a.test;\n" + r.gates(50, "  ") + r.may(20, "  deny all;\n") +
		location("/", "") + location("/old/", location("/old/api/", "")) + "}\n"
}

// folders writes a server whose locations answer with files, some for paths that a rewrite has made.
func (r random) folders() string {
	location := func(path, rewrite string) string {
		return "  location " + path + " {\n" + r.may(70, rewrite) + r.may(30, "    index "+pick(r, "index.html", "a.json", "no.html index.html", "/docs/index.html")+";\n") +
			r.may(70, "    add_header Access-Control-Allow-Origin "+pick(r, "*", "https://app.example.com", "$http_origin")+r.may(70, " always")+";\n") + "  }\n"
	}
	b := "server {\n  listen LISTEN default_server;\n  listen OTHER;\n  server_name a.test;\n  root ROOT;\n"
	b += location("/", "    rewrite ^/(.*)$ /docs/$1 break;\n") + location("/old/", "    rewrite ^/old/(.*)$ "+pick(r, "/docs/$1 break", "/docs/$1", "/$1 break", "/docs/in/ last")+";\n")
	b += location("/docs/", "    rewrite ^/docs/in(.*)$ /api$1 break;\n")
	return b + r.may(50, location("~ \\.html$", "")) + r.may(50, location("/docs/in/", "")) + "}\n"
}

// gates writes what refuses requests for whom they are from, or lets them pass.
func (r random) gates(percent int, indent string) string {
	b := r.may(percent, indent+pick(r, "auth_basic x", "auth_basic x", "auth_basic $realm", "auth_basic off")+";\n"+indent+"auth_basic_user_file ROOT/users;\n")
	b += r.may(percent, indent+pick(r, "allow all", "allow unix:", "deny 10.0.0.0/8", "deny all", "deny all", "deny all", "deny unix:", "allow 10.0.0.0/8", "deny 10.0.0.0/8; allow all", "allow unix:; deny all")+";\n")
	return b + r.may(percent, indent+"satisfy "+pick(r, "any", "any", "all")+";\n")
}

// server writes a server, and its maps in front.
func (r random) server(i int, name, listen string, maps *strings.Builder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server {\n  listen %s;\n  server_name %s%s;\n  root ROOT;\n%s", listen, name, r.may(20, fmt.Sprintf(" .more%d.test", i)), r.gates(5, "  "))
	if r.IntN(2) == 0 {
		b.WriteString(r.headers("  ", pick(r, `"*"`, "$http_origin", `"https://app.example.com"`)))
	}
	b.WriteString(r.may(10, "  if ($request_method = OPTIONS) {\n    return 204;\n  }\n"))
	b.WriteString(r.may(10, fmt.Sprintf("  if ($http_origin %s) {\n    return 403;\n  }\n", strings.ToLower(r.condition()))))
	b.WriteString(r.may(10, "  rewrite "+pick(r, "^/old/(.*)$ /api/$1 last", "^/other /static/x", "^/api/deep/(.*)$ /$1 last", "^/exact$ /api break")+";\n"))
	b.WriteString(r.may(15, "  error_page 404 418 "+pick(r, "= ", "=200 ", "")+pick(r, "@app", "/api/x", "/exact", "$uri")+";\n"))
	b.WriteString(r.may(30, "  location = /gone {\n"+r.headers("    ", `"*"`)+"    add_header X-Total 1 always;\n    return "+pick(r, "410", "410", "404", "418")+";\n  }\n"))
	fmt.Fprintf(&b, "  location @app {\n%s    proxy_pass UPSTREAM;\n  }\n", r.cors(fmt.Sprintf("%d_app", i), maps))
	paths := []string{"/", "/api", "^~ /static/", "= /exact", "/api/deep/", "~ /deep", "~ ^/api/v[0-9]+/", "~* \\.JSON$", "~ ^/api/", "^~ /api/v", "/docs/", "/old/"}
	for k, path := range paths {
		if k > 0 && r.IntN(3) > 0 {
			continue
		}
		fmt.Fprintf(&b, "  location %s {\n%s%s  }\n", path, r.location(fmt.Sprintf("%d_%d", i, k), maps), r.content(fmt.Sprintf("%d_%d_in", i, k), path, maps))
	}
	return b.String() + "}\n"
}

// location writes what a location does with requests of other origins, and says about CORS.
func (r random) location(id string, maps *strings.Builder) string {
	b := r.gates(7, "    ") + r.may(10, "    limit_except "+pick(r, "GET", "GET POST", "PUT OPTIONS")+" {\n      "+
		pick(r, "auth_basic x; auth_basic_user_file ROOT/users", "auth_basic off", "allow all", "deny all", "deny unix:")+";\n    }\n")
	return b + r.refuses() + r.cors(id, maps) + r.may(15, "    if ("+pick(r, "$http_cookie ~ admin", "$arg_x = 1", "$request_uri ~ deep", "$uri ~ ^/api/deep", "$uri = /api")+") {\n      "+
		pick(r, "add_header X-More 1", "set $cors"+id+` ""`, "return 404", "rewrite ^ /api last", "set $cors"+id+` "*"`)+";\n    }\n")
}

// refuses writes what refuses requests of other origins.
func (r random) refuses() string {
	return r.may(15, fmt.Sprintf("    if ($http_origin !~%s \"%s\") {\n      return 403;\n    }\n", r.may(50, "*"), pick(r, regexes...)))
}

// content writes where a location's answers come from, and what is within it.
func (r random) content(id, path string, maps *strings.Builder) (b string) {
	b = r.may(30, "    rewrite "+pick(r, "^/api/deep/(.*)$ /static/$1 last", "^ /exact last", "^/api(.*)$ /docs$1", "^/(.*)$ /static/$1 break", "\\.json$ /api/x last", "^/old/(.*)$ /$1 last", "^/(old/)?(.*)$ /docs/$2 break")+";\n")
	b += r.may(15, "    try_files "+pick(r, "$uri @app", "$uri $uri/ /api/x", "$uri =404", "$uri =418", "/docs/a.json @app", "$uri /exact?$args", "$uri/index.html $uri.json")+";\n")
	if prefix, found := strings.CutPrefix(path, "/"); found && prefix != "" {
		b += r.may(20, fmt.Sprintf("    location %s {\n%s  %s      proxy_pass UPSTREAM;\n    }\n", pick(r, "~ \\.json$", "~ x", "/"+prefix+"v1", "^~ /"+prefix+"deep"), r.gates(10, "      "), r.cors(id, maps)))
	}
	if path == "/docs/" || (path == "/" || path == "/old/") && r.IntN(3) == 0 {
		return b + r.may(50, "    index "+pick(r, "index.html", "no.html index.html", "/exact")+";\n")
	}
	return b + "    proxy_pass UPSTREAM;\n"
}

// session adds a cookie to some requests, and a password; browsers send none with preflights, and
// no password without credentials.
func (r random) session(page importertest.Page, send importertest.Send) importertest.Send {
	admin, login := r.IntN(3) == 0, r.IntN(3) == 0 && page.Credentials == browser.Include
	return func(method, host, path string, headers browser.Headers) browser.Response {
		if _, preflight := headers.Get("Access-Control-Request-Method"); preflight {
			return send(method, host, path, headers)
		}
		headers = slices.Clone(headers)
		if admin {
			headers = append(headers, browser.Header{Name: "Cookie", Value: "admin=1"})
		}
		if _, has := headers.Get("Authorization"); login && !has {
			headers = append(headers, browser.Header{Name: "Authorization", Value: nginxtest.Authorization})
		}
		return send(method, host, path, headers)
	}
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

var paths = []string{
	"/", "/api", "/api/x", "/static/x", "/exact", "/api/deep/x", "/other", "/gone", "/api?x=1", "/api/x?x=1", "/api/v1/x", "/api/a.json", "/docs/", "/docs", "/docs/a.json", "/docs/in/", "/a.JSON",
	"/old/", "/old/in/", "/old/x", "/old/api/deep/x", "/deep",
}

func (r random) page() importertest.Page {
	p := importertest.Page{Host: pick(r, "a.test", "a.test", "b.test", "x.more0.test", "more0.test", "x.b.test", "other.test"), Path: pick(r, paths...)}
	p.Origin, p.Target = pick(r, origins...), "http://"+p.Host
	p.Method = pick(r, "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")
	p.Credentials = pick(r, browser.Omit, browser.Include)
	if r.IntN(3) == 0 {
		p.Headers = browser.Headers{{Name: pick(r, "Content-Type", "X-Token", "Authorization"), Value: "application/json"}}
	}
	return p
}
