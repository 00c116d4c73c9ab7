package console_test

import (
	"bytes"
	"cmp"
	"context"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/corsgate/corsgate/policy/explain"
)

func TestTryDrawsWhatIsSent(t *testing.T) {
	l := newLab(t, specs...)
	wants(t, l.page(t, "/console/try"), "Describe a request", "Or paste what a browser copied")
	text := l.page(t, "/console/try?"+url.Values{
		"origin": {"https://app.test"}, "url": {"api.test/v1"}, "method": {"DELETE"}, "headers": {"x-trace\r\ncontent-type: text/plain\r\n"}, "credentials": {"include"},
	}.Encode())
	wants(t, text, "Blocked : DELETE https://api.test/v1 from https://app.test", "Policy api : its host is api.test",
		"page → to Envoy OPTIONS https://api.test/v1 Origin: https://app.test Access-Control-Request-Method: DELETE Access-Control-Request-Headers: x-trace",
		"corsgate → to Envoy policy api: preflight_method_denied", "Envoy → to page this fails 403 Forbidden", "No : there is no Access-Control-Allow-Origin", "( Fetch, #cors-check )",
		"The request itself is not sent.", "An Envoy that has compiled policies decides the same by itself", "Chrome Access to fetch at 'https://api.test/v1'", "Firefox Cross-Origin Request Blocked", "Safari",
		`Policy api would need cors.allowMethods: [..., "DELETE"] cors.allowHeaders: [..., "x-trace"] cors.allowCredentials: true`, "Such a policy would be refused")
	wants(t, l.page(t, "/console/try?url=closed.test&origin=https://app.test:8443"), `allowOrigins: [..., "https://app.test:8443"] This was tried`,
		"Every page of https://app.test:8443 could then read whatever closed.test answers, with the cookies of its visitors.")
	for path, opens := range map[string]string{
		"origin=https://evil.test&url=api.test/v1":                      "Every page of https://evil.test could then read whatever api.test answers below /v1, but without the cookies of its visitors.",
		"origin=https://app.test&url=api.test/v1&method=DELETE":         "Pages of each origin that the policy allows could then send that, too.",
		"origin=https://app.test&url=nobody.test":                       "", // a policy of its own
		"origin=https://app.test&url=api.test/v1":                       "", // it is allowed
		"origin=https://evil.test&url=public.test/&credentials=include": "Every page of https://evil.test could then read whatever public.test answers, with the cookies of its visitors.",
	} {
		var tried struct{ Reports []struct{ Opens string } }
		if l.json(t, "/console/try?"+path, &tried); len(tried.Reports) != 1 || tried.Reports[0].Opens != opens {
			t.Errorf("%s: %+v, want %q", path, tried, opens)
		}
	}
	text = l.page(t, "/console/try?url=https://public.test/&origin=https://any.test")
	wants(t, text, "Allowed : GET", "Envoy → to application GET", "application → to Envoy its answer", "Envoy → to page 200 OK", "Yes: Access-Control-Allow-Origin is *")
}

// TestTrySaysOnceHowToGiveTheAnswerThatDecides asks about a policy in shadow, whose upstream
// decides in each browser.
func TestTrySaysOnceHowToGiveTheAnswerThatDecides(t *testing.T) {
	l := newLab(t, specs...)
	const path, how = "/console/try?url=api.test&origin=https://app.test&policy=next", "If the upstream's answer decides, paste a HAR file below, which has the answer."
	text := l.page(t, path)
	wants(t, text, "Undecided : GET", how)
	_, inJSON := l.ask(t, "GET", path, "", "Accept: application/json")
	if strings.Count(text, "paste a HAR file") != 1 || strings.Contains(text+inJSON, "--upstream") {
		t.Errorf("it is said more than once, or flags are named:\n%s\n%s", text, inJSON)
	}
	if text := l.page(t, "/console/try?url=closed.test&origin=https://app.test"); strings.Contains(text, how) {
		t.Errorf("it is said of what is decided:\n%s", text)
	}
}

func TestTryWarnsOfAStranger(t *testing.T) {
	l := newLab(t, specs...)
	const caution = "This origin is a stranger's"
	wants(t, l.page(t, "/console/try?url=closed.test&origin=https://evil.example"), caution)
	if text := l.page(t, "/console/try?url=closed.test&origin=https://app.test:8443"); bytes.Contains([]byte(text), []byte(caution)) {
		t.Error("an origin of the same owner counts as a stranger's")
	}
}

// post sends a form with a field and a file.
func (l *lab) post(t *testing.T, path string, fields map[string]string, file, content string, headers ...string) (*http.Response, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if file != "" {
		field, name, _ := strings.Cut(file, "=")
		w, err := form.CreateFormFile(field, cmp.Or(name, "f"))
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	form.Close()
	return l.ask(t, "POST", path, body.String(), append(headers, "Content-Type: "+form.FormDataContentType())...)
}

const har = `{"log": {"entries": [
	{"request": {"method": "GET", "url": "https://closed.test/a", "headers": [{"name": "Origin", "value": "https://evil.test"}]}, "response": {"status": 403, "headers": []}},
	{"request": {"method": "GET", "url": "https://closed.test/b", "headers": [{"name": "Origin", "value": "https://app.test"}]}, "response": {"status": 200, "headers": []}},
	{"request": {"method": "GET", "url": "ftp://closed.test/c", "headers": []}, "response": {"status": 0, "headers": []}}
]}}`

func TestTryReadsWhatIsPasted(t *testing.T) {
	l := newLab(t, specs...)
	for name, c := range map[string]struct {
		fields        map[string]string
		file, content string
		status        int
		want          []string
	}{
		"a curl command":      {map[string]string{"paste": "curl -X PUT -H 'Origin: https://evil.test' https://closed.test/"}, "", "", 200, []string{"Blocked : PUT https://closed.test/ from https://evil.test"}},
		"a HAR":               {map[string]string{"paste": har}, "", "", 200, []string{"Blocked : GET https://closed.test/a", "1 request is allowed and not shown", "Left out: GET ftp://closed.test/c"}},
		"a HAR file":          {map[string]string{"paste": ""}, "paste-file", "\ufeff" + har, 200, []string{"Blocked : GET https://closed.test/a"}},
		"an empty file":       {map[string]string{"paste": har}, "paste-file", "", 200, []string{"Blocked : GET https://closed.test/a"}},
		"nothing":             {nil, "", "", 400, []string{"that is not a curl command"}},
		"no JSON":             {map[string]string{"paste": "{nothing"}, "", "", 400, []string{"read the HAR file", "{nothing"}},
		"a HAR of no request": {map[string]string{"paste": `{"log": {"entries": []}}`}, "", "", 400, []string{"none of its 0 requests has an Origin"}},
		"a command to nobody": {map[string]string{"paste": "curl -H 'Origin: https://a.test' ftp://x/"}, "", "", 400, []string{"it is not an http or https URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := l.post(t, "/console/try", c.fields, c.file, c.content)
			if resp.StatusCode != c.status {
				t.Errorf("%d, want %d", resp.StatusCode, c.status)
			}
			wants(t, textOf(t, body), c.want...)
		})
	}
}

func TestTryHasTheReportsAsJSON(t *testing.T) {
	l := newLab(t, specs...)
	var got struct{ Reports []explain.Report }
	l.json(t, "/console/try?url=closed.test&origin=https://evil.example", &got)
	if len(got.Reports) != 1 || got.Reports[0].Allowed || got.Reports[0].Policy.Name != "closed" || got.Reports[0].Request.Reason != "request_blocked" {
		t.Errorf("%+v", got)
	}
	if resp, body := l.ask(t, "GET", "/console/try?url=%25&origin=x", "", "Accept: application/json"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := newLab(t).ask(t, "GET", "/console/try?url=a.test&origin=https://a.test", ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("no policies: %d %s", resp.StatusCode, body)
	}
}

func TestTrySaysWhatIsMissing(t *testing.T) {
	l := newLab(t, specs...)
	for query, want := range map[string]string{
		"method=PUT":                      "the origin is missing",
		"origin=https://a.test":           `the URL ""`,
		"url=closed.test":                 "the origin is missing",
		"origin=https://a.test&url=/n/1":  `the URL "/n/1": its host is missing, write it as in https://api.example.com/v1`,
		"origin=app.test&url=closed.test": `the origin "app.test" has no scheme: write https://app.test`,
		"origin=app test&url=closed.test": `the origin "app test" has no scheme: write it as in https://app.example.com`,
	} {
		resp, body := l.ask(t, "GET", "/console/try?"+strings.ReplaceAll(query, " ", "%20"), "")
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", query, resp.StatusCode)
		}
		wants(t, textOf(t, body), want)
	}
	_, body := l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "origin": "https://a.test"}, "", "")
	wants(t, textOf(t, body), `the URL ""`)
	_, body = l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "origin": "app.test", "url": "closed.test"}, "", "")
	wants(t, textOf(t, body), `the origin "app.test" has no scheme: write https://app.test`)
	wants(t, body, "<details open>")
}

// TestTryAnswersAFewOfMany pastes more denied requests than there are answers on a page.
func TestTryAnswersAFewOfMany(t *testing.T) {
	l := newLab(t, specs...)
	entry := `, {"request": {"method": "GET", "url": "https://closed.test/", "headers": [{"name": "Origin", "value": "https://evil.test"}]}}`
	long := `{"log": {"entries": [` + strings.Repeat(entry, 70)[2:] + `]}}`
	resp, body := l.post(t, "/console/try", map[string]string{"paste": long}, "", "")
	if resp.StatusCode != http.StatusOK || strings.Count(body, "<article") != 50 {
		t.Errorf("%d: %d answers", resp.StatusCode, strings.Count(body, "<article"))
	}
	wants(t, textOf(t, body), "20 requests were not looked at")
}

func TestTryAnswersNoRequestThatIsTooLong(t *testing.T) {
	l := newLab(t, specs...)
	const ask, want = "curl -H 'Origin: https://evil.test' 'https://closed.test/", "the request has more than 65536 bytes and is not explained here: leave out"
	long := ask + strings.Repeat("a", 1<<20)
	for name, command := range map[string]string{
		"a URL":   long + "'",
		"headers": ask + "'" + strings.Repeat(" -H 'x: 1'", 10_000),
	} {
		resp, body := l.post(t, "/console/try", map[string]string{"paste": command}, "", "", "Accept: application/json")
		if resp.StatusCode != http.StatusBadRequest || len(body) > 1000 {
			t.Errorf("%s: %d, %d bytes", name, resp.StatusCode, len(body))
		}
		wants(t, body, want)
	}
	_, body := l.post(t, "/console/try", map[string]string{"paste": ask + "'\n" + long + "'"}, "", "", "Accept: application/json")
	wants(t, body, want, `"cause"`)
	if len(body) > 10_000 {
		t.Errorf("%d bytes", len(body))
	}
	resp, body := l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "origin": "https://evil.test", "url": "closed.test/" + strings.Repeat("a", 1<<20)}, "", "", "Accept: application/json")
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a draft: %d", resp.StatusCode)
	}
	wants(t, body, want)
}

func TestAFormThatIsTooLargeSaysSo(t *testing.T) {
	l := newLab(t, specs...)
	large := strings.Repeat("a", 17<<20)
	for name, send := range map[string]func() (*http.Response, string){
		"with files": func() (*http.Response, string) { return l.post(t, "/console/try", nil, "paste-file", large) },
		"without files": func() (*http.Response, string) {
			return l.ask(t, "POST", "/console/draft", "text="+large, "Content-Type: application/x-www-form-urlencoded")
		},
	} {
		resp, body := send()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		wants(t, textOf(t, body), "the form has more than 16 MiB: send less, or have 'corsgate explain'")
	}
}

func TestTryNamesAFewOfManyThatHaveNoAnswer(t *testing.T) {
	l := newLab(t, specs...)
	many := strings.Repeat("curl -H 'Origin: https://evil.test' ftp://closed.test/\n", 300)
	_, body := l.post(t, "/console/try", map[string]string{"paste": many}, "", "")
	text := textOf(t, body)
	wants(t, text, "Left out: 250 others.")
	if got := strings.Count(text, "Left out:"); got != 51 {
		t.Errorf("%d are named", got)
	}
}

// TestAFileStaysOutOfTheForm chooses a file that may have cookies.
func TestAFileStaysOutOfTheForm(t *testing.T) {
	l := newLab(t, specs...)
	_, body := l.post(t, "/console/try", nil, "paste-file", har)
	wants(t, textOf(t, body), "Blocked : GET https://closed.test/a")
	if strings.Contains(html.UnescapeString(body), `"entries"`) {
		t.Error("the form has the text of the file")
	}
}

// TestTryStopsWhenNobodyWaits pastes requests and leaves.
func TestTryStopsWhenNobodyWaits(t *testing.T) {
	l := newLab(t, specs...)
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, http.MethodPost, "/console/try", strings.NewReader(url.Values{"paste": {har}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	l.Config.Handler.ServeHTTP(w, r)
	wants(t, textOf(t, w.Body.String()), "2 requests were not looked at")
}

// slow is a form that tells when it is read, and ends when it is freed.
type slow struct{ read, freed chan struct{} }

func (s slow) Read([]byte) (int, error) {
	s.read <- struct{}{}
	<-s.freed
	return 0, io.EOF
}

func TestTryReadsFewFormsAtATime(t *testing.T) {
	l := newLab(t, specs...)
	form := slow{make(chan struct{}, 4), make(chan struct{})}
	var sent sync.WaitGroup
	for range 4 {
		sent.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/console/draft", form)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			l.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
		})
		<-form.read
	}
	paste := func() int {
		resp, _ := l.post(t, "/console/try", map[string]string{"paste": har}, "", "")
		return resp.StatusCode
	}
	if got := paste(); got != http.StatusServiceUnavailable {
		t.Errorf("a form too many: %d", got)
	}
	close(form.freed)
	sent.Wait()
	if got := paste(); got != http.StatusOK {
		t.Errorf("when there is room: %d", got)
	}
}
