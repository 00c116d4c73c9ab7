package console_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/corsgate/corsgate/policy"
)

// payloads would run a script, or change a page, where text becomes a part of it unescaped.
var payloads = []string{
	`<script>alert(1)</script>`,
	`</script><script>alert(1)</script>`,
	`"><script>alert(1)</script>`,
	`'><img src=x onerror=alert(1)>`,
	`<svg/onload=alert(1)>`,
	`<svg><script>alert&#40;1)</script>`,
	`<math><mtext></table><mglyph><style><img src onerror=alert(1)>`,
	`" onmouseover="alert(1)`,
	`' autofocus onfocus='alert(1)`,
	"` onclick=alert(1) `",
	`javascript:alert(1)`,
	`JaVaScRiPt:alert(1)//`,
	"java\tscript:alert(1)",
	`data:text/html,<script>alert(1)</script>`,
	`vbscript:msgbox(1)`,
	`//evil.example/x.js`,
	`{{.}}{{template "content"}}`,
	`${alert(1)}`,
	`</code></td></tr></table><iframe src=//evil.example>`,
	`</textarea><script>alert(1)</script>`,
	`</title><script>alert(1)</script>`,
	`</select><form action=//evil.example><input name=x>`,
	`<!--<img src="--><img src=x onerror=alert(1)//">`,
	`<![CDATA[<script>alert(1)</script>]]>`,
	"<scr\x00ipt>alert(1)</script>",
	"\xff\xfe<script>alert(1)</script>",
	"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
	"\u2028<script>alert(1)</script>\u2029",
	"\u202e<script>alert(1)</script>\u2066",
	"\x1b]0;x\x07\x1b[2J<b>",
	"a\r\n\r\ndata: {\"reason\":\"forged\"}\r\n\r\n",
	`<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`,
	`\u003cscript\u003ealert(1)\u003c/script\u003e`,
}

func TestWhatRequestsSayIsInert(t *testing.T) {
	l := newLab(t, specs...)
	for _, p := range payloads {
		l.decide(get(p, "closed.test", "/"+p))
		l.decide(get("https://app.test", p, "/"))
		l.decide(policy.Request{Method: "OPTIONS", Authority: "api.test", Path: "/v1/" + p, Origin: "https://app.test", RequestMethod: p, RequestHeaders: p})
		l.decide(policy.Request{Method: p, Policy: p, Authority: "api.test", Path: p, Origin: "https://" + p + ".test", SecFetchSite: p})
	}
	for _, path := range everyPage {
		l.inert(t, path)
	}
	var d struct {
		Decisions []struct{ Origin, Reason string }
	}
	l.json(t, "/console/live", &d)
	if len(d.Decisions) == 0 || slices.ContainsFunc(d.Decisions, func(e struct{ Origin, Reason string }) bool { return e.Reason == "forged" }) {
		t.Errorf("%+v", d)
	}
	lines, _ := watch(t, l.URL+"/console/live/events?from=0")
	for range 10 {
		for line := range strings.SplitSeq(until(t, lines, "data: "), "\n") {
			if text, ok := strings.CutPrefix(line, "data: "); ok && (!json.Valid([]byte(text)) || strings.Contains(text, `"forged"`)) {
				t.Errorf("an event is %q", line)
			}
		}
	}
}

func TestWhatIsAskedIsInert(t *testing.T) {
	l := newLab(t, specs...)
	for _, p := range payloads {
		q := url.Values{}
		for _, name := range []string{"origin", "url", "method", "headers", "credentials", "policy", "reason", "from"} {
			q.Set(name, p)
		}
		for _, path := range []string{"/console/try?", "/console/policies?", "/console/live?", "/console/policies/api?"} {
			l.inert(t, path+q.Encode())
		}
		l.inert(t, "/console/policies/"+url.PathEscape(p))
		l.inert(t, "/console/try?"+url.Values{"origin": {"https://app.test"}, "url": {"https://api.test/v1/" + url.PathEscape(p)}, "headers": {"x-a: " + p}}.Encode())
		_, body := l.post(t, "/console/try", map[string]string{"paste": "curl 'https://api.test/v1' -H 'Origin: " + p + "'"}, "", "")
		inert(t, "a pasted command", body)
		_, body = l.post(t, "/console/draft", map[string]string{"text": "policies:\n- name: api\n  cors: {allowOrigins: [\"https://a.test\"]}\n  x" + p + ": " + p, "log": p, "url": p, "origin": p}, "", "")
		inert(t, "a pasted policy", body)
	}
}

// inert fails unless the page is only what it is made of.
func (l *lab) inert(t *testing.T, path string) {
	t.Helper()
	_, body := l.ask(t, "GET", path, "", "Accept: text/html")
	if !strings.HasPrefix(path, "/console/static/") {
		inert(t, path, body)
	}
}

// hidden are characters that are not printable, of the payloads.
const hidden = "\x00\x07\x1b\u2028\u2029\u202e\u2066"

// elements are those that pages are made of.
var elements = strings.Fields("html head meta title link body a header p nav ul li main h1 h2 h3 footer section dl dt dd div table caption thead tbody tr th td code time strong span form label input button select option textarea fieldset legend details summary ol article pre b br small svg polyline script")

func inert(t *testing.T, path, body string) {
	t.Helper()
	if !strings.HasPrefix(body, "<!DOCTYPE html>") {
		t.Errorf("%s is no page", path)
	}
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		// What a form was filled in with stays as it is.
		if n.Type == html.TextNode && n.Parent.Data != "textarea" && strings.ContainsAny(n.Data, hidden) {
			t.Errorf("%s has characters that are not printable: %q", path, n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(elements, n.Data) {
			t.Errorf("%s has <%s>", path, n.Data)
		}
		for _, a := range n.Attr {
			checkAttribute(t, path, n, a)
		}
	}
}

func checkAttribute(t *testing.T, path string, n *html.Node, a html.Attribute) {
	t.Helper()
	switch {
	case n.Data != "input" && strings.ContainsAny(a.Val, hidden):
		t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
	case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "http-equiv":
		t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
	case slices.Contains([]string{"href", "src", "action", "data-events"}, a.Key):
		if !strings.HasPrefix(a.Val, "/console/") && !strings.HasPrefix(a.Val, "https://fetch.spec.whatwg.org/#") && !strings.HasPrefix(a.Val, "?from=") && a.Val != "#main" {
			t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
		}
	}
	if n.Data == "script" && a.Key == "src" && a.Val != "/console/static/live.js" {
		t.Errorf("%s runs %q", path, a.Val)
	}
}
