package browser_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/browser"
)

// The lines of an answer.
const (
	acao  = "Access-Control-Allow-Origin: "
	acac  = "Access-Control-Allow-Credentials: "
	acam  = "Access-Control-Allow-Methods: "
	acah  = "Access-Control-Allow-Headers: "
	right = acao + page + "\n"
)

func TestCheckResponse(t *testing.T) {
	for _, tc := range []struct {
		name, headers string
		credentials   browser.Credentials
		console       string // a part; empty: not blocked
	}{
		{"the origin", right, "", ""},
		{"the origin with white space", acao + " \t" + page + " ", "", ""},
		{"a star", acao + "*", browser.Omit, ""},
		{"nothing", "Vary: Origin", "", "No 'Access-Control-Allow-Origin'"},
		{"another origin", acao + target, "", "is not equal to the supplied origin"},
		{"another case", acao + "https://App.example.com", "", "is not equal"},
		{"a slash", acao + page + "/", "", "is not equal"},
		{"null", acao + "null", "", "is not equal"},
		{"twice the origin", right + right, "", "contains multiple values"},
		{"nonsense", acao + "nonsense", "", "contains the invalid value 'nonsense'"},
		{"a star with credentials", acao + "*\n" + acac + "true", browser.Include, "must not be the wildcard"},
		{"credentials", right + acac + "true", browser.Include, ""},
		{"credentials that are not allowed", right, browser.Include, "is '' which must be 'true'"},
		{"credentials in another case", right + acac + "True", browser.Include, "is 'True' which must be 'true'"},
		{"same-origin credentials are none", acao + "*", browser.SameOrigin, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: "GET", Credentials: tc.credentials})
			judge(t, p.CheckResponse(browser.Response{Status: 500, Headers: lines(tc.headers)}), tc.console)
		})
	}
}

func TestCheckPreflight(t *testing.T) {
	const preflight = "Response to preflight request doesn't pass access control check: "
	for _, tc := range []struct {
		name, method, sets, headers string
		status                      int
		credentials                 browser.Credentials
		console                     string
	}{
		{"all is listed", "PUT", "X-A: 1", right + acam + "GET, PUT\n" + acah + "x-b, X-a", 204, "", ""},
		{"POST need not be listed", "POST", "X-A: 1", right + acah + "x-a", 200, "", ""},
		{"no origin", "PUT", "", acam + "PUT", 204, "", preflight + "No 'Access"},
		{"not found", "PUT", "", right + acam + "PUT", 404, "", preflight + "It does not have HTTP ok status."},
		{"not modified", "PUT", "", right + acam + "PUT", 304, "", "ok status"},
		{"the origin is said before the status", "PUT", "", "", 404, "", preflight + "No 'Access"},
		{"a redirect", "PUT", "", "Location: /x", 301, "", preflight + "Redirect is not allowed"},
		{"a method that is not listed", "PUT", "", right + acam + "GET", 204, "", "Method PUT is not allowed"},
		{"a method in another case", "patch", "", right + acam + "PATCH", 204, "", "Method patch is not allowed"},
		{"any method", "PUT", "", right + acam + "*", 204, "", ""},
		{"any method with credentials", "PUT", "", right + acac + "true\n" + acam + "*", 204, browser.Include, "Method PUT is not allowed"},
		{"a method that is a star with credentials", "*", "", right + acac + "true\n" + acam + "*", 204, browser.Include, ""},
		{"a header that is not listed", "GET", "X-A: 1", right + acah + "x-b", 204, "", "Request header field x-a is not allowed"},
		{"any header", "GET", "X-A: 1", right + acah + "*", 204, "", ""},
		{"any header with credentials", "GET", "X-A: 1", right + acac + "true\n" + acah + "*", 204, browser.Include, "field x-a is not allowed"},
		{"Authorization beside the star", "GET", "Authorization: a\nX-A: 1", right + acah + "*, Authorization", 204, "", ""},
		{"empty elements", "PUT", "", right + acam + ", PUT,,", 204, "", ""},
		{"several lines", "PUT", "", right + acam + "GET\n" + acam + "PUT", 204, "", ""},
		{"methods that are none", "GET", "X-A: 1", right + acam + "GET PUT\n" + acah + "x-a", 204, "", "Cannot parse Access-Control-Allow-Methods"},
		{"headers that are none, said before a method", "PUT", "X-A: 1", right + acah + "x-a (", 204, "", "Cannot parse Access-Control-Allow-Headers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: tc.method, Headers: lines(tc.sets), Credentials: tc.credentials})
			if !p.Preflight {
				t.Fatal("there is no preflight")
			}
			judge(t, p.CheckPreflight(browser.Response{Status: tc.status, Headers: lines(tc.headers)}), tc.console)
		})
	}
}

// TestConsoles has what the consoles of Chromium 156, Firefox 153 and WebKit 2.50
// said of such answers.
func TestConsoles(t *testing.T) {
	const preflight = "Response to preflight request doesn't pass access control check: "
	for _, tc := range []struct {
		name, method, sets, headers string
		status                      int
		credentials                 browser.Credentials
		chromium, firefox, webkit   string
	}{
		{"nothing", "GET", "", "", 200, "", "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 200.",
			"Origin https://app.example.com is not allowed by Access-Control-Allow-Origin. Status code: 200"},
		{"a slash", "GET", "", acao + page + "/", 200, "", "The 'Access-Control-Allow-Origin' header has a value 'https://app.example.com/' that is not equal to the supplied origin.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ does not match ‘https://app.example.com/’).",
			"Origin https://app.example.com is not allowed by Access-Control-Allow-Origin. Status code: 200"},
		{"twice the origin", "GET", "", right + right, 200, "", "The 'Access-Control-Allow-Origin' header contains multiple values 'https://app.example.com, https://app.example.com', but only one is allowed.",
			"(Reason: Multiple CORS header ‘Access-Control-Allow-Origin’ not allowed).",
			"Access-Control-Allow-Origin cannot contain more than one origin."},
		{"a list", "GET", "", acao + page + ", http://b.test", 200, "", "The 'Access-Control-Allow-Origin' header contains multiple values 'https://app.example.com, http://b.test', but only one is allowed.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ does not match ‘https://app.example.com, http://b.test’).",
			"Access-Control-Allow-Origin cannot contain more than one origin."},
		{"a list without commas", "GET", "", acao + page + " http://b.test", 200, "", "The 'Access-Control-Allow-Origin' header contains multiple values 'https://app.example.com http://b.test', but only one is allowed.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ does not match ‘https://app.example.com http://b.test’).",
			"Origin https://app.example.com is not allowed by Access-Control-Allow-Origin. Status code: 200"},
		{"null", "GET", "", acao + "null", 200, "", "The 'Access-Control-Allow-Origin' header has a value 'null' that is not equal to the supplied origin.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ does not match ‘null’).",
			"Origin https://app.example.com is not allowed by Access-Control-Allow-Origin. Status code: 200"},
		{"nonsense", "GET", "", acao + "nonsense", 200, "", "The 'Access-Control-Allow-Origin' header contains the invalid value 'nonsense'.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ does not match ‘nonsense’).",
			"Origin https://app.example.com is not allowed by Access-Control-Allow-Origin. Status code: 200"},
		{"a star with credentials", "GET", "", acao + "*\n" + acac + "true", 200, browser.Include,
			"The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's credentials mode is 'include'.",
			"(Reason: Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’).",
			"Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is true."},
		{"credentials in another case", "GET", "", right + acac + "True", 200, browser.Include,
			"The value of the 'Access-Control-Allow-Credentials' header in the response is 'True' which must be 'true' when the request's credentials mode is 'include'.",
			"(Reason: expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’).",
			`Credentials flag is true, but Access-Control-Allow-Credentials is not "true".`},
		{"a bare 403", "PUT", "", "", 403, "", preflight + "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403.",
			"Preflight response is not successful. Status code: 403"},
		{"a status alone", "PUT", "", right + acam + "PUT", 404, "", preflight + "It does not have HTTP ok status.",
			"(Reason: CORS preflight response did not succeed). Status code: 404.",
			"Preflight response is not successful. Status code: 404"},
		{"a redirect", "PUT", "", right + "Location: /x", 302, "", preflight + "Redirect is not allowed for a preflight request.",
			"(Reason: CORS request external redirect not allowed).",
			"Preflight response is not successful. Status code: 302"},
		{"a redirect of a stranger", "PUT", "", "Location: /x", 302, "", preflight + "Redirect is not allowed for a preflight request.",
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 302.",
			"Preflight response is not successful. Status code: 302"},
		{"a redirect to nowhere", "PUT", "", right + acam + "PUT", 302, "", preflight + "It does not have HTTP ok status.",
			"(Reason: CORS preflight response did not succeed). Status code: 302.",
			"Preflight response is not successful. Status code: 302"},
		{"a method", "PATCH", "", right + acam + "PUT", 204, "", "Method PATCH is not allowed by Access-Control-Allow-Methods in preflight response.",
			"(Reason: Did not find method in CORS header ‘Access-Control-Allow-Methods’).",
			"Method PATCH is not allowed by Access-Control-Allow-Methods."},
		{"methods that are none", "PUT", "", right + acam + "PUT (", 204, "", "Cannot parse Access-Control-Allow-Methods response header field in preflight response.",
			"(Reason: invalid token ‘PUT (’ in CORS header ‘Access-Control-Allow-Methods’).",
			"Header Access-Control-Allow-Methods has an invalid value: PUT ("},
		{"a header", "GET", "X-A: 1", right + acah + "x-b", 204, "", "Request header field x-a is not allowed by Access-Control-Allow-Headers in preflight response.",
			"(Reason: header ‘x-a’ is not allowed according to header ‘Access-Control-Allow-Headers’ from CORS preflight response).",
			"Request header field X-A is not allowed by Access-Control-Allow-Headers."},
		{"a header that WebKit knows", "POST", "content-type: application/json", right, 204, "", "Request header field content-type is not allowed by Access-Control-Allow-Headers in preflight response.",
			"(Reason: header ‘content-type’ is not allowed according to header ‘Access-Control-Allow-Headers’ from CORS preflight response).",
			"Request header field Content-Type is not allowed by Access-Control-Allow-Headers."},
		{"headers that are none", "GET", "X-A: 1", right + acah + "x-c, x-a (", 204, "", "Cannot parse Access-Control-Allow-Headers response header field in preflight response.",
			"(Reason: invalid token ‘x-a (’ in CORS header ‘Access-Control-Allow-Headers’).",
			"Header Access-Control-Allow-Headers has an invalid value: x-c, x-a ("},
	} {
		for engine, want := range map[browser.Engine]string{browser.Chromium: tc.chromium, browser.Firefox: tc.firefox, browser.WebKit: tc.webkit} {
			t.Run(tc.name+" in "+engine.Name(), func(t *testing.T) {
				p := browser.MakePlan(browser.Request{Engine: engine, Origin: page, Target: target, Method: tc.method, Headers: lines(tc.sets), Credentials: tc.credentials})
				check := p.CheckResponse
				if p.Preflight {
					check = p.CheckPreflight
				}
				if v := check(browser.Response{Status: tc.status, Headers: lines(tc.headers)}); !v.Blocked || v.Console != want {
					t.Errorf("%+v\nwant %s", v, want)
				}
			})
		}
	}
}

func TestConsoleLines(t *testing.T) {
	for _, tc := range []struct {
		engine  browser.Engine
		headers string
		want    string
	}{
		{browser.Chromium, "", "Access to fetch at 'https://api.example.com/v1' from origin 'https://app.example.com' has been blocked by CORS policy: " +
			"No 'Access-Control-Allow-Origin' header is present on the requested resource."},
		{browser.Firefox, "", "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://api.example.com/v1. " +
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403."},
		{browser.Firefox, acao + "*", "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at ‘https://api.example.com/v1’. " +
			"(Reason: Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’)."},
		{browser.WebKit, "", "Origin https://app.example.com is not allowed by Access-Control-Allow-Origin. Status code: 403"},
		{browser.Firefox, right + acac + "true", ""},
	} {
		p := browser.MakePlan(browser.Request{Engine: tc.engine, Origin: page, Target: target, Method: "GET", Credentials: browser.Include})
		v := p.CheckResponse(browser.Response{Status: 403, Headers: lines(tc.headers)})
		if got := p.ConsoleLine(target+"/v1", v); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.engine, got, tc.want)
		}
	}
}

// TestEveryEngineLetsAStarStandForAuthorization though the standard does not.
func TestEveryEngineLetsAStarStandForAuthorization(t *testing.T) {
	for _, engine := range browser.Engines() {
		for _, tc := range []struct {
			name, headers string
			credentials   browser.Credentials
			blocked       bool
		}{
			{"a star", right + acah + "*", "", false},
			{"a star with credentials", right + acac + "true\n" + acah + "*", browser.Include, true},
			{"no star", right + acah + "x-a", "", true},
			{"its name", right + acah + "authorization", "", false},
		} {
			p := browser.MakePlan(browser.Request{Engine: engine, Origin: page, Target: target, Method: "GET", Headers: lines("Authorization: a"), Credentials: tc.credentials})
			if v := p.CheckPreflight(browser.Response{Status: 204, Headers: lines(tc.headers)}); v.Blocked != tc.blocked {
				t.Errorf("%s, %s: %+v", engine, tc.name, v)
			} else if last := v.Steps[len(v.Steps)-1].Says; strings.Contains(last, "by the standard") != (tc.name == "a star") {
				t.Errorf("%s, %s: %s", engine, tc.name, last)
			}
		}
	}
}

// judge wants a blocked verdict with that console, and one that is not for none.
// The last step alone fails.
func judge(t *testing.T, v browser.Verdict, console string) {
	t.Helper()
	if v.Blocked != (console != "") || !strings.Contains(v.Console, console) || !v.Blocked && v.Console != "" {
		t.Errorf("got %+v, want %q", v, console)
	}
	for i, s := range v.Steps {
		if last := i == len(v.Steps)-1; s.OK == (v.Blocked && last) || s.Section == "" {
			t.Errorf("step %d of %+v", i, v.Steps)
		}
	}
}

func TestReadable(t *testing.T) {
	all := "Content-Type: a\nX-A: 1\nX-B: 2\nSet-Cookie: c"
	for _, tc := range []struct {
		name, expose string
		credentials  browser.Credentials
		want         string
	}{
		{"safelisted ones only", "", "", "Content-Type: a"},
		{"listed ones in any case", "x-A", "", "Content-Type: a\nX-A: 1"},
		{"a star", "*", "", "Content-Type: a\nX-A: 1\nX-B: 2\nAccess-Control-Expose-Headers: *"},
		{"a star with credentials", "*, x-b", browser.Include, "Content-Type: a\nX-B: 2"},
		{"never a cookie", "set-cookie", "", "Content-Type: a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: "GET", Credentials: tc.credentials})
			hs := append(lines(all), browser.Header{Name: "Access-Control-Expose-Headers", Value: tc.expose})
			seen, _ := p.Readable(browser.Response{Status: 200, Headers: hs})
			if diff := cmp.Diff(lines(tc.want), seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}
