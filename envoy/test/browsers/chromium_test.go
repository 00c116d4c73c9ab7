package browsers

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// chromiumTab is a Chromium with one tab.
type chromiumTab struct {
	ctx  context.Context
	port string // of its debugger

	mu      sync.Mutex
	entries []string // of the console
}

// chromiumFlags are the flags of a browser that reaches every host through the
// proxy, and trusts the key with that hash, and no other.
func chromiumFlags(proxy, keyHash string) []chromedp.ExecAllocatorOption {
	off := []string{
		// A page of http stays one.
		"HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable",
		"Translate",
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		remote.WebSocket, chromedp.Flag("remote-allow-origins", "devtools://devtools"), // for its own developer tools
		chromedp.ProxyServer("socks5://"+proxy),
		chromedp.Flag("proxy-bypass-list", "<-loopback>"), // localhost as well
		// Unlike ignore-certificate-errors this leaves no error behind, with which nothing would be cached.
		chromedp.Flag("ignore-certificate-errors-spki-list", keyHash),
		chromedp.Flag("disable-features", strings.Join(off, ",")),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // a sandbox needs another user
	}
	return options
}

func startChromium(t *testing.T, program, proxy string, cert certificate) engine {
	t.Helper()
	// The profile is made there, and removed when the last process of the browser has ended.
	profiles := t.TempDir()
	t.Setenv("TMPDIR", profiles)
	options := append(chromiumFlags(proxy, cert.hash), chromedp.ExecPath(program), chromedp.Env("HOME="+t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	tab := &chromiumTab{}
	tab.ctx, _ = chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf), chromedp.WithListener(tab.listen))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(tab.ctx, startTimeout)
		defer cancel()
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("stop chromium: %v", err)
		}
	})
	if err := chromedp.Do(tab.ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(profiles, "*", "DevToolsActivePort"))
	if len(files) == 0 {
		t.Fatal("chromium tells no port of its debugger")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	tab.port, _, _ = strings.Cut(string(text), "\n")
	return tab
}

// open implements engine.
func (c *chromiumTab) open(url string) error {
	ctx, cancel := context.WithTimeout(c.ctx, stepTimeout)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Navigate(url))
}

func (c *chromiumTab) listen(event any) {
	if e, ok := event.(*log.EventEntryAdded); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.entries = append(c.entries, e.Entry.Text)
	}
}

// call implements engine.
func (c *chromiumTab) call(script string, result any) error {
	c.mu.Lock()
	c.entries = nil
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, stepTimeout)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[json.RawMessage](script, chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// console implements engine.
func (c *chromiumTab) console() ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.entries), nil
}
