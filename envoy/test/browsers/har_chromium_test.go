package browsers

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromiumRecorder is a Chromium with its developer tools in a second tab, where
// their own code can be called.
type chromiumRecorder struct {
	*chromiumTab
	tools context.Context
}

func recordChromium(t *testing.T, e engine) recorder {
	t.Helper()
	tab := e.(*chromiumTab)
	r := &chromiumRecorder{chromiumTab: tab}
	r.tools, _ = chromedp.NewContext(tab.ctx)
	url := fmt.Sprintf("devtools://devtools/bundled/inspector.html?ws=127.0.0.1:%s/devtools/page/%s", tab.port, chromedp.FromContext(tab.ctx).Target.TargetID)
	if err := chromedp.Do(r.tools, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "request in the developer tools", func() string {
		if err := r.open(site + "/"); err != nil {
			t.Fatal(err)
		}
		// Before the tools have loaded, their code throws.
		a, _ := r.har()
		return strings.Repeat("there", len(a.Log.Entries))
	})
	return r
}

// forget implements recorder.
func (r *chromiumRecorder) forget() error {
	_, err := chromedp.Run(r.tools, chromedp.Evaluate[int](`import("./models/logs/logs.js").then(
		({NetworkLog}) => { NetworkLog.NetworkLog.instance().reset(true); return 0; })`, chromedp.EvalAwaitPromise))
	return err
}

// har implements recorder.
func (r *chromiumRecorder) har() (archive, error) {
	return chromedp.Run(r.tools, chromedp.Evaluate[archive](`(async () => {
		const {Log} = await import("./models/har/har.js"), {NetworkLog} = await import("./models/logs/logs.js");
		const requests = NetworkLog.NetworkLog.instance().requests();
		return requests.every((r) => r.finished || r.failed) ? {log: await Log.Log.build(requests, {sanitize: true})} : {log: {creator: {}}};
	})()`, chromedp.EvalAwaitPromise))
}
