package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func problemsOf(specs ...Spec) Problems {
	_, problems := Validate(specs)
	return problems
}

// found returns problems as "level [code] field".
func found(problems Problems) []string {
	lines := []string{}
	for _, p := range problems {
		line := fmt.Sprintf("%s [%s]", p.Level, p.Code)
		if p.Field != "" {
			line += " " + p.Field
		}
		lines = append(lines, line)
	}
	return lines
}

// change returns a spec without problems, changed.
func change(by func(*Spec)) Spec {
	s := Spec{Name: "api", CORS: CORS{AllowOrigins: []string{"https://app.example.com"}}}
	by(&s)
	return s
}

func origins(list ...string) func(*Spec) {
	return func(s *Spec) { s.CORS.AllowOrigins = list }
}

// withCredentials are origins of a policy with credentials.
func withCredentials(list ...string) func(*Spec) {
	return func(s *Spec) { s.CORS.AllowOrigins, s.CORS.AllowCredentials = list, true }
}

// optIn adds opt-ins to a change.
func optIn(by func(*Spec), o ...OptIn) func(*Spec) {
	return func(s *Spec) { by(s); s.Dangerously = o }
}

func regexes(list ...string) func(*Spec) {
	return func(s *Spec) { s.CORS.AllowOrigins, s.CORS.AllowOriginRegexes = nil, list }
}

func methods(list ...string) func(*Spec) { return func(s *Spec) { s.CORS.AllowMethods = list } }

func allowHeaders(list ...string) func(*Spec) { return func(s *Spec) { s.CORS.AllowHeaders = list } }

func expose(list ...string) func(*Spec) { return func(s *Spec) { s.CORS.ExposeHeaders = list } }

func hosts(list ...string) func(*Spec) { return func(s *Spec) { s.Hosts = list } }

func paths(list ...string) func(*Spec) { return func(s *Spec) { s.Paths = list } }

func maxAge(n int) func(*Spec) { return func(s *Spec) { s.CORS.MaxAge = &n } }

func mode(m Mode) func(*Spec) { return func(s *Spec) { s.Mode = m } }

func name(n string) func(*Spec) { return func(s *Spec) { s.Name = n } }

type ruleTest struct {
	title string
	by    func(*Spec)
	want  []string
}

func checkRules(t *testing.T, tests []ruleTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.title, func(t *testing.T) {
			problems := problemsOf(change(tt.by))
			if got := found(problems); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			checkTexts(t, problems)
		})
	}
}

// checkTexts has the rules for what a problem says.
func checkTexts(t *testing.T, problems Problems) {
	t.Helper()
	for _, p := range problems {
		if p.Reason == "" || p.Hint == "" && p.Code != "origin-host" {
			t.Errorf("%s has no reason or no hint: %+v", p.Code, p)
		}
		if strings.HasSuffix(p.Reason, ".") || strings.HasSuffix(p.Hint, ".") {
			t.Errorf("%s ends in a full stop: %s", p.Code, p)
		}
	}
}

func TestValidateNamesHostsAndPaths(t *testing.T) {
	checkRules(t, []ruleTest{
		{"a policy without problems has none", func(*Spec) {}, nil},
		{"a missing name", name(""), []string{"error [name-missing] name"}},
		{"a name in upper case", name("API"), []string{"error [name-syntax] name"}},
		{"a name that begins with a hyphen", name("-a"), []string{"error [name-syntax] name"}},
		{"a name of 63 bytes is accepted", name(strings.Repeat("a", 63)), nil},
		{"a name of 64 bytes", name(strings.Repeat("a", 64)), []string{"error [name-syntax] name"}},
		{"hosts, stars and addresses are accepted", hosts("api.example.com", "*.example.org", "127.0.0.1", "[::1]", "localhost", "a_b.test"), nil},
		{"an empty host", hosts(""), []string{"error [host-empty] hosts[0]"}},
		{"a star alone", hosts("*"), []string{"error [host-star] hosts[0]"}},
		{"stars elsewhere", hosts("a.*.com", "*a.com", "**.com", "*.*.com", "*.127.0.0.1", "*.[::1]", "*."),
			[]string{"error [host-star] hosts[0]", "error [host-star] hosts[1]", "error [host-star] hosts[2]", "error [host-star] hosts[3]", "error [host-star] hosts[4]", "error [host-star] hosts[5]", "error [host-star] hosts[6]"}},
		{"a host with a port", hosts("a.example.com:8443", "[::1]:80", "a:"), []string{"error [host-port] hosts[0]", "error [host-port] hosts[1]", "error [host-port] hosts[2]"}},
		{"a host with a scheme", hosts("https://a.example.com"), []string{"error [host-scheme] hosts[0]"}},
		{"a host with a path", hosts("a.example.com/v1"), []string{"error [host-path] hosts[0]"}},
		{"a host in upper case", hosts("A.example.com"), []string{"error [host-case] hosts[0]"}},
		{"a host with a trailing dot", hosts("a.example.com."), []string{"error [host-trailing-dot] hosts[0]"}},
		{"a host that is not ASCII", hosts("bücher.example"), []string{"error [host-non-ascii] hosts[0]"}},
		{"what is not a host", hosts("a..b", "1.2.3", "a b", "[zz]", "::1", " a", "*..a"), []string{
			"error [host-syntax] hosts[0]", "error [host-syntax] hosts[1]", "error [host-syntax] hosts[2]", "error [host-syntax] hosts[3]",
			"error [host-syntax] hosts[4]", "error [host-syntax] hosts[5]", "error [host-syntax] hosts[6]"}},
		{"a repeated host", hosts("a.test", "a.test"), []string{"warning [host-redundant] hosts[1]"}},
		{"a host below a star", hosts("*.a.test", "x.a.test", "*.y.a.test"), []string{"warning [host-redundant] hosts[1]", "warning [host-redundant] hosts[2]"}},
		{"paths are accepted", paths("/", "/v2/", "/a%2Fb"), []string{"warning [path-redundant] paths[1]", "warning [path-redundant] paths[2]"}},
		{"a path without slash", paths("v1"), []string{"error [path-slash] paths[0]"}},
		{"an empty path", paths(""), []string{"error [path-slash] paths[0]"}},
		{"a path with a star", paths("/v1/*", "/*"), []string{"error [path-star] paths[0]", "error [path-star] paths[1]"}},
		{"a path with a query or fragment", paths("/a?b", "/a#b"), []string{"error [path-query] paths[0]", "error [path-query] paths[1]"}},
		{"a path with dot segments", paths("/a/../b", "/./a"), []string{"error [path-dot-segment] paths[0]", "error [path-dot-segment] paths[1]"}},
		{"a path whose escapes are normalised", paths("/%61", "/caf%c3%a9"), nil},
		{"a path that is listed with other escapes", paths("/%61", "/a", "/%c3%a9", "/%C3%A9"), []string{"warning [path-redundant] paths[1]", "warning [path-redundant] paths[3]"}},
		{"a path with escaped dot segments", paths("/%2e%2e"), []string{"error [path-dot-segment] paths[0]"}},
		{"a path with a backslash", paths(`/a\b`), []string{"error [path-backslash] paths[0]"}},
		{"a path with what applications take for a dot segment", paths("/a/..;/b", "/.;x", "/a%2F..%2Fb", "/a%5C.%5cb"),
			[]string{"error [path-dot-segment] paths[0]", "error [path-dot-segment] paths[1]", "error [path-dot-segment] paths[2]", "error [path-dot-segment] paths[3]"}},
		{"a path that applications may read otherwise", paths("/a%2Fb", "/%40x", "/c;v=1", "/d%3Fx"),
			[]string{"warning [path-decoded] paths[0]", "warning [path-decoded] paths[1]", "warning [path-decoded] paths[2]", "warning [path-decoded] paths[3]"}},
		{"a percent sign that begins no escape", paths("/a%2", "/100%", "/%zz/b", "/a%252", "/b%C3%A9"),
			[]string{"warning [path-escape] paths[0]", "warning [path-escape] paths[1]", "warning [path-escape] paths[2]", "warning [path-redundant] paths[3]"}},
		{"a path in both readings", paths("/a%2Fb", "/a/b", "/c;v=1", "/c"), nil},
		{"a path that requests have encoded", paths("/ä", "/a b"), []string{"error [path-characters] paths[0]", "error [path-characters] paths[1]"}},
		{"a path with an empty segment", paths("//a", "/a//"), []string{"error [path-empty-segment] paths[0]", "error [path-empty-segment] paths[1]"}},
		{"paths that look like patterns", paths("/users/{id}", "/api/(v1|v2)", "/x$", "/y/:id/z", "/z/<id>", "/[slug]", "/w/.+", "/v^2", "/v3,/v4"), []string{
			"warning [looks-like-pattern] paths[0]", "warning [looks-like-pattern] paths[1]", "warning [looks-like-pattern] paths[2]", "warning [looks-like-pattern] paths[3]",
			"warning [looks-like-pattern] paths[4]", "warning [looks-like-pattern] paths[5]", "warning [looks-like-pattern] paths[6]", "warning [looks-like-pattern] paths[7]",
			"warning [looks-like-pattern] paths[8]"}},
		{"paths that do not", paths("/@scope/pkg", "/a+b", "/~user", "/v1/things:batchGet", "/odata/$metadata", "/odata/Products(1)", "/a,b", "/a!b'c", "/a=b&c", "/x_y.z", "/a%7Cb"), nil},
		{"hosts that only look like patterns", hosts("api.{tenant}.test", "(a|b).test", "^a.test$", `a\.test`, "<id>.test", "[ab].test", ":id.test", "~a.test"), []string{
			"error [host-syntax] hosts[0]", "error [host-syntax] hosts[1]", "error [host-syntax] hosts[2]", "error [host-syntax] hosts[3]",
			"error [host-syntax] hosts[4]", "error [host-syntax] hosts[5]", "error [host-syntax] hosts[6]", "error [host-syntax] hosts[7]"}},
		{"a repeated path", paths("/v1", "/v1/"), []string{"warning [path-redundant] paths[1]"}},
		{"a path below another", paths("/v1/a/b", "/v1"), []string{"warning [path-redundant] paths[0]"}},
		{"a path whose text begins like another", paths("/v1", "/v10"), nil},
	})
}

func TestValidateOrigins(t *testing.T) {
	const any = OptInAnyOriginWithCredentials
	checkRules(t, []ruleTest{
		{"no origins", origins(), []string{"error [origins-missing] cors.allowOrigins"}},
		{"no origins if the policy is off", func(s *Spec) { s.CORS.AllowOrigins, s.Mode = nil, ModeOff }, nil},
		{"mistakes of ParsePattern, all of them", origins("https://a.example/", "https://A.example", "https://a.example:443"),
			[]string{"error [origin-trailing-slash] cors.allowOrigins[0]", "error [origin-case] cors.allowOrigins[1]", "error [origin-default-port] cors.allowOrigins[2]"}},
		{"a star alone", origins("*"), nil},
		{"a star with another origin", origins("https://a.example", "*"), []string{"error [star-not-alone] cors.allowOrigins[1]"}},
		{"a star with a regex", optIn(func(s *Spec) { regexes(`https://a\.example`)(s); origins("*")(s) }, OptInOriginRegex), []string{"error [star-not-alone] cors.allowOrigins[0]"}},
		{"a star with credentials", withCredentials("*"), []string{"error [star-with-credentials] cors.allowOrigins[0]"}},
		{"a star with credentials and its opt-in", optIn(withCredentials("*"), any), nil},
		{"null", origins("null"), []string{"error [origin-null] cors.allowOrigins[0]"}},
		{"null with its opt-in", optIn(withCredentials("null"), OptInNullOrigin), []string{"warning [null-with-credentials] cors.allowOrigins[0]"}},
		{"null without credentials and with its opt-in", optIn(origins("null"), OptInNullOrigin), nil},
		{"app origins", withCredentials("app://.", "app://-", "app://", "capacitor://localhost", "safari-web-extension://AB-CD", "chrome-extension://abc", "qrc://"), nil},
		{"origins that anybody can send", origins("file://", "content://", "applewebdata://AB-CD", "data://", "blob://*", "about://:*"),
			[]string{"error [origin-null] cors.allowOrigins[0]", "error [origin-null] cors.allowOrigins[1]", "error [origin-null] cors.allowOrigins[2]",
				"error [origin-null] cors.allowOrigins[3]", "error [origin-null] cors.allowOrigins[4]", "warning [any-host] cors.allowOrigins[4]",
				"error [origin-null] cors.allowOrigins[5]"}},
		{"origins that anybody can send with their opt-in", optIn(origins("file://", "content://"), OptInNullOrigin), nil},
		{"origins that anybody can send with credentials", optIn(withCredentials("file://"), OptInNullOrigin), []string{"warning [null-with-credentials] cors.allowOrigins[0]"}},
		{"labels with a hyphen at an edge", origins("https://-a.example.com", "https://a-.example.com", "https://a.b-", "https://*.-b.example"), []string{
			"warning [edge-hyphen] cors.allowOrigins[0]", "warning [edge-hyphen] cors.allowOrigins[1]", "warning [edge-hyphen] cors.allowOrigins[2]",
			"warning [edge-hyphen] cors.allowOrigins[3]"}},
		{"any host is always warned about", origins("https://*"), []string{"warning [any-host] cors.allowOrigins[0]"}},
		{"any host with credentials", withCredentials("https://*:8443"), []string{"error [any-host-with-credentials] cors.allowOrigins[0]"}},
		{"any host with credentials and its opt-in", optIn(withCredentials("https://*"), any), []string{"warning [any-host] cors.allowOrigins[0]"}},
		{"http with credentials", withCredentials("http://a.example.com", "http://*.b.example"),
			[]string{"error [insecure-origin] cors.allowOrigins[0]", "error [insecure-origin] cors.allowOrigins[1]"}},
		{"http with credentials and its opt-in", optIn(withCredentials("http://a.example.com"), OptInInsecureOrigins), nil},
		{"http without credentials", origins("http://a.example.com"), nil},
		{"this machine over http with credentials", withCredentials("http://localhost:*", "http://*.localhost:3000", "http://127.0.0.1:3000", "http://127.9.9.9", "http://[::1]:1", "http://app.localhost"), nil},
		{"any port with credentials", withCredentials("https://a.example.com:*"), []string{"warning [any-port] cors.allowOrigins[0]"}},
		{"any port without credentials", origins("https://a.example.com:*"), nil},
		{"an address with credentials", withCredentials("https://203.0.113.7", "https://[2001:db8::1]"),
			[]string{"warning [ip-with-credentials] cors.allowOrigins[0]", "warning [ip-with-credentials] cors.allowOrigins[1]"}},
		{"a host of one label", origins("https://com"), []string{"note [single-label-host] cors.allowOrigins[0]"}},
		{"a host of one label that is not one of the web's", origins("chrome-extension://abcdef", "http://localhost", "https://[::1]"), nil},
		{"an origin listed twice", origins("https://a.example", "https://a.example"), []string{"warning [origin-redundant] cors.allowOrigins[1]"}},
		{"origins that a pattern covers", origins("https://a.b.example", "https://*.b.example", "https://b.example", "https://*.c.b.example", "https://x-*.b.example"),
			[]string{"warning [origin-redundant] cors.allowOrigins[0]", "warning [origin-redundant] cors.allowOrigins[3]", "warning [origin-redundant] cors.allowOrigins[4]"}},
		{"origins that a pattern does not cover", origins("http://b.example", "https://b.example:8443", "https://xb.example", "https://*.b.example", "https://b.example"), nil},
		{"the port's star covers ports", origins("http://localhost:3000", "http://localhost:*", "http://localhost"),
			[]string{"warning [origin-redundant] cors.allowOrigins[0]", "warning [origin-redundant] cors.allowOrigins[2]"}},
		{"a star in a label covers labels", origins("https://app-*.b.example", "https://app-1.b.example", "https://app-x-*-y.b.example", "https://app-1.c.example", "https://app-a_b.b.example"),
			[]string{"warning [origin-redundant] cors.allowOrigins[1]", "warning [origin-redundant] cors.allowOrigins[2]"}},
		{"any host covers all of its scheme", origins("https://*", "https://a.example", "https://*.b.example", "http://a.example"),
			[]string{"warning [any-host] cors.allowOrigins[0]", "warning [origin-redundant] cors.allowOrigins[1]", "warning [origin-redundant] cors.allowOrigins[2]"}},
		{"a star without its apex", origins("https://*.b.example"), nil},
		{"the apex is covered by a wider star", origins("https://*.b.example", "https://*.example", "https://example"),
			[]string{"warning [origin-redundant] cors.allowOrigins[0]", "note [single-label-host] cors.allowOrigins[2]"}},
	})
}

func TestValidateNamesOfMethodsAndHeaders(t *testing.T) {
	creds := func(by func(*Spec)) func(*Spec) {
		return func(s *Spec) { by(s); s.CORS.AllowCredentials = true }
	}
	checkRules(t, []ruleTest{
		{"methods are accepted", methods("GET", "PUT", "PATCH", "PURGE"), nil},
		{"what is not a method", methods("", "GET, POST", "é"), []string{"error [method-token] cors.allowMethods[0]", "error [method-token] cors.allowMethods[1]", "error [method-token] cors.allowMethods[2]"}},
		{"forbidden methods in any case", methods("CONNECT", "trace", "Track"), []string{"warning [method-forbidden] cors.allowMethods[0]", "warning [method-forbidden] cors.allowMethods[1]", "warning [method-forbidden] cors.allowMethods[2]"}},
		{"methods that browsers send in upper case", methods("get", "put", "delete", "head", "post", "options", "Put", "GEt"), []string{
			"error [method-case] cors.allowMethods[0]", "error [method-case] cors.allowMethods[1]", "error [method-case] cors.allowMethods[2]", "error [method-case] cors.allowMethods[3]",
			"error [method-case] cors.allowMethods[4]", "error [method-case] cors.allowMethods[5]", "error [method-case] cors.allowMethods[6]", "error [method-case] cors.allowMethods[7]"}},
		{"the same beside the right spelling or a star", methods("PUT", "put", "*"), []string{"warning [beside-star] cors.allowMethods[0]", "error [method-case] cors.allowMethods[1]"}},
		{"methods that browsers leave alone", methods("patch", "purge", "Patch"), []string{"warning [method-case] cors.allowMethods[0]", "warning [method-case] cors.allowMethods[2]"}},
		{"both spellings of one", methods("patch", "PATCH"), nil},
		{"a method listed twice", methods("PUT", "PUT"), []string{"warning [method-redundant] cors.allowMethods[1]"}},
		{"methods beside a star", methods("*", "PUT"), []string{"warning [beside-star] cors.allowMethods[1]"}},
		{"OPTIONS among others is in most lists", methods("GET", "POST", "OPTIONS"), nil},
		{"methods that change nothing", methods("GET", "HEAD", "OPTIONS"), []string{"note [post-always-allowed] cors.allowMethods"}},
		{"one of them", methods("GET"), []string{"note [post-always-allowed] cors.allowMethods"}},
		{"the same if writes are refused, or are not on purpose", func(s *Spec) { methods("GET")(s); s.DeniedRequests = DeniedPass }, nil},
		{"the same if every origin is allowed", func(s *Spec) { methods("GET")(s); origins("*")(s) }, nil},
		{"no methods", methods(), nil},
		{"methods that look like patterns", methods("**", "GET|PUT", "P*", "^PUT$", "P.+"), []string{
			"warning [looks-like-pattern] cors.allowMethods[0]", "warning [looks-like-pattern] cors.allowMethods[1]", "warning [looks-like-pattern] cors.allowMethods[2]",
			"warning [looks-like-pattern] cors.allowMethods[3]", "warning [looks-like-pattern] cors.allowMethods[4]"}},
		{"methods that do not", methods("M-SEARCH", "VERSION-CONTROL"), nil},
		{"words for every method", methods("ALL", "ANY", "all"), []string{
			"warning [looks-like-pattern] cors.allowMethods[0]", "warning [looks-like-pattern] cors.allowMethods[1]", "warning [looks-like-pattern] cors.allowMethods[2]"}},
		{"words for every header", allowHeaders("All", "any"), []string{"warning [looks-like-pattern] cors.allowHeaders[0]", "warning [looks-like-pattern] cors.allowHeaders[1]"}},
		{"a word for every exposed header", expose("all"), []string{"warning [looks-like-pattern] cors.exposeHeaders[0]"}},
		{"methods with a slip", methods("DELET", "PUTT", "OPTION", "PATH", "PSOT", "Optoins", "DEL", "GETS", "PUTS", "DELATE"), []string{
			"warning [misspelt-method] cors.allowMethods[0]", "warning [misspelt-method] cors.allowMethods[1]", "warning [misspelt-method] cors.allowMethods[2]", "warning [misspelt-method] cors.allowMethods[3]",
			"warning [misspelt-method] cors.allowMethods[4]", "warning [misspelt-method] cors.allowMethods[5]", "warning [misspelt-method] cors.allowMethods[6]", "warning [misspelt-method] cors.allowMethods[7]",
			"warning [misspelt-method] cors.allowMethods[8]", "warning [misspelt-method] cors.allowMethods[9]"}},
		{"methods of other protocols and of applications", methods("ACL", "BATCH", "BIND", "COPY", "FETCH", "LINK", "LIST", "LOCK", "MERGE", "MKCOL", "MOVE", "NOTIFY", "POLL", "PROPFIND", "PROPPATCH",
			"PURGE", "PUSH", "QUERY", "REBIND", "REPORT", "SEARCH", "SET", "SUBSCRIBE", "UNLINK", "UNLOCK", "UPDATE", "VIEW"), nil},
		{"headers that look like patterns", allowHeaders("x-amz-*", "**", "x-a|x-b", "^x-a", "x-a$", "$http_x_forwarded_for", "x-%", "x-.+"), []string{
			"warning [looks-like-pattern] cors.allowHeaders[0]", "warning [looks-like-pattern] cors.allowHeaders[1]", "warning [looks-like-pattern] cors.allowHeaders[2]", "warning [looks-like-pattern] cors.allowHeaders[3]",
			"warning [looks-like-pattern] cors.allowHeaders[4]", "warning [looks-like-pattern] cors.allowHeaders[5]", "warning [looks-like-pattern] cors.allowHeaders[6]", "warning [looks-like-pattern] cors.allowHeaders[7]"}},
		{"headers that do not", allowHeaders("x_y", "x-a.b", "~x", "x'y", "x!y", "x`y", "x#1", "x&y"), nil},
		{"patterns that are no names", allowHeaders("x-amz-?", "x-(a|b)", "x-[0-9]", "<id>"), []string{
			"error [header-token] cors.allowHeaders[0]", "error [header-token] cors.allowHeaders[1]", "error [header-token] cors.allowHeaders[2]", "error [header-token] cors.allowHeaders[3]"}},
		{"exposed names that look like patterns", expose("x-amz-*", "**", "x-ratelimit-*"), []string{
			"warning [looks-like-pattern] cors.exposeHeaders[0]", "warning [looks-like-pattern] cors.exposeHeaders[1]", "warning [looks-like-pattern] cors.exposeHeaders[2]"}},
		{"headers are accepted", allowHeaders("content-type", "X-A", "authorization"), nil},
		{"what is not a header name", allowHeaders("", "x a", "x-a,x-b", "x-a:", "résumé", " x"), []string{
			"error [header-token] cors.allowHeaders[0]", "error [header-token] cors.allowHeaders[1]", "error [header-token] cors.allowHeaders[2]",
			"error [header-token] cors.allowHeaders[3]", "error [header-token] cors.allowHeaders[4]", "error [header-token] cors.allowHeaders[5]"}},
		{"headers that no page can set", allowHeaders("Cookie", "proxy-x", "Sec-Fetch-Site", "DNT", "Origin"), []string{
			"warning [header-never-sent] cors.allowHeaders[0]", "warning [header-never-sent] cors.allowHeaders[1]", "warning [header-never-sent] cors.allowHeaders[2]",
			"warning [header-never-sent] cors.allowHeaders[3]", "warning [header-never-sent] cors.allowHeaders[4]"}},
		{"headers that no page can set with some values", allowHeaders("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"), nil},
		{"response headers as request headers", allowHeaders("Access-Control-Allow-Origin", "Access-Control-Max-Age"),
			[]string{"warning [header-response] cors.allowHeaders[0]", "warning [header-response] cors.allowHeaders[1]"}},
		{"a header listed twice", allowHeaders("x-a", "X-A"), []string{"warning [header-redundant] cors.allowHeaders[1]"}},
		{"a header beside a star", allowHeaders("*", "x-a", "Authorization"), []string{"warning [beside-star] cors.allowHeaders[1]"}},
		{"a star without authorization", allowHeaders("*"), []string{"note [authorization-not-covered] cors.allowHeaders[0]"}},
		{"a star with credentials echoes authorization too", creds(allowHeaders("*")), nil},
		{"what is exposed is accepted", expose("x-a", "Content-Length", "access-control-allow-origin"), nil},
		{"what is not a header name to expose", expose("x a"), []string{"error [expose-token] cors.exposeHeaders[0]"}},
		{"what is never exposed", expose("Set-Cookie", "origin", "access-control-max-age", "Access-Control-Request-Method"), []string{
			"error [expose-never] cors.exposeHeaders[0]", "error [expose-never] cors.exposeHeaders[1]", "error [expose-never] cors.exposeHeaders[2]", "error [expose-never] cors.exposeHeaders[3]"}},
		{"a star exposed with credentials", creds(expose("*")), []string{"error [expose-star-with-credentials] cors.exposeHeaders[0]"}},
		{"a star exposed without credentials", expose("*"), nil},
		{"a name beside an exposed star", expose("x-a", "*"), []string{"warning [beside-star] cors.exposeHeaders[0]"}},
		{"a name exposed twice", expose("x-a", "X-A"), []string{"warning [expose-redundant] cors.exposeHeaders[1]"}},
	})
}

func TestValidateTheRestOfASpec(t *testing.T) {
	checkRules(t, []ruleTest{
		{"an age of 0 is accepted", maxAge(0), nil},
		{"a negative age", maxAge(-1), []string{"error [max-age-negative] cors.maxAge"}},
		{"an age of a day is accepted", maxAge(86400), nil},
		{"an age that browsers cap", maxAge(86401), []string{"warning [max-age-capped] cors.maxAge"}},
		{"the greatest age", maxAge(1<<31 - 1), []string{"warning [max-age-capped] cors.maxAge"}},
		{"an age beyond it", maxAge(1 << 31), []string{"error [max-age-too-large] cors.maxAge"}},
		{"words that fields do not have", func(s *Spec) {
			s.Mode, s.UpstreamHeaders, s.UnmatchedPreflights, s.DeniedRequests, s.PreflightLists = "on", "keep", "drop", "deny", "some"
		}, []string{"error [unknown-value] mode", "error [unknown-value] upstreamHeaders", "error [unknown-value] unmatchedPreflights", "error [unknown-value] deniedRequests", "error [unknown-value] preflightLists"}},
		{"words that fields have", func(s *Spec) {
			s.Mode, s.UpstreamHeaders, s.UnmatchedPreflights, s.DeniedRequests, s.PreflightLists = ModeShadow, UpstreamDefer, UnmatchedForward, DeniedBlockUnsafe, ListsRequested
		}, nil},
		{"a status of 200 is accepted", func(s *Spec) { s.PreflightStatus = 200 }, nil},
		{"another status", func(s *Spec) { s.PreflightStatus = 201 }, []string{"error [preflight-status] preflightStatus"}},
		{"private networks", func(s *Spec) { s.AllowPrivateNetwork = true }, []string{"error [private-network-access] allowPrivateNetwork"}},
		{"private networks with their opt-in", optIn(func(s *Spec) { s.AllowPrivateNetwork = true }, OptInPrivateNetworkAccess), []string{"warning [private-network-withdrawn] allowPrivateNetwork"}},
		{"what is not an opt-in", optIn(func(*Spec) {}, "everything"), []string{"error [opt-in-unknown] dangerously[0]"}},
		{"opt-ins that lift nothing", optIn(func(*Spec) {}, OptInNullOrigin, OptInOriginRegex), []string{"warning [opt-in-unused] dangerously[0]", "warning [opt-in-unused] dangerously[1]"}},
		{"an opt-in listed twice", optIn(origins("null"), OptInNullOrigin, OptInNullOrigin), []string{"warning [opt-in-redundant] dangerously[1]"}},
		{"the opt-in for public suffixes is judged where their list is", optIn(func(*Spec) {}, OptInPublicSuffix), nil},
	})
}

func TestValidateComparesPolicies(t *testing.T) {
	spec := func(n string, more ...func(*Spec)) Spec {
		return change(func(s *Spec) {
			s.Name = n
			for _, by := range more {
				by(s)
			}
		})
	}
	for _, tt := range []struct {
		title string
		specs []Spec
		want  []string
	}{
		{"a name that is taken", []Spec{spec("a", hosts("x.test")), spec("a", hosts("y.test"))}, []string{"1 name-duplicate name"}},
		{"two policies for everything", []Spec{spec("a"), spec("b")}, []string{"1 policy-overlap "}},
		{"every host and the root are everything", []Spec{spec("a"), spec("b", paths("/"))}, []string{"1 policy-overlap paths[0]"}},
		{"the same host", []Spec{spec("a", hosts("x.test", "y.test")), spec("b", hosts("z.test", "y.test"))}, []string{"1 policy-overlap hosts[1]"}},
		{"the same host and path but for a slash", []Spec{spec("a", hosts("x.test"), paths("/v1")), spec("b", hosts("x.test"), paths("/v2", "/v1/"))}, []string{"1 policy-overlap paths[1]"}},
		{"a pair is reported once", []Spec{spec("a", hosts("x.test", "y.test")), spec("b", hosts("x.test", "y.test"))}, []string{"1 policy-overlap hosts[0]"}},
		{"a pair is reported once for all paths", []Spec{spec("a", paths("/v1", "/v2")), spec("b", paths("/v1", "/v2"))}, []string{"1 policy-overlap paths[0]"}},
		{"each pair is reported", []Spec{spec("a", hosts("x.test", "y.test")), spec("b", hosts("x.test")), spec("c", hosts("y.test"))}, []string{"1 policy-overlap hosts[0]", "2 policy-overlap hosts[0]"}},
		{"a policy that is off overlaps", []Spec{spec("a", mode(ModeOff)), spec("b")}, []string{"1 policy-overlap "}},
		{"a shadow policy overlaps none that is enforced", []Spec{spec("a"), spec("b", mode(ModeShadow))}, nil},
		{"two shadow policies", []Spec{spec("a", mode(ModeShadow)), spec("b", mode(ModeShadow))}, []string{"1 policy-overlap "}},
		{"the exact host is more specific than a star", []Spec{spec("a", hosts("*.x.test")), spec("b", hosts("a.x.test")), spec("c")}, nil},
		{"the longer path is more specific", []Spec{spec("a", paths("/v1")), spec("b", paths("/v1/x"))}, nil},
		{"a host below a star decides if another policy has the star", []Spec{spec("a", hosts("*.x.test", "a.x.test")), spec("b", hosts("*.x.test"), paths("/v1"))}, nil},
		{"a path below another decides if a policy stands between", []Spec{spec("a", paths("/v1", "/v1/x/y")), spec("b", paths("/v1/x"))}, nil},
	} {
		t.Run(tt.title, func(t *testing.T) {
			var got []string
			for _, p := range problemsOf(tt.specs...) {
				got = append(got, fmt.Sprintf("%d %s %s", p.Spec, p.Code, p.Field))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestValidateNamesBothPoliciesOfAnOverlap(t *testing.T) {
	a, b := change(name("first")), change(name("second"))
	problems := problemsOf(a, b)
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, `"first"`) || !strings.Contains(problems[0].Reason, `"second"`) {
		t.Errorf("got %v", problems)
	}
}

func TestValidateHintsAtTheRightSpelling(t *testing.T) {
	for _, tt := range []struct {
		by   func(*Spec)
		hint string
	}{
		{name("My API"), `"my-api"`},
		{hosts("https://a.test"), `"a.test"`},
		{hosts("a.test:8443"), `"a.test"`},
		{hosts("[::1]:80"), `"[::1]"`},
		{hosts("::1"), `"[::1]"`},
		{hosts("a.test."), `"a.test"`},
		{hosts("a.test/x"), `"a.test"`},
		{paths("v1"), `"/v1"`},
		{paths("/v1/*"), `"/v1"`},
		{paths("/*"), `"/"`},
		{paths("/%61/ä"), `"/a/%C3%A4"`},
		{paths(`/a\..\b`), "list the paths one by one"},
		{paths("v1/*?x"), `"/v1"`},
		{paths("/a/..;/b/"), `"/b"`},
		{paths("/x/../.."), `"/"`},
		{paths("/a%2Fb"), `"/a/b"`},
		{paths("/a//b/"), `"/a/b"`},
		{paths("/a?x=1"), `"/a"`},
		{paths("/users/{id}/x"), `or write "/users", which`},
		{paths("/users/:id"), `or write "/users", which`},
		{paths("/api/(v1|v2)"), `or write "/api", which`},
		{paths("/x$"), `did you mean "/x"?`},
		{paths("/v3,/v4"), `write each as an entry of its own: "/v3", "/v4"`},
		{paths("/x/.+"), `did you mean "/x"?`},
		{paths("/x/.*"), `did you mean "/x"?`},
		{paths("/x/*/y"), `or write "/x", which`},
		{paths("/x/{id}/*"), `or write "/x", which`},
		{paths("/x*"), "list the paths one by one"},
		{paths("/{tenant}/x"), "list the paths one by one"},
		{paths("^/x"), `did you mean "/x"?`},
		{paths("v1/*"), `did you mean "/v1"?`},
		{paths("~ ^/x$"), `write "/x", which`},
		{methods("GET|PUT"), `an entry of its own: "GET", "PUT"`},
		{methods("GET, PUT"), `an entry of its own: "GET", "PUT"`},
		{methods("get delete"), `an entry of its own: "GET", "DELETE"`},
		{methods("GET, *"), "an entry of its own"},
		{methods("GE T"), `did you mean "GET"?`},
		{methods("PUT,"), `did you mean "PUT"?`},
		{allowHeaders("x-amz-?"), `only "*" alone is a star`},
		{expose("x-amz-*"), `only "*" alone is a star`},
		{methods("patch"), `write "PATCH", as pages should too`},
		{methods("put"), `did you mean "PUT"?`},
		{allowHeaders("x-a:"), `"x-a"`},
		{allowHeaders("x-a, x-b"), `an entry of its own: "x-a", "x-b"`},
		{allowHeaders("Authorization x-b"), `an entry of its own: "Authorization", "x-b"`},
		{allowHeaders("x;y"), `an entry of its own: "x", "y"`},
		{allowHeaders("content type"), "write one such as"},
		{expose("x-a x-b"), `an entry of its own: "x-a", "x-b"`},
		{expose("x-a, set-cookie"), "an entry of its own"},
		{hosts("a.example.com, https://B.example.com/"), `an entry of its own: "a.example.com", "b.example.com"`},
		{hosts("a.example.com b.example.com"), `an entry of its own: "a.example.com", "b.example.com"`},
		{hosts("https://a.test https://b.test"), `an entry of its own: "a.test", "b.test"`},
		{hosts("*.example.com|localhost;[::1]"), `an entry of its own: "*.example.com", "localhost", "[::1]"`},
		{hosts("my host"), "write one such as"},
		{paths("/v3 /v4"), `an entry of its own: "/v3", "/v4"`},
		{paths("/v3, /v4*"), "an entry of its own"},
		{optIn(func(*Spec) {}, "null-origin, origin-regex"), `an entry of its own: "null-origin", "origin-regex"`},
		{optIn(func(*Spec) {}, "null-origin, regex"), "write origin-regex, null-origin"},
		{allowHeaders("cookie"), "allowCredentials"},
		{withCredentials("http://a.test:443"), `"https://a.test",`},
		{maxAge(-1), "write 0"},
		{maxAge(1728000), "write 86400 or less"},
		{maxAge(1 << 31), "write 86400 or less"},
		{mode("shadwo"), "enforce, shadow or off"},
		{optIn(func(*Spec) {}, "regex"), "origin-regex"},
		{origins("null"), `list "null-origin" under dangerously`},
	} {
		problems := problemsOf(change(tt.by))
		if len(problems) != 1 || !strings.Contains(problems[0].Hint, tt.hint) {
			t.Errorf("got %v, want the hint %s", problems, tt.hint)
		}
	}
}

func TestValidateListsProblemsInOrderOfPlace(t *testing.T) {
	bad := change(func(s *Spec) {
		s.Name, s.Hosts, s.Paths, s.Mode, s.Dangerously = "A", []string{"*"}, []string{"x"}, "x", []OptIn{"x"}
		s.CORS = CORS{AllowOrigins: []string{"x", "*"}, AllowMethods: []string{""}, AllowHeaders: []string{""}, ExposeHeaders: []string{""}}
	})
	want := []string{"name", "hosts[0]", "paths[0]", "cors.allowOrigins[0]", "cors.allowOrigins[1]", "cors.allowMethods[0]", "cors.allowHeaders[0]", "cors.exposeHeaders[0]", "mode", "dangerously[0]"}
	var got []string
	for _, p := range problemsOf(bad, bad)[:len(want)] {
		got = append(got, p.Field)
		if p.Spec != 0 {
			t.Errorf("%s is of spec %d", p.Field, p.Spec)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A quadratic comparison of these would take hours.
func TestValidateTimeGrowsWithTheEntriesOnly(t *testing.T) {
	const n = 20_000
	list := make([]string, 0, 4*n)
	for i := range n {
		list = append(list,
			fmt.Sprintf("https://tenant-%d.example.com", i), fmt.Sprintf("https://*.t%d.example.com", i),
			fmt.Sprintf("https://app%d-*.example.com", i), fmt.Sprintf("https://t%d.example.com", i))
	}
	s := change(origins(list...))
	for i := range n {
		s.Hosts = append(s.Hosts, fmt.Sprintf("h%d.example.com", i))
	}
	other := s
	other.Name, other.Paths = "other", []string{"/v1"}
	problems := problemsOf(s, other)
	if len(problems) != 0 {
		t.Errorf("%d problems, the first is %v", len(problems), problems[0])
	}
}

// A million mistakes must not take the memory of the service that reads them.
func TestValidateKeepsFewOfManyProblems(t *testing.T) {
	specs := []Spec{change(methods(strings.Split(strings.Repeat("PUT,", 3*MaxProblems)+"PUT", ",")...)), change(maxAge(-1))}
	specs[1].Name = "other"
	problems := problemsOf(specs...)
	if len(problems) != MaxProblems+1 || !problems.HasErrors() {
		t.Errorf("%d problems, with errors: %v", len(problems), problems.HasErrors())
	}
	for _, want := range []string{"max-age-negative", "policy-overlap"} {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Code == want }) {
			t.Errorf("many warnings hide %s", want)
		}
	}
	// 3000 redundant methods and two errors were found.
	limit := slices.IndexFunc(problems, func(p Problem) bool { return p.Code == "diagnostics-limit" })
	if limit < 0 || problems[limit].Level != Warning || !strings.HasPrefix(problems[limit].Reason, "2002 more") {
		t.Errorf("the others are not counted: %v", problems[max(limit, 0)])
	}
	if !slices.IsSortedFunc(problems, bySpec) {
		t.Error("they are not sorted")
	}
	if alone := problemsOf(specs[0]); len(alone) != MaxProblems+1 || alone.HasErrors() {
		t.Errorf("%d problems of one level, with errors: %v", len(alone), alone.HasErrors())
	}
}

// What is accepted compiles in its normal form, too.
func TestPathsThatAreAcceptedCompile(t *testing.T) {
	for _, p := range []string{"/%2e%2e%2f", "/%2e%2e;x", "/%2e%2f", "/%2F%2E", "/%2e;", "/a%3Fb", "/a%2Ab", "/%252e", "/a%5Bb", "/%2e%2e%5cx", "/x;%2f.."} {
		s := Spec{Name: "a", Paths: []string{p}, CORS: CORS{AllowOrigins: []string{"*"}}}
		problems := problemsOf(s)
		if again := problemsOf(normalise(s)); problems.HasErrors() != again.HasErrors() {
			t.Errorf("%s: %v, and its normal form: %v", p, problems, again)
		}
		for _, problem := range problems {
			if problem.Code == "path-decoded" && problem.Hint != "" && strings.ContainsAny(problem.Hint, "?*[") {
				t.Errorf("%s: %s", p, problem)
			}
		}
	}
}
