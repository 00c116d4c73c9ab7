package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// chromiumVariable is the environment variable that names a Chromium.
const chromiumVariable = "CORSGATE_CHROMIUM"

// How long a browser may take to start, a step of a trial, and a console entry
// after the step.
const (
	startTimeout   = 30 * time.Second
	stepTimeout    = 10 * time.Second
	consoleTimeout = 2 * time.Second
)

// findChromium returns the path of a Chromium. Where there is none, the test is
// skipped, or fails when CI=true.
func findChromium(t *testing.T) string {
	t.Helper()
	path, err := lookChromium()
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

func lookChromium() (string, error) {
	if path := os.Getenv(chromiumVariable); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w: set it to a Chromium binary", chromiumVariable, err)
		}
		return found, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium on the PATH: install chromium, or set " + chromiumVariable)
}

// chromium is a running browser with a tab for each page that was asked for.
type chromium struct {
	ctx  context.Context
	tabs map[string]*tab // :: URL of the page
}

// tab shows one page.
type tab struct {
	ctx context.Context

	mu      sync.Mutex
	console []string // what the browser itself wrote there
}

// flags are the flags of a browser that finds every host where rules say, and
// trusts the key with that hash, and no other.
func flags(rules []string, keyHash string) []chromedp.ExecAllocatorOption {
	off := []string{
		// Every host is on loopback. Since version 142 a page whose own address is not may need a permission to call
		// one that is, and nobody is there to give it.
		"LocalNetworkAccessChecks",
		// A page of http stays one.
		"HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable",
		"Translate",
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Flag("host-resolver-rules", strings.Join(rules, ",")),
		// Unlike ignore-certificate-errors this leaves no error behind, with which nothing would be cached.
		chromedp.Flag("ignore-certificate-errors-spki-list", keyHash),
		chromedp.Flag("disable-features", strings.Join(off, ",")),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // a sandbox needs another user
	}
	return options
}

// startChromium runs a browser until the test ends.
func startChromium(t *testing.T, rules []string, keyHash string) *chromium {
	t.Helper()
	// The profile is made there, and removed when the last process of the browser has ended.
	t.Setenv("TMPDIR", t.TempDir())
	options := append(flags(rules, keyHash), chromedp.ExecPath(findChromium(t)), chromedp.Env("HOME="+t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, _ := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("stop chromium: %v", err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &chromium{ctx: ctx, tabs: map[string]*tab{}}
}

// tab returns the tab that shows url, opened if need be.
func (c *chromium) tab(t *testing.T, url string) *tab {
	t.Helper()
	if open, ok := c.tabs[url]; ok {
		return open
	}
	opened := &tab{}
	// The browser closes its tabs itself.
	opened.ctx, _ = chromedp.NewContext(c.ctx, chromedp.WithNewWindow(false), chromedp.WithListener(opened.listen))
	if err := chromedp.Do(opened.ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	ctx, cancel := context.WithTimeout(opened.ctx, stepTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	c.tabs[url] = opened
	return opened
}

func (p *tab) listen(event any) {
	if e, ok := event.(*log.EventEntryAdded); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.console = append(p.console, e.Entry.Text)
	}
}

// clear forgets what was in the console.
func (p *tab) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.console = nil
}

// said reports whether the browser wrote an entry with all of the words into
// the console, which it may do a little after the page knows.
func (p *tab) said(words ...string) bool {
	for start := time.Now(); time.Since(start) < consoleTimeout; time.Sleep(5 * time.Millisecond) {
		if p.hasEntry(words) {
			return true
		}
	}
	return false
}

func (p *tab) hasEntry(words []string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, entry := range p.console {
		if containsAll(entry, words) {
			return true
		}
	}
	return false
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// about returns the console's entries with that word.
func (p *tab) about(word string) (entries []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, entry := range p.console {
		if strings.Contains(entry, word) {
			entries = append(entries, entry)
		}
	}
	return entries
}

// order is what a page is told to do.
type order struct {
	In      string            `json:"in"`
	By      string            `json:"by"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers [][]string        `json:"headers"`
	Body    string            `json:"body"`
	Options map[string]string `json:"options"`
}

// result is what a page could see.
type result struct {
	Outcome string      `json:"outcome"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

// run has the page do what the order says.
func (p *tab) run(o order) (result, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return result{}, err
	}
	p.clear()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[result]("run("+string(text)+")", chromedp.EvalAwaitPromise))
}
