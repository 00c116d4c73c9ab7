package explain_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

const idp = "https://idp.example"

// loginSpecs are policies that block, of sites that people log in to.
func loginSpecs() []policy.Spec {
	www := policy.CORS{AllowOrigins: []string{"https://www.example.com"}}
	return []policy.Spec{
		{Name: "app", Hosts: []string{"app.example.com"}, DeniedRequests: policy.DeniedBlockUnsafe, CORS: www},
		{Name: "narrow", Hosts: []string{"narrow.example.com"}, Paths: []string{"/callback"}, DeniedRequests: policy.DeniedBlock, CORS: www},
		{Name: "open", Hosts: []string{"open.example.com"}, CORS: www},
		{Name: "rest", DeniedRequests: policy.DeniedBlock, CORS: www},
	}
}

func askLogin(t *testing.T, specs []policy.Spec, q explain.Question) explain.Report {
	t.Helper()
	r, err := policies(t, specs).Explain(q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNavigationsThatAPolicyBlocks(t *testing.T) {
	pass := explain.Change{Field: "deniedRequests", Set: "pass"}
	fresh := func(host, path, own string) []explain.Change {
		return []explain.Change{
			{Field: "name", Set: "new"}, {Field: "hosts", Add: []string{host}}, {Field: "paths", Add: []string{path}}, pass, {Field: "cors.allowOrigins", Add: []string{own}},
		}
	}
	for name, c := range map[string]struct {
		q       explain.Question
		because string
		changes []explain.Change
	}{
		"a policy of the host": {explain.Question{URL: "https://app.example.com/callback?state=s", Method: "POST"}, "policy app answers it with 403 for its deniedRequests: block-unsafe",
			fresh("app.example.com", "/callback", "https://app.example.com")},
		"a path that ends with a slash": {explain.Question{URL: "https://app.example.com/saml/acs/", Method: "POST"}, "block-unsafe",
			fresh("app.example.com", "/saml/acs", "https://app.example.com")},
		"the root of a host of its own": {explain.Question{URL: "https://App.example.com:8443/", Method: "POST"}, "block-unsafe",
			[]explain.Change{pass}},
		"the root of another host": {explain.Question{URL: "https://else.example.com:8443/", Method: "POST"}, "deniedRequests: block,",
			fresh("else.example.com", "/", "https://else.example.com:8443")},
		"a policy for every host": {explain.Question{URL: "https://else.example.com/callback", Method: "POST"}, "policy rest answers it with 403 for its deniedRequests: block,",
			fresh("else.example.com", "/callback", "https://else.example.com")},
		"a policy for the path": {explain.Question{URL: "https://narrow.example.com/callback", Method: "POST"}, "policy narrow",
			[]explain.Change{pass}},
		"a policy that Envoy names": {explain.Question{URL: "https://app.example.com/callback", Method: "POST", Policy: "app"}, "policy app", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.q.Origin, c.q.Mode = idp, explain.Navigate
			r := askLogin(t, loginSpecs(), c.q)
			if r.Allowed || !strings.Contains(r.Because, c.because) || !strings.Contains(r.Cause, "leave allowOrigins as it is") || r.Engines != nil || r.Origin != nil {
				t.Errorf("%+v", r)
			}
			if c.changes == nil {
				if r.Remedy != nil {
					t.Errorf("%+v", r.Remedy)
				}
				return
			}
			if diff := cmp.Diff(c.changes, r.Remedy.Changes); diff != "" {
				t.Fatal(diff)
			}
			changed := apply(t, loginSpecs(), *r.Remedy)
			if again := askLogin(t, changed, c.q); !again.Allowed {
				t.Errorf("it did not help: %s", again.Because)
			}
			c.q.Mode = explain.CORS
			if again := askLogin(t, changed, c.q); again.Allowed {
				t.Error("the identity provider may read answers")
			}
		})
	}
}

func TestWhatCORSIsNotAbout(t *testing.T) {
	for name, c := range map[string]struct {
		q               explain.Question
		allowed         bool
		reason, because string
	}{
		"a form's POST that passes":     {explain.Question{URL: "https://open.example.com/callback", Method: "POST", Mode: explain.Navigate}, true, "request_origin_denied", "a navigation is not a CORS request"},
		"a link has no Origin":          {explain.Question{URL: "https://narrow.example.com/callback", Mode: explain.Navigate}, true, "not_cors", "a navigation is not a CORS request"},
		"a form of the site itself":     {explain.Question{Origin: "https://app.example.com", URL: "https://app.example.com/x", Method: "POST", Mode: explain.Navigate}, true, "same_origin", "navigation"},
		"a beacon":                      {explain.Question{URL: "https://open.example.com/", Method: "POST", Mode: explain.NoCORS}, true, "request_origin_denied", "the page sees nothing of the answer"},
		"a beacon that is blocked":      {explain.Question{URL: "https://app.example.com/", Method: "POST", Mode: explain.NoCORS}, false, "request_blocked", "policy app answers it with 403"},
		"an image":                      {explain.Question{URL: "https://narrow.example.com/callback", Mode: explain.NoCORS}, true, "not_cors", "the page sees nothing of the answer"},
		"a WebSocket":                   {explain.Question{URL: "wss://narrow.example.com/callback"}, true, "request_origin_denied", "CORS is not applied to WebSocket"},
		"a WebSocket without TLS":       {explain.Question{URL: "ws://open.example.com/"}, true, "request_origin_denied", "the application has to check it"},
		"a WebSocket, told by its mode": {explain.Question{URL: "https://narrow.example.com/callback", Mode: explain.WebSocket}, true, "request_origin_denied", "WebSocket"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.q.Origin == "" {
				c.q.Origin = idp
			}
			r := askLogin(t, loginSpecs(), c.q)
			if r.Allowed != c.allowed || r.Request.Reason != c.reason || !strings.Contains(r.Because, c.because) || r.Preflight != nil || r.Engines != nil {
				t.Errorf("%+v %+v", r, r.Request)
			}
			if _, sent := r.Request.Sent.Get("Origin"); sent != (c.reason != "not_cors") {
				t.Errorf("sent %+v", r.Request.Sent)
			}
		})
	}
	if _, err := policies(t, nil).Explain(explain.Question{Origin: idp, URL: "https://a.test", Mode: "form"}); err == nil || !strings.Contains(err.Error(), "write cors, navigate") {
		t.Errorf("%v", err)
	}
}

// TestWhatNoPolicyAloneBlocks is about a path that only one of its readings has a
// policy for.
func TestWhatNoPolicyAloneBlocks(t *testing.T) {
	r := askLogin(t, loginSpecs()[1:2], explain.Question{Origin: idp, URL: "https://narrow.example.com/x%2f..%2fcallback", Method: "POST", Mode: explain.Navigate})
	if want := "it is answered with 403, and the application does not see it (path_ambiguous)"; r.Because != want {
		t.Errorf("%q, want %q", r.Because, want)
	}
}

// Nothing looks at the CORS headers of a handshake's answer, or of a document.
func TestCORSHeadersAreLeftOutWithoutCORS(t *testing.T) {
	for mode, status := range map[explain.Mode]int{explain.WebSocket: 101, explain.Navigate: 200, explain.NoCORS: 200} {
		r := ask(t, explain.Question{Origin: app, URL: "https://private.example.com/", Method: "POST", Mode: mode,
			Upstream: explain.Upstream{Headers: browser.Headers{{Name: "Access-Control-Allow-Origin", Value: "*"}}}})
		_, cors := r.Request.Headers.Get("Access-Control-Allow-Origin")
		if r.Request.Status != status || cors || !r.Allowed {
			t.Errorf("%s: %+v", mode, r.Request)
		}
	}
}

// The status of an answer is the upstream's wherever a policy does not answer.
func TestTheUpstreamsStatusIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		url     string
		mode    explain.Mode
		status  int
		verdict string
	}{
		"a WebSocket":                     {"wss://open.example.com/", "", 101, "allowed"},
		"a WebSocket over HTTP/2":         {"wss://open.example.com/", "", 200, "allowed"},
		"a WebSocket that is refused":     {"wss://open.example.com/", "", 403, "failed otherwise"},
		"a WebSocket that is redirected":  {"wss://open.example.com/", "", 302, "failed otherwise"},
		"a WebSocket nowhere":             {"wss://nobody.example.com/", explain.WebSocket, 500, "failed otherwise"},
		"a form that is redirected":       {"https://open.example.com/", explain.Navigate, 302, "allowed"},
		"a beacon that is refused":        {"https://open.example.com/", explain.NoCORS, 404, "allowed"},
		"a request that a policy answers": {"https://app.example.com/", explain.Navigate, 403, "blocked"},
	} {
		q := explain.Question{Origin: idp, URL: c.url, Method: "POST", Mode: c.mode, Upstream: explain.Upstream{Status: c.status}}
		if c.verdict == "blocked" {
			q.Upstream.Status = 302
		}
		r := askLogin(t, loginSpecs(), q)
		if verdictOf(r) != c.verdict || r.Request.Status != c.status || (r.Remedy == nil) != (c.verdict != "blocked") {
			t.Errorf("%s: %s, %d, %q, %+v", name, verdictOf(r), r.Request.Status, r.Because, r.Remedy)
		}
	}
}

func TestAFormWithoutAnOriginIsNotTakenForAnIdentityProviders(t *testing.T) {
	r := askLogin(t, loginSpecs(), explain.Question{Origin: "null", URL: "https://app.example.com/callback", Method: "POST", Mode: explain.Navigate})
	if strings.Contains(r.Cause, "identity provider") || !strings.Contains(r.Cause, "every site can post a form so") {
		t.Errorf("%q", r.Cause)
	}
}

// Who sends a beacon may be allowed; who posts a form need not be.
func TestABeaconThatIsBlockedIsAllowedByItsOrigin(t *testing.T) {
	r := askLogin(t, loginSpecs(), explain.Question{Origin: "https://shop.example.com", URL: "https://app.example.com/", Method: "POST", Mode: explain.NoCORS})
	if r.Remedy == nil || r.Remedy.Policy != "app" || r.Remedy.Changes[0].Field != "cors.allowOrigins" {
		t.Errorf("%+v", r.Remedy)
	}
}

func TestSameSiteIsSaidWhereItDecidesFirst(t *testing.T) {
	const said, strict = "SameSite decides about cookies before CORS does: only those", "SameSite decides about cookies before CORS does: those with SameSite=Strict"
	for name, c := range map[string]struct {
		origin, url string
		credentials browser.Credentials
		mode        explain.Mode
		want        string
	}{
		"another site":                {"https://app.example.com", "https://api.example.net/", browser.Include, "", said},
		"another site of a platform":  {"https://app.github.io", "https://api.github.io/", browser.Include, "", said},
		"another scheme":              {"http://app.example.com", "https://api.example.com/", browser.Include, "", said},
		"another address":             {"http://127.0.0.1:1", "http://10.0.0.1:1/", browser.Include, "", said},
		"no origin of its own":        {"null", "https://api.example.com/", browser.Include, "", said},
		"a subdomain":                 {"https://app.example.com", "https://api.example.com:8443/", browser.Include, "", ""},
		"another port":                {"http://localhost:1", "http://localhost:2/", browser.Include, "", ""},
		"another port of an address":  {"http://[::1]:1", "http://[::1]:2/", browser.Include, "", ""},
		"no credentials":              {"https://app.example.com", "https://api.example.net/", browser.SameOrigin, "", ""},
		"a form of another site":      {idp, "https://app.example.com/callback", "", explain.Navigate, strict},
		"a form of the same site":     {"https://login.example.com", "https://app.example.com/callback", "", explain.Navigate, ""},
		"a WebSocket of another site": {idp, "wss://app.example.com/", "", "", said},
		"the page's own origin":       {"https://a.test", "https://a.test/", browser.Include, "", ""},
	} {
		r := askLogin(t, loginSpecs(), explain.Question{Origin: c.origin, URL: c.url, Method: "POST", Credentials: c.credentials, Mode: c.mode})
		notes := strings.Join(r.Notes, "\n")
		if strings.Contains(notes, "SameSite") != (c.want != "") || !strings.Contains(notes, c.want) {
			t.Errorf("%s: %q", name, notes)
		}
	}
}
