package browsers

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/service"
)

var screenshots = flag.String("screenshots", "", "`FOLDER` into which TestConsole draws the console's views")

// consolePolicies are what the console shows.
const consolePolicies = `policies:
- name: api
  hosts: [api.example.com]
  paths: [/v1]
  cors:
    allowOrigins: ["https://app.example.com", "https://*.apps.example.com", "https://idle.example.com"]
    allowMethods: [PUT]
    allowHeaders: [content-type]
    allowCredentials: true
- name: admin
  hosts: [admin.example.com]
  deniedRequests: block
  cors: {allowOrigins: ["https://admin.example.com:8443"], allowCredentials: true}
- name: next
  hosts: [api.example.com]
  mode: shadow
  cors: {allowOrigins: ["https://new.example.com"]}
`

// operated is a corsgate with a console, behind an Envoy that takes traffic.
type operated struct {
	envoy   *envoytest.Running
	console string // its URL, with a slash at the end
}

func startOperated(t *testing.T) *operated {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policies.yaml")
	corsgatetest.WritePolicies(t, file, consolePolicies)
	l := listen(t)
	running := corsgatetest.Serve(t, "127.0.0.1:0", file, service.Config{Admin: &admin.Server{Listener: l}, Place: "/etc/corsgate/policies.yaml"})
	c := envoy.Config{
		Profile: envoy.OneTrip, Fail: envoy.FailClosed, Listen: "127.0.0.1:0", Upstream: startUpstream(t).address, Service: running.Address,
		MessageTimeout: envoytest.MessageTimeout,
	}
	bootstrap, err := json.Marshal(envoytest.Bootstrap(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return &operated{envoytest.Start(t, bootstrap), "http://" + l.Addr().String() + "/console/"}
}

// send sends a request through Envoy; headers are "name: value".
func (o *operated) send(t *testing.T, method, host, path string, headers ...string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+o.envoy.Listeners["traffic"]+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// wicked are scripts that set a variable if a page lets what a request says become a part of
// it. An Envoy lets all of them through as an Origin.
var wicked = []string{
	`<script>pwned=1</script>`,
	`</script><script>pwned=1</script>`,
	`"><script>pwned=1</script>`,
	`'><script>pwned=1</script>`,
	`</title><script>pwned=1</script>`,
	`</textarea><script>pwned=1</script>`,
	`</style><script>pwned=1</script>`,
	`</select><script>pwned=1</script>`,
	`</code></td></tr></tbody></table><svg onload=pwned=1>`,
	`"><img src=x onerror=pwned=1>`,
	`<img/src=x/onerror=pwned=1>`,
	`<svg/onload=pwned=1>`,
	`<svg><script>pwned&#61;1</script>`,
	`<svg><animate onbegin=pwned=1 attributeName=x dur=1s>`,
	`<math><mtext></table><mglyph><style><img src onerror=pwned=1>`,
	`<details open ontoggle=pwned=1>`,
	`<video><source onerror=pwned=1>`,
	`<body onload=pwned=1>`,
	`<iframe srcdoc="<script>top.pwned=1</script>">`,
	`<object data="data:text/html,<script>parent.pwned=1</script>">`,
	`<meta http-equiv=refresh content="0;url=javascript:pwned=1">`,
	`<base href=//evil.example/>`,
	`<form action=//evil.example><input autofocus onfocus=pwned=1>`,
	`<link rel=stylesheet href=//evil.example/x.css>`,
	`<!--<img src="--><img src=x onerror=pwned=1//">`,
	`' autofocus onfocus='pwned=1`,
	`" onmouseover="pwned=1`,
	"` onclick=pwned=1 `",
	`javascript:pwned=1`,
	`data:text/html,<script>pwned=1</script>`,
	`{{pwned}}{{.}}{{template "content"}}`,
	`${pwned=1}`,
	`\u003cscript\u003epwned=1\u003c/script\u003e`,
	`&lt;script&gt;pwned=1&lt;/script&gt;`,
	"+ADw-script+AD4-pwned=1+ADw-/script+AD4-",
	"\xff\xfe<script>pwned=1</script>",
	"\xc0\xbcscript\xc0\xbepwned=1\xc0\xbc/script\xc0\xbe",
	"\u2028<script>pwned=1</script>\u2029",
	"\u202e<script>pwned=1</script>\u2066",
	"https://a.example\t<script>pwned=1</script>",
}

// wickedHosts are the like that an Envoy lets through as a host.
var wickedHosts = []string{"'-pwned=1-'", "&lt;script&gt;pwned=1", "'onload='pwned=1", "%3Cscript%3Epwned=1"}

// traffic sends what the views then show.
func (o *operated) traffic(t *testing.T) {
	t.Helper()
	for range 5 {
		o.send(t, "GET", "api.example.com", "/v1/orders", "Origin: https://app.example.com")
		o.send(t, "OPTIONS", "api.example.com", "/v1/orders", "Origin: https://a.apps.example.com", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: content-type")
	}
	for range 3 {
		o.send(t, "GET", "api.example.com", "/v1/orders", "Origin: https://app.example.com:8443")
		o.send(t, "POST", "admin.example.com", "/users", "Origin: https://stranger.example")
	}
	o.send(t, "OPTIONS", "api.example.com", "/v1/orders", "Origin: https://app.example.com", "Access-Control-Request-Method: DELETE")
}

// raw sends a request through Envoy byte by byte, and returns the status of the answer.
func (o *operated) raw(t *testing.T, method, host, path string, headers ...string) int {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", o.envoy.Listeners["traffic"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: " + host, "Connection: close"}, headers...)
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q %q: %v", path, headers, err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// attack sends scripts wherever a request has room for them, until corsgate has kept what it
// decided about each.
func (o *operated) attack(t *testing.T) {
	t.Helper()
	for _, w := range wicked {
		path := "/" + strings.Map(inPath, w)
		waitFor(t, fmt.Sprintf("decision about %q", w), func() string {
			for _, status := range []int{
				o.raw(t, "GET", "admin.example.com", "/users", "Origin: "+w, "X-Request-Id: "+w),
				o.raw(t, "GET", "admin.example.com", path, "Origin: https://stranger.example"),
				o.raw(t, "OPTIONS", "api.example.com", "/v1/x", "Origin: https://app.example.com", "Access-Control-Request-Method: "+w),
				o.raw(t, "OPTIONS", "api.example.com", "/v1/x", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: "+w),
			} {
				if status == http.StatusBadRequest {
					t.Errorf("Envoy lets %q not through", w)
				}
			}
			return o.kept(t, w)
		})
	}
	for _, host := range wickedHosts {
		waitFor(t, "decision about "+host, func() string {
			o.raw(t, "GET", host, "/", "Origin: https://app.example.com")
			return o.kept(t, host)
		})
	}
}

// inPath maps characters that no path has to others.
func inPath(r rune) rune {
	switch {
	case r == ' ', r == '\t':
		return '/'
	case r == '#', r > '~':
		return -1
	}
	return r
}

// kept returns a text if the last decisions have it as an origin and as what a preflight asks
// for, or as a host.
func (o *operated) kept(t *testing.T, text string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.console+"live", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Decisions []decisionlog.Entry }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var origin, method, headers bool
	for _, e := range list.Decisions {
		r := e.Request()
		if r.Authority == text {
			return text
		}
		origin, method, headers = origin || r.Origin == text, method || r.RequestMethod == text, headers || r.RequestHeaders == text
	}
	if origin && method && headers {
		return text
	}
	return ""
}

// keepOn sends traffic until the charts have something to show.
func (o *operated) keepOn(t *testing.T) {
	t.Helper()
	for i := range 40 {
		for range 1 + i%7 {
			o.traffic(t)
		}
		time.Sleep(time.Second)
	}
}

// views are the pages, and what each of them has to show of that.
var views = []struct{ name, path, shows string }{
	{"overview", "", "request_allowed"},
	{"live", "live", "preflight_method_denied"},
	{"policies", "policies?url=api.example.com/v1&origin=https://app.example.com", "may read"},
	{"policy", "policies/api", "unused since"},
	{"denied", "denied", "This line would allow it"},
	{"try", "try?origin=https://app.example.com&url=https://api.example.com/v1/orders&method=DELETE&credentials=include", "this fails"},
	{"draft", "draft", "A policy text that does not serve"},
}

// TestConsole drives each view of the console in each browser.
func TestConsole(t *testing.T) {
	cert := makeCertificate(t)
	o := startOperated(t)
	o.traffic(t)
	if *screenshots == "" {
		o.attack(t)
	} else {
		o.keepOn(t)
	}
	framing := startFraming(t, o.console)
	route := func(host, port string) string {
		if host == rebound {
			return net.JoinHostPort("127.0.0.1", port)
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return "127.0.0.1:1" // nobody: the console asks no other host
		}
		return net.JoinHostPort(host, port)
	}
	proxy := startProxy(t, route)
	inEachBrowser(t, kinds[:2], proxy, cert, func(t *testing.T, b *browser) { // WebKit's inspector runs no script on pages that forbid eval
		c := &consoleTab{browser: b, operated: o}
		for _, v := range views {
			t.Run(v.name, func(t *testing.T) { c.view(t, v.name, v.path, v.shows) })
		}
		t.Run("decisions come", c.decisionsCome)
		t.Run("a hidden page waits", c.hiddenWaits)
		t.Run("too many watch", c.tooManyWatch)
		t.Run("what was denied", c.explainDenied)
		t.Run("a pasted command", c.pasteCommand)
		t.Run("a pasted policy", c.pastePolicy)
		t.Run("keys", c.keys)
		t.Run("framing", func(t *testing.T) { c.framed(t, framing) })
		t.Run("a form of another site", func(t *testing.T) { c.forged(t, framing) })
		t.Run("a name that is rebound", c.rebound)
		tab, isChromium := b.engine.(*chromiumTab)
		if *screenshots == "" {
			t.Run("scripts come", c.scriptsCome)
			t.Run("a policy for scripts", c.pasteForScripts)
			if isChromium {
				t.Run("axe", func(t *testing.T) { c.axe(t, tab) })
			}
		}
		if isChromium {
			t.Run("without JavaScript", func(t *testing.T) { c.withoutScripts(t, tab) })
			t.Run("pictures", func(t *testing.T) { c.draw(t, tab) })
		}
	})
}

// consoleTab is a browser on the console.
type consoleTab struct {
	*browser
	*operated
}

// show opens a page of the console, also if it is there already.
func (c *consoleTab) show(t *testing.T, path string) {
	t.Helper()
	if err := c.open(c.operated.console + path); err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
}

// ask has the page evaluate an expression to a string.
func (c *consoleTab) ask(t *testing.T, expression string) (text string) {
	t.Helper()
	if err := c.call(fmt.Sprintf("Promise.resolve(String(%s))", expression), &text); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// await waits until the page has a text. A page that is about to go does not answer.
func (c *consoleTab) await(t *testing.T, text string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("page with %q", text), func() string { return c.has(t, text) })
}

// has returns the text if the page has it.
func (c *consoleTab) has(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var has bool
	if err := c.call("Promise.resolve(document.body !== null && document.body.textContent.includes("+string(quoted)+"))", &has); err != nil || !has {
		return ""
	}
	return text
}

// view looks that a page shows something, runs nothing of what requests said, fits a
// narrow screen, and breaks no rule of its own.
func (c *consoleTab) view(t *testing.T, name, path, shows string) {
	c.show(t, path)
	c.await(t, shows)
	c.inert(t, name)
}

// inert looks that nothing of what requests said has become a part of the page: no script
// ran or was refused, and there is nothing but what pages are made of.
func (c *consoleTab) inert(t *testing.T, name string) {
	t.Helper()
	if got := c.ask(t, "typeof pwned"); got != "undefined" {
		t.Errorf("%s: a script of a request ran", name)
	}
	if entries, err := c.browser.console(); err != nil || len(entries) > 0 {
		t.Errorf("%s: the browser's console says %q, %v", name, entries, err)
	}
	if got := c.ask(t, "[...document.querySelectorAll('script, link, img, form, a')].map(e => e.src || e.action || e.href || e.outerHTML).filter(u => !u.startsWith(location.origin + '/console/') && !u.startsWith('https://fetch.spec.whatwg.org/#'))"); got != "" {
		t.Errorf("%s: the page has addresses of its own: %s", name, got)
	}
	if got := c.ask(t, "[...document.querySelectorAll('iframe, object, embed, base, style, video, math, body *:is(meta, link, title, script), svg:not(.chart), svg :not(polyline)')].map(e => e.outerHTML)"); got != "" {
		t.Errorf("%s: the page has %s", name, got)
	}
	if got := c.ask(t, "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => a.name)).filter(n => n.startsWith('on') || n === 'style')"); got != "" {
		t.Errorf("%s: the page has the attributes %s", name, got)
	}
}

// explainDenied follows each link to the explanation of what was denied.
func (c *consoleTab) explainDenied(t *testing.T) {
	c.show(t, "denied")
	var links []string
	if err := c.call("Promise.resolve([...document.querySelectorAll('td a')].map(a => a.pathname.replace('/console/', '') + a.search))", &links); err != nil || len(links) == 0 {
		t.Fatalf("%v, %v", links, err)
	}
	seen := map[string]bool{}
	for _, link := range links {
		of, _, _ := strings.Cut(link, "&policy=") // the origin
		if seen[of] {
			continue
		}
		seen[of] = true
		c.show(t, link)
		c.await(t, "Describe a request")
		c.inert(t, link)
	}
}

// decisionsCome has the live view show requests that come while it is open.
func (c *consoleTab) decisionsCome(t *testing.T) {
	c.show(t, "live?origin=app.example")
	c.await(t, "Connected.")
	c.send(t, "GET", "api.example.com", "/v1/later-"+string(c.name), "Origin: https://app.example.com")
	c.send(t, "GET", "api.example.com", "/v1/hidden", "Origin: https://other.example")
	c.send(t, "OPTIONS", "api.example.com", "/v1/last-asked-"+string(c.name), "Origin: https://app.example.com", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a,x-b")
	c.send(t, "GET", "api.example.com", "/v1/last-"+string(c.name), "Origin: https://app.example.com")
	c.await(t, "/v1/last-"+string(c.name))
	text := c.ask(t, "document.getElementById('decisions').textContent")
	if !strings.Contains(text, "/v1/later-"+string(c.name)) || strings.Contains(text, "/v1/hidden") {
		t.Errorf("the page shows %s", text)
	}
	links := fmt.Sprintf(`[...document.querySelectorAll('#decisions tr')].filter(r => /(later|last|asked)-%s/.test(r.textContent)).flatMap(r => [...r.querySelectorAll('a')].map(a => a.pathname + a.search + ' ' + a.textContent))`, c.name)
	came := c.ask(t, links)
	c.show(t, "live?origin=app.example")
	if page := c.ask(t, links); came != page || strings.Count(came, "Explain it for https://app.example.com") != 3 || !strings.Contains(came, "/console/policies/") {
		t.Errorf("the links of what came are\n%s\nthose of the page are\n%s", came, page)
	}
}

// hiddenWaits has the live view be hidden, so that it leaves its connection to other pages,
// and be shown again, so that it goes on where it was.
func (c *consoleTab) hiddenWaits(t *testing.T) {
	hide := func(hidden bool) {
		c.ask(t, fmt.Sprintf(`(() => {
			Object.defineProperty(document, 'hidden', {value: %t, configurable: true});
			document.dispatchEvent(new Event('visibilitychange'));
		})()`, hidden))
	}
	send := func(i int) (path string) {
		path = fmt.Sprintf("/v1/away-%s-%d", c.name, i)
		c.send(t, "GET", "api.example.com", path, "Origin: https://app.example.com")
		return path
	}
	c.show(t, "live?origin=app.example")
	c.await(t, "Connected.")
	c.await(t, send(0))
	hide(true)
	waitFor(t, "places of which the page has none", func() string {
		places, free := c.takePlaces(t)
		free()
		if places < watchers {
			return ""
		}
		return "all"
	})
	send(1)
	last := send(2)
	if c.has(t, last) != "" {
		t.Error("a hidden page goes on")
	}
	hide(false)
	c.await(t, last)
	if got := c.ask(t, fmt.Sprintf("document.getElementById('decisions').textContent.match(/away-%s-[0-9]/g).map(w => w.at(-1))", c.name)); got != "2,1,0" {
		t.Errorf("the page shows %s", got)
	}
}

// watchers is how many may watch decisions at a time.
const watchers = 16

// takePlaces takes all places of those who watch decisions that are free, until free.
func (c *consoleTab) takePlaces(t *testing.T) (places int, free func()) {
	t.Helper()
	var bodies []io.Closer
	free = func() {
		for _, b := range bodies {
			b.Close()
		}
	}
	for {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.operated.console+"live/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
		if resp.StatusCode == http.StatusServiceUnavailable {
			return places, free
		}
		places++
	}
}

// tooManyWatch has a page find no place, and say so.
func (c *consoleTab) tooManyWatch(t *testing.T) {
	c.show(t, "")
	_, free := c.takePlaces(t)
	defer free()
	c.show(t, "live")
	c.await(t, "close other pages that watch")
}

// scriptsCome has it show requests with scripts.
func (c *consoleTab) scriptsCome(t *testing.T) {
	c.show(t, "live?origin=app.example")
	waitFor(t, "decisions about scripts", func() string {
		shown := 0
		for i, w := range wicked {
			path := fmt.Sprintf("/v1/%s-%d/", c.name, i)
			if c.has(t, path) != "" {
				shown++
				continue
			}
			c.raw(t, "GET", "api.example.com", path+strings.Map(inPath, w), "Origin: https://app.example"+w)
		}
		if shown < len(wicked) {
			return ""
		}
		return "all"
	})
	c.inert(t, "live")
}

// fill fills in a form of the page and sends it.
func (c *consoleTab) fill(t *testing.T, action string, fields map[string]string) {
	t.Helper()
	text, _ := json.Marshal(fields)
	c.ask(t, fmt.Sprintf(`(() => {
		const form = document.querySelector('form[method=post][action="%s"]');
		for (const [name, value] of Object.entries(%s)) form.elements[name].value = value;
		form.querySelector('button').click();
	})()`, action, text))
}

func (c *consoleTab) pasteCommand(t *testing.T) {
	c.show(t, "try")
	c.fill(t, "/console/try", map[string]string{"paste": "curl -X PUT -H 'Origin: https://stranger.example' -H 'Cookie: a=b' https://admin.example.com/users"})
	c.await(t, "This origin is a stranger's")
	c.await(t, "Blocked")
}

func (c *consoleTab) pastePolicy(t *testing.T) {
	c.pasteMistake(t)
	c.pasteChange(t)
	c.await(t, "recorded")
}

func (c *consoleTab) pasteMistake(t *testing.T) {
	t.Helper()
	c.show(t, "draft")
	c.fill(t, "/console/draft", map[string]string{"text": "policies:\n- name: admin\n  cors: {allowOrigins: [\"https://a.example/\"]}\n"})
	c.await(t, "pasted.yaml:3:25")
}

// pasteForScripts has a draft change what was decided about scripts.
func (c *consoleTab) pasteForScripts(t *testing.T) {
	c.show(t, "draft")
	c.paste(t, strings.ReplaceAll(consolePolicies, "deniedRequests: block", "deniedRequests: pass"))
	c.await(t, "pwned")
	c.inert(t, "what changes for scripts")
}

// pasteChange pastes policies of which one allows another origin.
func (c *consoleTab) pasteChange(t *testing.T) {
	t.Helper()
	c.paste(t, strings.ReplaceAll(consolePolicies, "https://idle.example.com", "https://app.example.com:8443"))
}

func (c *consoleTab) paste(t *testing.T, text string) {
	t.Helper()
	c.fill(t, "/console/draft", map[string]string{"text": text})
	c.await(t, "What would change")
}

// keys looks that the first stop of the tabulator leads to the content, and that all that can
// be used has a name.
func (c *consoleTab) keys(t *testing.T) {
	for _, v := range views {
		c.show(t, v.path)
		c.await(t, v.shows)
		if got := c.ask(t, "document.querySelector('a, button, input, select, textarea').getAttribute('href')"); got != "#main" {
			t.Errorf("%s: the first stop is %s", v.name, got)
		}
		if got := c.ask(t, "[...document.querySelectorAll('input, select, textarea')].filter(e => e.labels.length !== 1).map(e => e.id)"); got != "" {
			t.Errorf("%s: without one label: %s", v.name, got)
		}
		if got := c.ask(t, "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)"); got != "" {
			t.Errorf("%s: ids that are not unique: %s", v.name, got)
		}
		if got := c.ask(t, "[...document.querySelectorAll('table')].filter(e => !e.caption || e.querySelectorAll('th[scope]').length === 0).length"); got != "0" {
			t.Errorf("%s: %s tables without caption or heads", v.name, got)
		}
	}
}

// startFraming serves a page that frames another one, and returns its URL.
func startFraming(t *testing.T, framed string) string {
	t.Helper()
	l := listen(t)
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!DOCTYPE html><iframe src="%s" onload="document.title='done'"></iframe>
<form method="post" action="%sdraft"><input name="text" value="policies: []"></form><script>
var read = 'nothing';
fetch(%q).then(r => r.text()).then(t => { read = t }).catch(() => { read = 'refused' });
</script>`, framed, framed, framed)
	}), l)
	return "http://" + l.Addr().String() + "/"
}

// framed looks that a page of another origin neither reads nor frames the console.
func (c *consoleTab) framed(t *testing.T, address string) {
	if err := c.open(address); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "answer to a page of another origin", func() string {
		if got := c.ask(t, "read"); got != "nothing" {
			return got
		}
		return ""
	})
	if got := c.ask(t, "read"); got != "refused" {
		t.Errorf("a page of another origin reads %s", got)
	}
	// The frame has a page of the browser, or none, and not the console with its one form.
	if got := c.ask(t, "frames[0].length"); got != "0" {
		t.Errorf("the frame has %s", got)
	}
}

// forged has a page of another site send a form.
func (c *consoleTab) forged(t *testing.T, address string) {
	if err := c.open(address); err != nil {
		t.Fatal(err)
	}
	c.ask(t, "document.forms[0].submit()")
	c.await(t, "cross-origin request")
}

// rebound is a name that has been given the console's address.
const rebound = "rebound.example"

// rebound looks that a page of such a name does not get the console.
func (c *consoleTab) rebound(t *testing.T) {
	if err := c.open(strings.Replace(c.operated.console, "127.0.0.1", rebound, 1)); err != nil {
		t.Fatal(err)
	}
	c.await(t, "answers to no name but localhost")
}

// axeVersion is the version of axe-core that judges the pages.
const axeVersion = "4.14.1"

// axe has axe-core look at each view, light and dark, wide and narrow.
func (c *consoleTab) axe(t *testing.T, tab *chromiumTab) {
	envoytest.Full(t)
	program := axeCore(t)
	for _, look := range looks {
		look.apply(t, tab)
		for _, v := range views {
			c.show(t, v.path)
			c.await(t, v.shows)
			c.judge(t, program, v.name+", "+look.name)
		}
		c.pasteMistake(t)
		c.judge(t, program, "mistakes, "+look.name)
		c.pasteForScripts(t)
		c.judge(t, program, "changes, "+look.name)
	}
}

// judge has axe-core look at the page.
func (c *consoleTab) judge(t *testing.T, program, name string) {
	t.Helper()
	c.ask(t, "(() => {"+program+"})()")
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML string }
	}
	if err := c.call("axe.run().then(r => r.violations)", &found); err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%s: %s: %s: %s %+v", name, f.Impact, f.ID, f.Help, f.Nodes)
	}
}

// axeCore returns the text of axe-core, which npm downloads and checks.
func axeCore(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing(t, fmt.Errorf("no axe-core: install npm: %w", err))
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", dir, "axe-core@"+axeVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, fmt.Errorf("no axe-core: %w\n%s", err, out))
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// look is how a page is shown.
type look struct {
	name   string
	width  int64
	scheme string
	drawn  bool // for the documents
}

var looks = []look{{"light", 1024, "light", true}, {"dark", 1280, "dark", false}, {"narrow", 360, "light", false}, {"narrow-dark", 360, "dark", false}}

func (l look) apply(t *testing.T, tab *chromiumTab) {
	t.Helper()
	scheme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}}
	err := chromedp.Do(tab.ctx, chromedp.EmulateViewport(l.width, 760), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, scheme)
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// withoutScripts uses the pages while the browser runs no script of theirs.
func (c *consoleTab) withoutScripts(t *testing.T, tab *chromiumTab) {
	scripts := func(off bool) {
		t.Helper()
		err := chromedp.Do(tab.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off})
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	scripts(true)
	defer scripts(false)
	for _, v := range views {
		c.view(t, v.name, v.path, v.shows)
	}
	c.show(t, "live")
	c.await(t, "Without JavaScript the list stays as it is")
	c.pasteMistake(t)
	c.pasteCommand(t)
}

// draw looks that each view fits each screen, and has the colours that its user wants. It
// draws them if somebody wants pictures.
func (c *consoleTab) draw(t *testing.T, tab *chromiumTab) {
	backs := map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}
	for _, l := range looks {
		l.apply(t, tab)
		for _, v := range views {
			c.show(t, v.path)
			c.await(t, v.shows)
			if got := c.ask(t, "document.documentElement.scrollWidth <= innerWidth"); got != "true" {
				t.Errorf("%s does not fit a screen of %d", v.name, l.width)
			}
			if got := c.ask(t, "getComputedStyle(document.body).backgroundColor"); got != backs[l.scheme] {
				t.Errorf("%s, %s: the background is %s", v.name, l.name, got)
			}
			if *screenshots != "" && l.drawn {
				if v.name == "draft" {
					c.pasteChange(t)
				}
				c.picture(t, tab, l, filepath.Join(*screenshots, v.name+".png"))
			}
		}
	}
}

// maxPicture is how high a picture is at most.
const maxPicture = 1400

// picture draws a whole page.
func (c *consoleTab) picture(t *testing.T, tab *chromiumTab, l look, name string) {
	t.Helper()
	var height int64
	if err := c.call("Promise.resolve(document.body.scrollHeight + 16)", &height); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab.ctx, chromedp.EmulateViewport(l.width, min(height, maxPicture))); err != nil {
		t.Fatal(err)
	}
	png, err := chromedp.Run(tab.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, png, 0o644); err != nil {
		t.Fatal(err)
	}
}
