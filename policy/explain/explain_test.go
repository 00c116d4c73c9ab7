package explain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/policytest"
)

const app = "https://app.example.com"

// specs are the policies of the tests.
func specs() []policy.Spec {
	return []policy.Spec{
		{
			Name: "api", Hosts: []string{"api.example.com", "*.api.example.com"}, Paths: []string{"/v1"},
			CORS: policy.CORS{
				AllowOrigins: []string{app, "https://*.corp.test", "https://pr-*.preview.test", "http://localhost:3000", "https://shop.example.com:8443"},
				AllowMethods: []string{"PUT", "PATCH"}, AllowHeaders: []string{"content-type", "x-token"}, ExposeHeaders: []string{"x-total"},
			},
		},
		{Name: "api-all", Hosts: []string{"api.example.com"}, CORS: policy.CORS{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*"}}},
		{Name: "private", Hosts: []string{"private.example.com"}, CORS: policy.CORS{AllowOrigins: []string{app}, AllowCredentials: true}},
		{
			Name: "regex", Hosts: []string{"regex.example.com"}, Dangerously: []policy.OptIn{policy.OptInOriginRegex},
			CORS: policy.CORS{AllowOriginRegexes: []string{`https://(a|b)\.test`}},
		},
		{Name: "rehearsal", Hosts: []string{"new.example.com"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{app}}},
		{Name: "off", Hosts: []string{"off.example.com"}, Mode: policy.ModeOff, CORS: policy.CORS{AllowOrigins: []string{app}}},
		{Name: "defer", Hosts: []string{"defer.example.com"}, UpstreamHeaders: policy.UpstreamDefer, CORS: policy.CORS{AllowOrigins: []string{app}}},
		{
			Name: "forward", Hosts: []string{"forward.example.com"}, UnmatchedPreflights: policy.UnmatchedForward,
			CORS: policy.CORS{AllowOrigins: []string{app}, AllowMethods: []string{"PUT"}},
		},
		{Name: "strict", Hosts: []string{"strict.example.com"}, DeniedRequests: policy.DeniedBlock, CORS: policy.CORS{AllowOrigins: []string{app}}},
	}
}

func policies(t testing.TB, specs []policy.Spec) explain.Policies {
	t.Helper()
	return explain.Policies{Set: policytest.Compile(t, specs...)}
}

func ask(t testing.TB, q explain.Question) explain.Report {
	t.Helper()
	r, err := policies(t, specs()).Explain(q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNearestMiss(t *testing.T) {
	for _, tc := range []struct{ name, origin, entry, why string }{
		{"http", "http://app.example.com", app, "http, not https"},
		{"another port", "https://app.example.com:8443", app, "port differs: 8443, not the default one"},
		{"the default port", "https://shop.example.com", "https://shop.example.com:8443", "port differs: the default one, not 8443"},
		{"another port and scheme", "https://localhost:3001", "http://localhost:3000", "https, not http; port differs: 3001, not 3000"},
		{"the apex", "https://corp.test", "https://*.corp.test", "the apex is not covered by *."},
		{"a name that ends alike", "https://evilcorp.test", "https://*.corp.test", "evilcorp.test ends in corp.test without a dot before it: it is another domain"},
		{"a name that has it inside", "https://a.corp.test.evil.test", "https://*.corp.test", "corp.test is within a.corp.test.evil.test, not at its end: it is another domain"},
		{"a misspelt domain", "https://a.cropp.test", "", ""},
		{"a domain with letters exchanged", "https://a.crop.test", "https://*.corp.test", "the domain is spelled differently: crop.test, not corp.test"},
		{"a star's label that begins otherwise", "https://xr-1.preview.test", "https://pr-*.preview.test", "the label xr-1 does not begin with pr-"},
		{"nothing for the star", "https://pr-.preview.test", "", ""},
		{"an underscore for the star", "https://pr-a_b.preview.test", "https://pr-*.preview.test", "the star does not cover an underscore"},
		{"more labels than the star", "https://pr-1.x.preview.test", "https://pr-*.preview.test", "the star is within one label, and the host has more labels before that"},
		{"no label for the star", "https://preview.test", "https://pr-*.preview.test", "the star's label is missing"},
		{"a dot at the end", "https://app.example.com.", app, "the host has a dot at its end, which is another origin"},
		{"a misspelt host", "https://ap.example.com", app, "the host is spelled differently: ap.example.com, not app.example.com"},
		{"a subdomain", "https://x.app.example.com", app, "a subdomain is not covered by its parent"},
		{"the parent", "https://example.com", app, "the parent is not covered by its subdomain"},
		{"a sister", "https://stage.example.com", app, "another host below example.com"},
		{"upper case", "https://App.example.com", "", "browsers send scheme and host in lower case; browsers send https://app.example.com, which https://app.example.com allows"},
		{"a trailing slash", app + "/", "", "an origin has no path; browsers send https://app.example.com, which https://app.example.com allows"},
		{"a default port", app + ":443", "", "browsers leave out the default port; browsers send https://app.example.com, which https://app.example.com allows"},
		{"no origin at all", "nonsense", "", "an origin begins with a scheme"},
		{"a star", "https://*.corp.test", "", "it is malformed: no browser sends it as an origin"},
		{"a quote and a backslash", `https://a"b\é`, "", "it is malformed: no browser sends it as an origin"},
		{"two origins", "https://a.test, https://b.test", "", "it is malformed: no browser sends it as an origin"},
		{"a word of a policy", "group:apps", "", "an origin begins with a scheme"},
		{"a placeholder", "${ORIGIN}", "", "it is malformed: no browser sends it as an origin"},
		{"a port that is too large", "https://app.corp.test:99999", "", "the port is not one"},
		{"null", "null", "", "the page has no origin of its own"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := ask(t, explain.Question{Origin: tc.origin, URL: "https://api.example.com/v1"})
			if r.Allowed || r.Origin.Allowed || r.Origin.Tried != 5 {
				t.Fatalf("%+v", r.Origin)
			}
			if tc.entry == "" && tc.why == "" {
				return
			}
			if len(r.Origin.Near) == 0 || r.Origin.Near[0].Entry != tc.entry || !strings.HasPrefix(r.Origin.Near[0].Why, tc.why) {
				t.Errorf("near is %+v, want %q: %q", r.Origin.Near, tc.entry, tc.why)
			}
			if !strings.Contains(r.Cause, tc.why) {
				t.Errorf("the cause is %q", r.Cause)
			}
		})
	}
}

func TestAnAmbiguousPathIsSaid(t *testing.T) {
	for _, tc := range []struct{ url, policy, otherwise, cause string }{
		{"https://api.example.com/v1%2Fx", "api-all", "api: applications may read the path as /v1/x: its host is api.example.com, its path is /v1", "policy api-all and policy api"},
		{"https://api.example.com/v1/..%2Fx", "api", "api-all: applications may read the path as /x: its host is api.example.com, every path", "policy api and policy api-all"},
		{"https://a.api.example.com/x%2F..%2Fv1;y", "", "api: applications may read the path as /v1: its host is *.api.example.com, its path is /v1", "no policy and policy api"},
		{"https://a.api.example.com/v1/..;/x", "api", ": applications may read the path as /x, which no policy covers", "policy api and no policy"},
	} {
		r := ask(t, explain.Question{Origin: app, URL: tc.url, Method: "PUT"})
		if r.Allowed || r.Preflight.Reason != "path_ambiguous" || r.Remedy != nil || r.Policy.Name != tc.policy {
			t.Errorf("%s: %+v", tc.url, r)
		}
		if o := r.Policy.Otherwise; len(o) != 1 || o[0].Name+": "+o[0].Why != tc.otherwise && ": "+o[0].Why != tc.otherwise {
			t.Errorf("%s: otherwise %+v, want %s", tc.url, o, tc.otherwise)
		}
		if !strings.Contains(r.Cause, tc.cause) {
			t.Errorf("%s: the cause is %q, want %q", tc.url, r.Cause, tc.cause)
		}
		named := map[string]bool{tc.policy: true, "": true}
		for _, o := range slices.Concat(r.Policy.Otherwise, r.Policy.Others) {
			if named[o.Name] && o.Name != "" {
				t.Errorf("%s: policy %s is named twice: %+v", tc.url, o.Name, r.Policy)
			}
			named[o.Name] = true
		}
		if len(named)-1+r.Policy.More != len(specs()) {
			t.Errorf("%s: %d policies are named, and %d more", tc.url, len(named)-1, r.Policy.More)
		}
	}
}

func TestAPathWithTooManyReadingsIsSaid(t *testing.T) {
	r := ask(t, explain.Question{Origin: app, URL: "https://api.example.com/%3B//a/b%2F..%3B%5C/%2F..%2F/c%5C%2Fb//..;x/;%5C%2Fa/%5C."})
	if r.Allowed || r.Request.Reason != "path_ambiguous" || !strings.Contains(r.Cause, "too many ways") {
		t.Errorf("%+v, %q", r.Request, r.Cause)
	}
}

func TestAPathThatMakesNoDifferenceHasNoOtherReading(t *testing.T) {
	if r := ask(t, explain.Question{Origin: app, URL: "https://api.example.com/v1/a%2Fb"}); !r.Allowed || r.Policy.Otherwise != nil {
		t.Errorf("%+v", r.Policy)
	}
}

func TestWhatIsFartherIsLeftOut(t *testing.T) {
	r := ask(t, explain.Question{Origin: app + ":8443", URL: "https://api.example.com/v1"})
	if len(r.Origin.Near) != 1 || r.Origin.Near[0].Entry != app {
		t.Errorf("%+v", r.Origin.Near)
	}
}

func TestNothingIsNear(t *testing.T) {
	r := ask(t, explain.Question{Origin: "https://elsewhere.org", URL: "https://private.example.com/"})
	if len(r.Origin.Near) != 0 || r.Cause != "policy private does not allow the origin; none of its entries is close to it" {
		t.Errorf("%+v %q", r.Origin, r.Cause)
	}
}

// An app's origin has no labels that could be near, and no expression matches
// what anybody can send.
func TestAppOrigins(t *testing.T) {
	all := specs()
	all[3].CORS.AllowOriginRegexes = []string{`(app|file)://.*`}
	all[2].CORS.AllowOrigins = []string{"app://."}
	ps := policies(t, all)
	for _, tc := range []struct {
		origin, host string
		allowed      bool
		cause        string
	}{
		{"app://.", "private", true, ""},
		{"app://-", "private", false, "none of its entries is close to it"},
		{"file://", "private", false, "none of its entries is close to it"},
		{"app://..", "private", false, "none of its entries is close to it"},
		{"https://a.test", "private", false, "none of its entries is close to it"},
		{"app:///index.html", "private", false, "an origin has no path"},
		{"app://X", "regex", true, ""},
		{"file://", "regex", false, "no expression matches an origin that anybody can send"},
		{"file://", "api", true, ""},
	} {
		r, err := ps.Explain(explain.Question{Origin: tc.origin, URL: "https://" + tc.host + ".example.com/"})
		if err != nil || r.Allowed != tc.allowed || !strings.Contains(r.Cause, tc.cause) || r.Origin.Allowed != tc.allowed {
			t.Errorf("%s to %s: allowed %v, %+v, %q, %v", tc.origin, tc.host, r.Allowed, r.Origin, r.Cause, err)
		}
	}
}

func TestChoice(t *testing.T) {
	for _, tc := range []struct{ name, url, policy, mode, why, other, otherWhy string }{
		{"the longest path", "https://API.example.com/v1/x", "api", "enforce", "its host is api.example.com, its path is /v1", "api-all", "its host is api.example.com, every path, but another path is longer"},
		{"a star", "https://a.api.example.com/v1", "api", "enforce", "its host is *.api.example.com", "api-all", "its host is api.example.com, which does not cover what is below it"},
		{"another path", "https://api.example.com/v10", "api-all", "enforce", "every path", "api", "its host covers the request, its paths do not: /v1"},
		{"none", "https://privat.example.com/", "", "", "no policy covers privat.example.com/", "private", "its host is spelled private.example.com"},
		{"none, by the path as it is sent", "https://nobody.example.com/%76%31/x%20y?q=1", "", "", "no policy covers nobody.example.com/%76%31/x%20y:", "strict", "its hosts are others"},
		{"off", "https://off.example.com/", "off", "off", "its host is off.example.com", "strict", "its hosts are others"},
		{"shadow", "https://new.example.com/", "", "", "no policy covers", "rehearsal", "it is in shadow: it is decided, and changes nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// The order of the policies means nothing.
			reversed := specs()
			slices.Reverse(reversed)
			r, err := policies(t, reversed).Explain(explain.Question{Origin: app, URL: tc.url})
			if err != nil || r.Policy.Name != tc.policy || r.Policy.Why != ask(t, explain.Question{Origin: app, URL: tc.url}).Policy.Why {
				t.Errorf("reversed: %+v %v", r.Policy, err)
			}
			c := r.Policy
			if c.Name != tc.policy || c.Mode != tc.mode || !strings.Contains(c.Why, tc.why) {
				t.Errorf("%+v", c)
			}
			if !slices.ContainsFunc(c.Others, func(o explain.Other) bool { return o.Name == tc.other && strings.HasPrefix(o.Why, tc.otherWhy) }) {
				t.Errorf("%+v", c.Others)
			}
			if chosen := min(len(c.Name), 1); len(c.Others)+c.More+chosen != len(specs()) {
				t.Errorf("%d others and %d more", len(c.Others), c.More)
			}
		})
	}
}

func TestNamedPolicy(t *testing.T) {
	q := explain.Question{Origin: app, URL: "https://elsewhere.org/", Policy: "private"}
	if r := ask(t, q); !r.Allowed || r.Policy.Name != "private" {
		t.Errorf("%+v", r.Policy)
	}
	q.Policy = "nobody"
	if r := ask(t, q); r.Allowed || r.Policy.Name != "" || r.Request.Reason != "policy_unknown" || r.Remedy != nil {
		t.Errorf("%+v", r)
	}
}

func TestVerdicts(t *testing.T) {
	upstream := browser.Headers{{Name: "Access-Control-Allow-Origin", Value: "https://other.test"}, {Name: "Vary", Value: "Accept"}}
	tokens := browser.Headers{{Name: "X-Token", Value: "t"}}
	for _, tc := range []struct {
		name    string
		q       explain.Question
		reasons string
		because string
		cause   string
	}{
		{"a request without a preflight", explain.Question{Origin: app, URL: "https://api.example.com/v1"},
			"request_allowed", "the page may read the answer: Access-Control-Allow-Origin is the page's origin", ""},
		{"a preflight", explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: "PUT", Headers: tokens},
			"preflight_allowed request_allowed", "the page may read", ""},
		{"a method in another case", explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: "patch"},
			"preflight_method_denied", "browsers would block this because of the preflight's answer", "methods are case-sensitive, and PATCH is listed"},
		{"a method", explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: "QUERY"},
			"preflight_method_denied", "browsers would block", "policy api does not allow the method QUERY"},
		{"a misspelt header", explain.Question{Origin: app, URL: "https://api.example.com/v1", Headers: browser.Headers{{Name: "X-Tokn"}}},
			"preflight_header_denied", "browsers would block", "policy api does not allow x-tokn; x-token is listed"},
		{"Authorization and a star", explain.Question{Origin: app, URL: "https://api.example.com/", Headers: browser.Headers{{Name: "Authorization"}}},
			"preflight_header_denied", "browsers would block", "* does not stand for authorization"},
		{"credentials", explain.Question{Origin: app, URL: "https://api.example.com/v1", Credentials: browser.Include},
			"request_allowed", "browsers would block this because of the answer: credentials are asked for", "policy api allows the origin, but no credentials"},
		{"the upstream's own headers are replaced", explain.Question{Origin: app, URL: "https://api.example.com/v1", Upstream: explain.Upstream{Headers: upstream}},
			"request_allowed", "the page may read", ""},
		{"the upstream's own headers stay", explain.Question{Origin: app, URL: "https://defer.example.com/", Upstream: explain.Upstream{Headers: upstream}},
			"request_allowed", "is \"https://other.test\", not", "policy defer defers to the upstream, whose own CORS headers stay"},
		{"a preflight that is forwarded", explain.Question{Origin: "https://other.test", URL: "https://forward.example.com/", Method: "PUT", Upstream: explain.Upstream{Headers: upstream}},
			"preflight_origin_denied", "does not list PUT", "policy forward does not allow the origin"},
		{"a star of the upstream for Authorization", explain.Question{Origin: app, URL: "https://nobody.example.com/", Headers: browser.Headers{{Name: "Authorization"}},
			Upstream: explain.Upstream{Headers: browser.Headers{{Name: "Access-Control-Allow-Origin", Value: "*"}, {Name: "Access-Control-Allow-Headers", Value: "*"}}}},
			"no_policy no_policy", "the page may read the answer", ""},
		{"a header that Chrome alone lets through", explain.Question{Origin: app, URL: "https://api.example.com/v1", Headers: browser.Headers{{Name: "User-Agent", Value: "mine"}}},
			"preflight_header_denied", "Firefox and Safari would block this, Chrome would not, because of the preflight's answer", "policy api does not allow user-agent"},
		{"a font that Safari alone lets through", explain.Question{Origin: "https://other.test", URL: "https://private.example.com/", Font: true},
			"request_origin_denied", "Chrome and Firefox would block this, Safari would not, because of the answer", "policy private does not allow the origin"},
		{"a request that is blocked", explain.Question{Origin: "https://other.test", URL: "https://strict.example.com/"},
			"request_blocked", "browsers would block", "policy strict does not allow the origin"},
		{"the site's own", explain.Question{Origin: "https://strict.example.com", URL: "https://strict.example.com/", Method: "POST"},
			"same_origin", "the page may read the answer: it is of the page's own origin", ""},
		{"the site's own GET", explain.Question{Origin: "https://strict.example.com", URL: "https://strict.example.com/"},
			"not_cors", "the page may read the answer: it is of the page's own origin", ""},
		{"a policy that is off, and an upstream that refuses", explain.Question{Origin: app, URL: "https://off.example.com/", Upstream: explain.Upstream{Headers: upstream}},
			"policy_off", "browsers would block this because of the answer", "policy off is off: the upstream's own CORS headers stay"},
		{"no policy, and an upstream that refuses", explain.Question{Origin: app, URL: "https://nobody.example.com/", Upstream: answered()},
			"no_policy", "browsers would block this because of the answer: there is no Access-Control-Allow-Origin", "no policy covers it: the upstream's own CORS headers stay"},
		{"a policy that is not there", explain.Question{Origin: app, URL: "https://nobody.example.com/", Policy: "gone"},
			"policy_unknown", "browsers would block this", `Envoy names the policy "gone", and no policy has that name`},
		{"a regex", explain.Question{Origin: "https://a.test", URL: "https://regex.example.com/"}, "request_allowed", "the page may read", ""},
		{"not the regex", explain.Question{Origin: "https://c.test", URL: "https://regex.example.com/"},
			"request_origin_denied", "browsers would block", "the expression does not match the whole origin"},
		{"a method that no page can send", explain.Question{Origin: app, URL: "https://api.example.com/", Method: "TRACE"}, "", "every browser would refuse this", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := ask(t, tc.q)
			if got := reasonsOf(r); got != tc.reasons {
				t.Errorf("the reasons are %q, want %q", got, tc.reasons)
			}
			if !strings.Contains(r.Because, tc.because) || !strings.Contains(r.Cause, tc.cause) || tc.cause == "" && r.Cause != "" {
				t.Errorf("because %q, cause %q", r.Because, r.Cause)
			}
			if sent := r.Request != nil; r.Allowed && (!sent || consoles(r) != 0 || r.Remedy != nil) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// consoles counts the consoles that say something.
func consoles(r explain.Report) (n int) {
	for _, e := range r.Engines {
		if e.Console != "" {
			n++
		}
	}
	return n
}

// reasonsOf are those of the exchanges.
func reasonsOf(r explain.Report) string {
	var reasons []string
	for _, e := range []*explain.Exchange{r.Preflight, r.Request} {
		if e != nil {
			reasons = append(reasons, e.Reason)
		}
	}
	return strings.Join(reasons, " ")
}

func TestHeadersAreExact(t *testing.T) {
	r := ask(t, explain.Question{
		Origin: app, URL: "https://api.example.com/v1", Method: "put", Headers: browser.Headers{{Name: "X-Token", Value: "t"}},
		Upstream: explain.Upstream{Status: 404, Headers: browser.Headers{{Name: "Vary", Value: "Accept"}, {Name: "X-Secret", Value: "s"}}},
	})
	for _, tc := range []struct {
		e    *explain.Exchange
		want string
	}{
		{r.Preflight, "204 access-control-allow-headers: content-type, x-token|access-control-allow-methods: PUT, PATCH|" +
			"access-control-allow-origin: https://app.example.com|access-control-expose-headers: x-total|" +
			"vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"},
		{r.Request, "404 access-control-allow-origin: https://app.example.com|access-control-expose-headers: x-total|vary: Accept|vary: Origin|x-secret: s"},
	} {
		var got []string
		for _, h := range tc.e.Headers {
			got = append(got, h.Name+": "+h.Value)
		}
		if got := fmt.Sprint(tc.e.Status, " ", strings.Join(got, "|")); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
	if !slices.Contains(r.Request.Hidden, "x-secret") || r.Request.Method != "PUT" || r.Preflight.Forwarded || !r.Request.Forwarded {
		t.Errorf("%+v", r.Request)
	}
	if _, ok := r.Preflight.Sent.Get("access-control-request-headers"); !ok {
		t.Errorf("%+v", r.Preflight.Sent)
	}
}

func TestShadowIsTold(t *testing.T) {
	r := ask(t, explain.Question{Origin: app, URL: "https://new.example.com/"})
	want := &explain.Shadow{Name: "rehearsal", Reason: "request_allowed", Differs: true, Differences: policy.Differences{
		{What: "reason", From: "no_policy", To: "request_allowed"}, {What: "apply", From: "none", To: "replace"},
		{What: "access-control-allow-origin", To: app},
	}}
	if diff := cmp.Diff(want, r.Shadow); diff != "" {
		t.Error(diff)
	}
}

func TestPreflightsOnTheWire(t *testing.T) {
	asks := func(method, names string) browser.Headers {
		return browser.Headers{{Name: "Access-Control-Request-Method", Value: method}, {Name: "Access-Control-Request-Headers", Value: names}}
	}
	for _, tc := range []struct {
		name, method string
		headers      browser.Headers
		bare         bool
		reasons      string
		note         string
	}{
		{"a preflight is explained with its request", "OPTIONS", asks("PUT", "x-token, content-type"), false, "preflight_allowed request_allowed", "this is the preflight of a PUT request"},
		{"a preflight of a method that needs none", "OPTIONS", asks("GET", ""), false, "preflight_allowed request_allowed", "preflight of a GET"},
		{"a preflight for a header that may be safe", "OPTIONS", asks("GET", "accept"), false, "preflight_header_denied", "preflight of a GET"},
		{"OPTIONS as it was sent", "OPTIONS", nil, true, "request_allowed", "no Access-Control-Request-Method, so not a preflight"},
		{"OPTIONS of a page", "OPTIONS", nil, false, "preflight_method_denied", "no Access-Control-Request-Method, so not a preflight"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := ask(t, explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: tc.method, Headers: tc.headers, Bare: tc.bare})
			if got := reasonsOf(r); got != tc.reasons || len(r.Notes) == 0 || !strings.Contains(r.Notes[0], tc.note) {
				t.Errorf("%q %q", got, r.Notes)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	r := ask(t, explain.Question{Origin: app, URL: "https://api.example.com/v1", Upstream: explain.Upstream{Status: 302}})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "redirect") {
		t.Errorf("%q", r.Notes)
	}
	r = ask(t, explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: "PUT", Upstream: explain.Upstream{Status: 307}})
	if len(r.Notes) != 2 || !strings.Contains(r.Notes[1], "from the page's own origin in Firefox") {
		t.Errorf("%q", r.Notes)
	}
}

func TestQuestionsThatCannotBeRead(t *testing.T) {
	for _, tc := range []struct {
		name string
		q    explain.Question
		want string
	}{
		{"no origin", explain.Question{URL: "https://a.test"}, "the origin is missing"},
		{"no URL", explain.Question{Origin: app}, "its host is missing, write it as in https"},
		{"no host", explain.Question{Origin: app, URL: "https:///x"}, "its host is missing, write it as in https"},
		{"another scheme", explain.Question{Origin: app, URL: "ftp://a.test"}, "http or https"},
		{"no URL at all", explain.Question{Origin: app, URL: "https://a.test:b"}, "read the URL"},
		{"a credentials mode", explain.Question{Origin: app, URL: "https://a.test", Credentials: "always"}, "write omit, same-origin or include"},
		{"a status below 100", explain.Question{Origin: app, URL: "https://a.test", Upstream: explain.Upstream{Status: 99}}, "no answer has the status 99: give one of 100 to 999"},
		{"a status above 999", explain.Question{Origin: app, URL: "https://a.test", Upstream: explain.Upstream{Status: 1000}}, "no answer has the status 1000"},
		{"a preflight's status", explain.Question{Origin: app, URL: "https://a.test", UpstreamPreflight: &explain.Upstream{Status: -1}}, "no answer has the status -1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := policies(t, specs()).Explain(tc.q); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestExplainAsksForTheHostAsBrowsersSendIt(t *testing.T) {
	ps := policies(t, []policy.Spec{{Name: "books", Hosts: []string{"xn--bcher-kva.example"}, CORS: policy.CORS{AllowOrigins: []string{app}}}})
	for _, url := range []string{"https://b\u00fccher.example/", "https://B\u00dcCHER.example:8443/"} {
		r, err := ps.Explain(explain.Question{Origin: app, URL: url})
		if err != nil || !r.Allowed || r.Policy.Name != "books" {
			t.Errorf("%s: %+v, %v", url, r, err)
		}
	}
	r, err := policies(t, nil).Explain(explain.Question{Origin: app, URL: "https://b\u00fccher.example/"})
	if err != nil || r.Remedy == nil || !slices.Equal(r.Remedy.Changes[1].Add, []string{"xn--bcher-kva.example"}) {
		t.Errorf("%+v, %v", r.Remedy, err)
	}
}
