package policyfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// proposed finds the texts that a hint proposes to write; what it shows as an
// example is not one of them.
var proposed = regexp.MustCompile(`(?:did you mean|^write|or write|the first as|^list| and) ("(?:[^"\\]|\\.)*")`)

// proposals returns the texts that a hint proposes, quoted.
func proposals(hint string) string {
	if _, list, isList := strings.Cut(hint, "an entry of its own: "); isList {
		return strings.ReplaceAll(list, ", ", " ")
	}
	var texts []string
	for _, m := range proposed.FindAllStringSubmatch(hint, -1) {
		texts = append(texts, m[1])
	}
	return strings.Join(texts, " ")
}

const none = "" // no proposal

// What people write who come from other systems, and what they mean by it. A
// hint proposes that, or nothing.
func TestHintsProposeWhatWasMeant(t *testing.T) {
	for field, cases := range wanted {
		for _, c := range cases {
			found := Load(files("p.yaml", fmt.Sprintf(field, strconv.Quote(c.text))), "").Diagnostics
			if len(found) == 0 {
				t.Errorf("%s: nothing is said of %q", field, c.text)
				continue
			}
			if got := proposals(found[0].Hint); got != c.proposals || !strings.Contains(found[0].Hint, c.says) {
				t.Errorf("%s\n\tgot the proposal %s, want %s and %q", found[0], got, c.proposals, c.says)
			}
		}
	}
}

// wanted are texts by the file that has them :: text -> what its hint proposes,
// quoted, and what it says besides.
var wanted = map[string][]struct{ text, proposals, says string }{
	`policies: [{name: a, paths: [%s], cors: {allowOrigins: ["*"]}}]`: {
		// A URL, or a host before the path.
		{"https://x.example.com/v1", `"x.example.com" "/v1"`, "under hosts"},
		{"https://X.example.com:8443/v1", `"x.example.com" "/v1"`, "under hosts"},
		{"https://x.example.com/v1?y=1", `"x.example.com"`, "the path alone here"},
		{"https://x.example.com/v1/*", `"x.example.com"`, "the path alone here"},
		{"https://*.example.com/v1", `"*.example.com" "/v1"`, "under hosts"},
		{"https://a.*.com/v1", none, "write the host under hosts, and the path alone here"},
		{"http://localhost:3000", `"localhost"`, "under hosts"},
		{"//x.example.com/v1", `"x.example.com" "/v1"`, "under hosts"},
		{"x.example.com/v1", `"x.example.com" "/v1"`, "under hosts"},
		{"localhost:3000/v1", `"localhost" "/v1"`, "under hosts"},
		{"127.0.0.1/v1", `"127.0.0.1" "/v1"`, "under hosts"},
		// What may be a host or a file.
		{"x.example.com", none, "a host under hosts"},
		{"example.com/v1", none, "a host under hosts"},
		{"//example.com/v1", none, "a host under hosts"},
		{"index.php/v1", none, "a host under hosts"},
		{"v1.0/users", none, "a host under hosts"},
		{"grpc.health.v1.Health/Check", none, "a host under hosts"},
		// nginx.
		{"= /exact", `"/exact"`, "covers all that is below it"},
		{"=/exact", `"/exact"`, "covers all that is below it"},
		{"^~ /images/", `"/images"`, "covers all that is below it"},
		{"~ /m", `"/m"`, "covers all that is below it"},
		{"~* ^/m/", `"/m"`, "covers all that is below it"},
		{"~ ^/api/(.*)$", `"/api"`, "covers all that is below it"},
		{`~* \.(gif|jpg)$`, none, "such as"},
		{"@fallback", none, "such as"},
		{"/api(/|$)(.*)", `"/api"`, ""},
		{"/api/?(.*)", `"/api"`, ""},
		{"/api(?:/|$).*", `"/api"`, ""},
		{"/api(/.*)?", `"/api"`, ""},
		{"/api(/v1|/v2)", none, "list the paths one by one"},
		// Other regexes.
		{`/x\.html`, `"/x.html"`, ""},
		{`^/x\.html$`, `"/x.html"`, ""},
		{`/v1\/x\-y`, `"/v1/x-y"`, ""},
		{`/api/v(\d+)`, `"/api"`, "list the paths one by one"},
		{`/v\d+/x`, none, "list the paths one by one"},
		{`/api\b`, none, "list the paths one by one"},
		{`/a\..\b`, none, "list the paths one by one"},
		{`/(?!x).*`, none, "list the paths one by one"},
		{`/api/(?!x).*`, `"/api"`, "list the paths one by one"},
		{`/api/(?i)x`, `"/api"`, "list the paths one by one"},
		{"(?i)/api", none, "such as"},
		{"/colou?rs", none, "list the paths one by one"},
		{"/api.*", none, "list the paths one by one"},
		{"^/api/.+$", `"/api"`, ""},
		{"~/api/v[0-9]+", `"/api"`, "list the paths one by one"}, // Kong
		{"(/api|/v1)", none, "such as"},
		// Globs and parameters.
		{"/api/**", `"/api"`, ""},
		{"/api*", none, "list the paths one by one"},
		{"api/*", `"/api"`, ""},
		{"*", none, "leave paths out"},
		{"*.html", none, "such as"},
		{"/**/*.html", none, "list the paths one by one"},
		{"/api/{proxy+}", `"/api"`, "list the paths one by one"}, // AWS
		{"/users/:id(\\d+)", `"/users"`, "list the paths one by one"},
		{"/Products(1)/{id}", none, "list the paths one by one"},
		// Words before a path.
		{"exact:/api", `"/api"`, "covers all that is below it"},
		{"PathPrefix:/api", `"/api"`, "covers all that is below it"},
		{"prefix: /api", `"/api"`, "covers all that is below it"},
		{"regex:/api/.*", `"/api"`, "covers all that is below it"},
		{"PathPrefix(`/api`)", `"/api"`, "covers all that is below it"}, // Traefik
		{"Path('/api')", `"/api"`, "covers all that is below it"},
		{"PathRegexp(`^/api/.*`)", `"/api"`, "covers all that is below it"},
		{"PathPrefix(`/api`) || PathPrefix(`/v1`)", none, "such as"},
		{"Host(`x.example.com`) && PathPrefix(`/api`)", none, "such as"},
		{"path_beg /api", none, "such as"},
		{"{ path_beg /api }", none, "such as"},
		{"GET /api", none, "such as"},
		{"GET:/api", none, "such as"},
		{"arn:aws:execute-api:eu-west-1:1:a/prod/GET/x", none, "such as"},
		{"${API_PATH}", none, "such as"},
		{`C:\api`, none, "such as"},
		// Slips.
		{"api/v1", `"/api/v1"`, ""},
		{".well-known/x", `"/.well-known/x"`, ""},
		{" /api", `"/api"`, ""},
		{`"/api"`, `"/api"`, ""},
		{"/api, /v1", `"/api" "/v1"`, "an entry of its own"},
		{"/api /v1", `"/api" "/v1"`, "an entry of its own"},
		{"/a b", `"/a%20b"`, ""},
		{"/api?x=1", `"/api"`, ""},
		{"/api#x", `"/api"`, ""},
		{"/api/?", `"/api"`, ""},
		{"/a%2", `"/a%252"`, "if that is meant"},
		{"", none, "such as"},
	},
	`policies: [{name: a, cors: {allowOrigins: [%s]}}]`: {
		// Words before an origin.
		{"exact:https://a.example.com", `"https://a.example.com"`, ""},
		{"exact: https://a.example.com/", `"https://a.example.com"`, ""},
		{"prefix:https://a.example.com", none, `"*" may be`},
		{"prefix:http://localhost:", `"http://localhost:*"`, ""},
		{"suffix:.example.com", `"https://*.example.com"`, ""},
		{"regex:https://a.example.com", `"https://a.example.com"`, ""},
		{`regex:https://.*\.example\.com`, `"https://*.example.com"`, "allowOriginRegexes"},
		{`regex:https://(a|b)\.example\.com`, none, "allowOriginRegexes"},
		{"Origin: https://a.example.com", `"https://a.example.com"`, ""},
		{"Access-Control-Allow-Origin: *", `"*"`, "alone"},
		// A list in one text.
		{"[https://a.example.com]", `"https://a.example.com"`, ""},
		{`["https://a.example.com"]`, `"https://a.example.com"`, ""},
		{"[https://a.example.com, https://b.example.com]", `"https://a.example.com" "https://b.example.com"`, "an entry of its own"},
		{"<https://a.example.com>", `"https://a.example.com"`, ""},
		{"{https://a.example.com}", none, "such as"},
		{"https://a.example.com:[80,443]", none, "an entry of its own"},
		{"https://*.example.com:[*]", `"https://*.example.com:*"`, ""}, // Spring
		{"https://[*.]example.com", `"https://*.example.com"`, ""},     // Chrome
		{"[*.]example.com", `"https://*.example.com"`, ""},
		{"[*.]example.com:443", `"https://*.example.com"`, ""},
		{"http://[*.]example.com:8080", `"http://*.example.com:8080"`, ""},
		{"group:u, https://c.example.com", `"group:u" "https://c.example.com"`, "an entry of its own"},
		{"group:u group:v", `"group:u" "group:v"`, "an entry of its own"},
		{"https://c.example.com, group:u", `"https://c.example.com" "group:u"`, "an entry of its own"},
		// Addresses.
		{"2001:db8::1", `"https://[2001:db8::1]"`, ""},
		{"https://2001:db8::1", `"https://[2001:db8::1]"`, ""},
		{"https://2001:DB8:0:0:0:0:0:1", `"https://[2001:db8::1]"`, ""},
		{"https://2001:db8::1:8443", none, "in brackets"},
		{"2001:db8::1:8443", none, ""},
		{"::1", `"http://[::1]:*"`, ""},
		{"fe80::1%eth0", none, ""},
		{"10.0.0.0/8", none, "one by one"},
		{"https://10.0.0.0/8", none, "one by one"},
		{"2001:db8::/32", none, "one by one"},
		{"192.168.1.*", none, ""},
		// Apps and other URLs.
		{"app:.", `"app://."`, ""},
		{"app:/.", `"app://."`, ""},
		{"Capacitor:localhost", `"capacitor://localhost"`, ""},
		{"chrome-extension:abc", `"chrome-extension://abc"`, ""},
		{"frontend:3000", `"https://frontend:3000"`, ""},
		{"about:blank", none, "the pages that ask"},
		{"about:srcdoc", none, "the pages that ask"},
		{"mailto:a@b.example", none, "the pages that ask"},
		{"data:text/html,x", none, "the pages that ask"},
		{"javascript:void(0)", none, "the pages that ask"},
		{"blob:https://a.example.com/1b2c", `"https://a.example.com"`, ""},
		{"view-source:https://a.example.com", none, "the pages that ask"},
		{"admin@example.com", none, "such as"},
		{"groups:apps", none, "such as"},
		{"com.example.app:", none, "such as"},
		// Misspelt schemes.
		{"htps://a.example.com", `"https://a.example.com"`, ""},
		{"htttps://*.example.com", `"https://*.example.com"`, ""},
		{"hxxps://a.example.com:443", `"https://a.example.com"`, ""},
		{"ttps://a.example.com", `"https://a.example.com"`, ""},
		{"htttp://localhost:*", `"http://localhost:*"`, ""},
		{"http//a.example.com", `"http://a.example.com"`, ""},
		{"https:/a.example.com", `"https://a.example.com"`, ""},
		{"https;//a.example.com", `"https://a.example.com"`, ""},
		{"https.//a.example.com", `"https://a.example.com"`, ""},
		{"https:://a.example.com", `"https://a.example.com"`, ""},
		{"https://https://a.example.com", `"https://a.example.com"`, ""},
		{"http://https://a.example.com", none, ""},
		// Regexes and globs.
		{`/\.example\.com$/`, `"https://*.example.com"`, "allowOriginRegexes"}, // Express
		{`/example\.com$/`, none, "allowOriginRegexes"},
		{`.*example\.com`, none, ""},
		{`^https://a\.example\.com$`, `"https://a.example.com"`, "allowOriginRegexes"},
		{"https?://a.example.com", none, "allowOriginRegexes"},
		{"https://www?.example.com", none, "allowOriginRegexes"},
		{"https://{a,b}.example.com", none, "an entry of its own"},
		{"https://a.example.com?x=1", `"https://a.example.com"`, ""},
		{"http*://a.example.com", `"https://a.example.com" "http://a.example.com"`, ""},
		{"$http_origin", none, "fill it in"},
		{"{http.request.header.Origin}", none, "fill it in"}, // Caddy
		{"hdr(origin)", none, ""},                            // HAProxy
	},
	`policies: [{name: a, hosts: [%s], cors: {allowOrigins: ["*"]}}]`: {
		{"https://x.example.com/v1", `"x.example.com"`, ""},
		{"x.example.com/", `"x.example.com"`, ""},
		{"api?.example.com", none, "the host alone"},
		{"x.example.com?y", none, "the host alone"},
		{`~^api\d+\.example\.com$`, none, "such as"},
		{"Host(`api.example.com`)", `"api.example.com"`, ""}, // Traefik
		{"Host(\"API.example.com\")", `"api.example.com"`, ""},
		{"HostSNI(`*.example.com`)", `"*.example.com"`, ""},
		{"HostSNI(`*`)", none, "leave hosts out"},
		{"HostRegexp(`^.+$`)", none, "such as"},
		{"Host(`a.example.com`) || Host(`b.example.com`)", none, "such as"},
		{".example.com", `"*.example.com"`, ""},
		{".example.com:443", `"*.example.com"`, ""},
		{"https://.example.com/", `"*.example.com"`, ""},
		{"*.example.com:443", `"*.example.com"`, ""},
		{"*.Example.com.", `"*.example.com"`, ""},
		{"[*.]example.com", `"*.example.com"`, ""}, // Chrome
		{"2001:DB8::1", `"[2001:db8::1]"`, ""},
		{"a.example.com, b.example.com", `"a.example.com" "b.example.com"`, "an entry of its own"},
		// What stands around a host.
		{"https:x.example.com", `"x.example.com"`, ""},
		{"http:/x.example.com/v1", `"x.example.com"`, ""},
		{"//x.example.com", `"x.example.com"`, ""},
		{"https://", none, "the host alone"},
		{"exact: x.example.com", `"x.example.com"`, ""},
		{"suffix: .example.com", `"*.example.com"`, ""},
		{"glob: x.example.com", none, "such as"},
		{"x.example.com:*", `"x.example.com"`, ""},
		{"*.example.com:8443", `"*.example.com"`, ""},
		{"10.0.0.0/8", none, "one by one"},
	},
	`policies: [{name: a, cors: {allowOrigins: ["*"], allowMethods: [%s]}}]`: {
		{" get", `"GET"`, ""},
		{"GET PUT", `"GET" "PUT"`, "an entry of its own"},
		{"ALL", `"*"`, "alone"},
		{"any", `"*"`, "alone"},
		{"DELET", `"DELETE"`, ""},
		{"putt", `"PUT"`, ""},
		{"OPTION", `"OPTIONS"`, ""},
	},
	`policies: [{name: a, cors: {allowOrigins: ["*"], allowHeaders: [%s]}}]`:                                       {{"all", `"*"`, "alone"}},
	`policies: [{name: a, cors: {allowOrigins: ["https://a.test"], exposeHeaders: [%s], allowCredentials: true}}]`: {{"all", none, "list the names"}},

	`policies: [{name: a, dangerously: [origin-regex], cors: {allowOriginRegexes: [%s]}}]`: {
		{`https://a\.test, https://b\.test`, `"https://a\\.test" "https://b\\.test"`, "an entry of its own"},
		{`https://a\.test https://b\.test`, `"https://a\\.test" "https://b\\.test"`, "an entry of its own"},
		{`https://a\.test, b`, none, "as in"},
	},
	`policies: [{name: a, dangerously: [%s], cors: {allowOrigins: ["null"]}}]`: {
		{"null-origin public-suffix", `"null-origin" "public-suffix"`, "an entry of its own"},
	},
	`{cors: %s, policies: []}`:         {{"x", `"cors"`, "policies is a list, and each of them has a name and a cors of its own"}},
	`{allowOrigins: %s, policies: []}`: {{"x", `"allowOrigins"`, `write "allowOrigins" under cors, in a policy`}},
}

// The same in the mappings of Envoy, Istio and the Gateway API.
func TestHintsForMappingsProposeWhatWasMeant(t *testing.T) {
	for value, want := range map[string]string{
		"paths: [{prefix: /api}], cors: {allowOrigins: ['*']}":                                  `"/api"`,
		"paths: [{type: PathPrefix, value: /api}], cors: {allowOrigins: ['*']}":                 `"/api"`,
		"paths: [{regex: /api/.*}], cors: {allowOrigins: ['*']}":                                `"/api"`,
		"paths: [{path: {type: PathPrefix, value: /api}}], cors: {allowOrigins: ['*']}":         `"/api"`,
		"paths: [{method: GET, path: {type: Exact, value: /api}}], cors: {allowOrigins: ['*']}": `"/api"`,
		"paths: [{match: {uri: {prefix: /api}}}], cors: {allowOrigins: ['*']}":                  `"/api"`,
		"paths: [{headers: {x: y}}], cors: {allowOrigins: ['*']}":                               none,
		"paths: {prefix: /api}, cors: {allowOrigins: ['*']}":                                    `["/api"]`,
		"cors: {allowOrigins: [{exact: https://a.example.com}]}":                                `"https://a.example.com"`,
		"cors: {allowOrigins: [{safe_regex: {regex: 'https://.*\\.example\\.com'}}]}":           `"https://*.example.com"`,
		"cors: {allowOrigins: ['*'], allowHeaders: [{exact: x-a}]}":                             `"x-a"`,
		"cors: {allowOrigins: ['*'], allowHeaders: [{prefix: x-}]}":                             none,
		"cors: {allowOrigins: ['*'], allowMethods: {regex: GET|PUT}}":                           none,
		"cors: {allowOrigins: ['*'], allowOriginRegexes: []}, hosts: [{suffix: .a.test}]":       `"*.a.test"`,
	} {
		found := Load(files("p.yaml", "policies: [{name: a, "+value+"}]"), "").Diagnostics
		if len(found) == 0 || found[0].Code != "yaml-type" {
			t.Errorf("%s: got %v", value, found)
			continue
		}
		got := proposals(found[0].Hint)
		if list, isList := strings.CutPrefix(found[0].Hint, "write a list: "); isList {
			got = list
		}
		if got != want {
			t.Errorf("%s\n\tgot the proposal %s, want %s", found[0], got, want)
		}
	}
}

// Which list of origins is meant by a field of another name is told by its name,
// and better by the look of its entries.
func TestHintsForFieldsOfOriginsGoByTheEntries(t *testing.T) {
	for field, want := range map[string]string{
		`allowOriginPatterns: ["https://*.example.com"]`:       `"allowOrigins"`,
		`allowedOriginPatterns: "https://*.example.com"`:       `"allowOrigins"`,
		`allowOriginPatterns: ["https://a.example.com"]`:       `"allowOrigins"`,
		`allowOriginPatterns: ['https://.*\.example\.com']`:    `"allowOrigins"`,
		`allowOriginPatterns: ['https://(a|b)\.example\.com']`: `"allowOriginRegexes"`,
		`allowOriginRegex: ["https://*.example.com"]`:          `"allowOrigins"`,
		`allowOriginRegex: ['https://a\.example\.com']`:        `"allowOriginRegexes"`,
		`allowOriginPatterns: []`:                              `"allowOrigins"`,
	} {
		found := Load(files("p.yaml", "policies: [{name: a, cors: {"+field+"}}]"), "").Diagnostics
		if len(found) == 0 || found[0].Code != "unknown-field" || proposals(found[0].Hint) != want {
			t.Errorf("%s: %v, want the proposal %s", field, found, want)
		}
	}
}

// A group whose name is refused is not proposed.
func TestHintsProposeGroupsThatMayBeNamed(t *testing.T) {
	for name, want := range map[string]string{
		"tx": "rename the group that is meant", "zzzz": `write one such as "group:u"`, "uu": `did you mean "group:u"?`,
	} {
		text := "originGroups: {T_x: [https://a.test], u: [https://b.test]}\npolicies: [{name: a, cors: {allowOrigins: [\"group:" + name + "\"]}}]"
		found := Load(files("p.yaml", text), "").Diagnostics
		if len(found) < 2 || !strings.Contains(found[1].Hint, want) {
			t.Errorf("%s: %v, want %q", name, found, want)
		}
	}
}

// The policies are a list; the hint shows one of what is written instead.
func TestHintsForPoliciesShowThemAsAList(t *testing.T) {
	const named, single = "write a list, of policies that have their names in them: ", "write a list with the one policy: "
	for text, want := range map[string]string{
		"{api: {cors: {}}, b: {hosts: [b.test], cors: {}}}":                       named + "[{name: api, cors: ...}, {name: b, hosts: ..., cors: ...}]",
		"{API: {name: x, mode: off, hosts: [a.test], paths: [/], cors: {}}, b: }": named + "[{name: ..., mode: ..., hosts: ..., paths: ..., ...}, {name: b}]",
		"{a: {}, b: {}, c: {}, d: {}, e: {}}":                                     named + "[{name: a}, {name: b}, {name: c}, ...]",
		"{hosts: {cors: {}}}":                                                     named + "[{name: hosts, cors: ...}]",
		"{name: api, cors: {}}":                                                   single + "[{name: api, cors: ...}]",
		"{cors: {}}":                                                              single + "[{cors: ...}]",
		"{hosts: [a.test]}":                                                       single + "[{hosts: ...}]",
		"{allowOrigins: [https://a.test]}":                                        somePolicies,
		"{}":                                                                      somePolicies,
		"api":                                                                     somePolicies,
	} {
		found := Load(files("p.yaml", "policies: "+text), "").Diagnostics
		if len(found) == 0 || found[0].Code != "yaml-type" || found[0].Hint != want {
			t.Errorf("%s: got %v, want %s", text, found, want)
		}
	}
	example := strings.TrimPrefix(somePolicies, "write a list, such as ")
	if found := Load(files("p.yaml", "policies: "+example), ""); found.HasErrors() {
		t.Errorf("%s: %v", example, found.Diagnostics)
	}
}
