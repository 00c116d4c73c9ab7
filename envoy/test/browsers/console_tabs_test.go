package browsers

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// manyTabs are more than a browser opens connections to a host.
const manyTabs = 8

// TestConsoleInTabs watches decisions in tabs of one window. A browser hides all but one of
// them, so each loads, and goes on without a gap when it is shown.
func TestConsoleInTabs(t *testing.T) {
	cert := makeCertificate(t)
	o := startOperated(t)
	direct := startProxy(t, func(host, port string) string { return net.JoinHostPort(host, port) })
	k := kinds[0]
	first := startChromium(t, k.find(t), direct, cert).(*chromiumTab)
	sent := ""
	send := func(n int) (path string) {
		path = fmt.Sprintf("/v1/tabs-%d.", n)
		o.send(t, "GET", "api.example.com", path, "Origin: https://app.example.com")
		sent = strings.TrimSuffix(fmt.Sprintf("%d,%s", n, sent), ",")
		return path
	}
	const numbers = `[...document.getElementById('decisions').textContent.matchAll(/tabs-([0-9]+)/g)].map(m => m[1])`
	n := 1
	send(n)
	var tabs []*consoleTab
	for range manyTabs {
		c := &consoleTab{browser: &browser{kind: k, engine: newTab(t, first)}, operated: o}
		c.show(t, "live")
		c.await(t, "Connected.")
		tabs = append(tabs, c)
	}
	for range 2 {
		for i, c := range tabs {
			c.toFront(t)
			n++
			c.await(t, send(n))
			if got := c.ask(t, numbers); got != sent {
				t.Errorf("tab %d shows %s, want %s", i, got, sent)
			}
			if other := tabs[(i+1)%manyTabs]; other.ask(t, "document.hidden") != "true" {
				t.Errorf("tab %d is shown beside tab %d", (i+1)%manyTabs, i)
			}
		}
	}
}

// newTab opens another tab in the window of a tab.
func newTab(t *testing.T, beside *chromiumTab) *chromiumTab {
	t.Helper()
	tab := &chromiumTab{}
	tab.ctx, _ = chromedp.NewContext(beside.ctx, chromedp.WithNewWindow(false)) // it ends with the browser
	if err := chromedp.Do(tab.ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return tab
}

// toFront shows the tab of a Chromium, which hides the others of its window.
func (c *consoleTab) toFront(t *testing.T) {
	t.Helper()
	err := chromedp.Do(c.engine.(*chromiumTab).ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdppage.BringToFront, cdp.Empty{})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}
