package browsers

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy"
)

var update = flag.Bool("update", false, "rewrite the HAR files")

// harFiles has the files that explain is tested with.
const harFiles = "../../../cmd/corsgate/testdata/har"

// The origins of the recorded pages, and the host that they call.
const (
	site     = "https://app.example.com"   // allowed
	stranger = "https://other.example.org" // not allowed
	api      = "api.example.com"
)

// recording is what a page does while the developer tools look on, and how many
// requests they show then.
type recording struct {
	name, page, script string
	requests           int
}

var recordings = []recording{
	{"allowed-get", site, `fetch("https://api.example.com/v1/orders")`, 1},
	{"allowed-put", site, `fetch("https://api.example.com/v1/orders/1", ` + putJSON + `)`, 2},
	{"denied-get", stranger, `fetch("https://api.example.com/v1/orders")`, 1},
	{"blocked-preflight", stranger, `fetch("https://api.example.com/v1/orders/1", ` + putJSON + `)`, 2},
	{"blocked-method", site, `fetch("https://api.example.com/v1/orders/1", {method: "DELETE"})`, 2},
	{"blocked-credentials", site, `fetch("https://api.example.com/v1/orders", {credentials: "include"})`, 1},
	{"blocked-credentials-preflight", site, `fetch("https://api.example.com/v1/orders/1", {method: "PUT", credentials: "include"})`, 2},
	{"form-post", stranger, postForm, 1},
	{"websocket", site, openSocket, 1},
}

const (
	putJSON  = `{method: "PUT", headers: {"Content-Type": "application/json"}, body: "{}"}`
	postForm = `new Promise(() => {
		const form = Object.assign(document.createElement("form"), {action: "https://api.example.com/login/callback", method: "POST"});
		form.append(Object.assign(document.createElement("input"), {name: "code", value: "c"}));
		document.body.append(form);
		form.submit();
	})`
	openSocket = `new Promise((done) => {
		const w = new WebSocket("wss://api.example.com/live/");
		w.onopen = () => w.send("hello");
		w.onmessage = () => w.close();
		w.onclose = () => done(0);
	})`
)

// recorder is a browser whose developer tools are open.
type recorder interface {
	engine
	// forget empties their list of requests.
	forget() error
	// har is that list, as their own export writes it. It is empty while a request
	// has not ended.
	har() (archive, error)
}

// archive is a HAR file.
type archive struct {
	Log struct {
		Version string   `json:"version"`
		Creator object   `json:"creator"`
		Browser object   `json:"browser,omitempty"`
		Pages   []object `json:"pages"`
		Entries []object `json:"entries"`
	} `json:"log"`
}

// TestRecordings records the HAR files that explain is tested with, and wants
// what it reads of them to be what they say.
func TestRecordings(t *testing.T) {
	policies, err := os.ReadFile(filepath.Join(harFiles, "policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cert := makeCertificate(t)
	l := &lab{cert: cert, upstream: startUpstream(t)}
	st := l.startStack(t, envoy.Config{Profile: envoy.OneTrip, Fail: envoy.FailClosed}, startService(t, string(policies)))
	pages := startPages(t, cert.tls)
	proxy := startProxy(t, func(host, port string) string {
		switch {
		case host == api:
			return st.envoy.Listeners["secure"]
		case "https://"+host == site, "https://"+host == stranger:
			return pages.secure
		case host == "127.0.0.1": // Chromium itself, for its developer tools
			return net.JoinHostPort(host, port)
		}
		return ""
	})
	recording := slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.record == nil })
	inEachBrowser(t, recording, proxy, cert, func(t *testing.T, b *browser) {
		r := b.record(t, b.engine)
		for _, rec := range recordings {
			t.Run(rec.name, func(t *testing.T) {
				rec.run(t, r)
				file := filepath.Join(harFiles, string(b.name)+"-"+rec.name+".har")
				if *update {
					rec.write(t, r, file)
				} else {
					rec.compare(t, r, file)
				}
			})
		}
	})
}

// run has the page do it.
func (rec recording) run(t *testing.T, r recorder) {
	t.Helper()
	if err := r.open(rec.page + "/"); err != nil {
		t.Fatal(err)
	}
	if err := r.forget(); err != nil {
		t.Fatal(err)
	}
	// A page that posts a form goes away, and gives nothing.
	_ = r.call("("+rec.script+").then(() => 0, () => 0)", new(int))
}

// compare waits until the tools tell what the file says.
func (rec recording) compare(t *testing.T, r recorder, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: record it with CORSGATE_TEST=full go test ./envoy/test/browsers -run TestRecordings -update", err)
	}
	var want archive
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	got := waitForHAR(t, r, func(a *archive) bool { return a.shape() == want.shape() })
	if diff := cmp.Diff(want.shape(), got.shape()); diff != "" {
		t.Errorf("it is not what %s has (-want +got):\n%s", file, diff)
	}
}

// write writes what the tools tell when no request is missing.
func (rec recording) write(t *testing.T, r recorder, file string) {
	t.Helper()
	got := waitForHAR(t, r, func(a *archive) bool { return len(a.Log.Entries) == rec.requests })
	if len(got.Log.Entries) != rec.requests {
		t.Fatalf("%d requests were recorded, not %d:\n%s", len(got.Log.Entries), rec.requests, got.shape())
	}
	text, _ := json.MarshalIndent(got, "", " ")
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// waitForHAR returns the recording that is right, or the last one.
func waitForHAR(t *testing.T, r recorder, right func(a *archive) bool) (a archive) {
	t.Helper()
	for start := time.Now(); time.Since(start) < toolsTimeout; time.Sleep(50 * time.Millisecond) {
		var err error
		if a, err = r.har(); err != nil {
			t.Fatal(err)
		}
		if a.scrub(); right(&a) {
			break
		}
	}
	return a
}

// shape is what explain reads: a line for each request, with the headers that
// tell something of CORS.
func (a *archive) shape() string {
	var lines []string
	for _, e := range a.Log.Entries {
		request, response := e["request"].(object), e["response"].(object)
		lines = append(lines, fmt.Sprint(request["method"], " ", request["url"], " ", e["_resourceType"], telling(request),
			" -> ", response["status"], " ", response["_error"], telling(response)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// telling returns the headers of a request or a response that tell something.
func telling(message object) string {
	var lines []string
	for _, h := range message["headers"].([]any) {
		name := strings.ToLower(fmt.Sprint(h.(object)["name"]))
		if slices.Contains([]string{"origin", "referer", "sec-fetch-mode", "vary"}, name) || strings.HasPrefix(name, "access-control-") {
			lines = append(lines, fmt.Sprintf(" [%s: %s]", name, h.(object)["value"]))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// scrub takes out what differs from one time, machine or version to the next,
// and the icons that browsers ask for by themselves.
func (a *archive) scrub() {
	const never = "2026-01-01T00:00:00.000Z"
	a.Log.Creator["version"] = "1"
	if a.Log.Browser != nil {
		a.Log.Browser["version"] = "1"
	}
	for _, p := range a.Log.Pages {
		p["id"], p["startedDateTime"], p["pageTimings"] = "page_1", never, object{}
	}
	a.Log.Entries = slices.DeleteFunc(a.Log.Entries, func(e object) bool {
		address, _ := e["request"].(object)["url"].(string)
		return !strings.Contains(address, "://"+api+"/") || strings.Contains(address, "/favicon.ico")
	})
	for _, e := range a.Log.Entries {
		e["startedDateTime"], e["time"], e["timings"] = never, 0, object{"send": 0, "wait": 0, "receive": 0}
		for _, name := range []string{"connection", "serverIPAddress", "_connectionId"} {
			delete(e, name)
		}
		if e["pageref"] != nil {
			e["pageref"] = "page_1"
		}
		if initiator, ok := e["_initiator"].(object); ok {
			delete(initiator, "stack")
			delete(initiator, "requestId")
		}
		if messages, ok := e["_webSocketMessages"].([]any); ok {
			for _, m := range messages {
				m.(object)["time"] = 0
			}
		}
		scrubHeaders(e["request"].(object))
		scrubHeaders(e["response"].(object))
	}
}

// scrubbed are the headers that say something of the machine, with what stands
// for it.
var scrubbed = map[string]string{
	"user-agent":                    "Mozilla/5.0",
	"sec-ch-ua":                     `"Chromium";v="1"`,
	"date":                          "Thu, 01 Jan 2026 00:00:00 GMT",
	"x-envoy-upstream-service-time": "1",
	"sec-websocket-key":             "AAAAAAAAAAAAAAAAAAAAAA==",
	"sec-websocket-accept":          "ICX+Yqv66kxgM0FcWaLWlFLwTAI=",
	"content-length":                "2",
}

func scrubHeaders(message object) {
	for _, h := range message["headers"].([]any) {
		if value, ok := scrubbed[strings.ToLower(fmt.Sprint(h.(object)["name"]))]; ok {
			h.(object)["value"] = value
		}
	}
	// They follow the lengths of the headers above.
	message["headersSize"], message["bodySize"] = -1, -1
	if message["_transferSize"] != nil {
		message["_transferSize"] = 0
	}
	if content, ok := message["content"].(object); ok {
		message["content"] = object{"size": 0, "mimeType": content["mimeType"]}
	}
}
