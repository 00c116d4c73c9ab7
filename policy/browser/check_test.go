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
		{"any header is not Authorization", "GET", "Authorization: a", right + acah + "*", 204, "", "field authorization is not allowed"},
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

// TestChromiumDiffers is about what Chromium does not check.
func TestChromiumDiffers(t *testing.T) {
	for _, tc := range []struct {
		name, headers string
		credentials   browser.Credentials
		want          bool
	}{
		{"a star for Authorization", right + acah + "*", "", true},
		{"a star for Authorization with credentials", right + acac + "true\n" + acah + "*", browser.Include, false},
		{"no star", right + acah + "x-a", "", false},
		{"Authorization", right + acah + "authorization", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := browser.MakePlan(browser.Request{Origin: page, Target: target, Method: "GET", Headers: lines("Authorization: a"), Credentials: tc.credentials})
			if v := p.CheckPreflight(browser.Response{Status: 204, Headers: lines(tc.headers)}); v.ButChromium != tc.want {
				t.Errorf("%+v", v)
			}
		})
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
