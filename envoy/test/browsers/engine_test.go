package browsers

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	fetch "github.com/corsgate/corsgate/policy/browser"
)

// How long a browser may take to start, a step of a trial, and what its tools
// tell after the step.
const (
	startTimeout = time.Minute
	stepTimeout  = time.Minute
	toolsTimeout = 20 * time.Second
)

// engine is a running browser that shows one page.
type engine interface {
	// open shows the page of a URL.
	open(url string) error
	// call has the page run a script, and decodes what its promise gives.
	call(script string, result any) error
	// console returns what the browser itself wrote there since the last call.
	console() ([]string, error)
}

// kind is one of the browsers that the tests know.
type kind struct {
	name fetch.Engine
	// variable is the environment variable that names the program; without it
	// the first of programs is taken that there is: names on the PATH, or
	// patterns of paths.
	variable string
	programs []string
	// hint says what to install.
	hint string
	// start runs it until the test ends. It reaches every host through the proxy.
	start func(t *testing.T, program, proxy string, cert certificate) engine
	// record opens its developer tools; nil if there is no way to theirs.
	record func(t *testing.T, e engine) recorder
}

const (
	chromium = fetch.Chromium
	firefox  = fetch.Firefox
	webkit   = fetch.WebKit
)

var kinds = []kind{
	{chromium, "CORSGATE_CHROMIUM", []string{"chromium", "chromium-browser", "google-chrome"}, "chromium", startChromium, recordChromium},
	{firefox, "CORSGATE_FIREFOX", []string{"firefox-esr", "firefox"}, "firefox-esr", startFirefox, recordFirefox},
	{webkit, "CORSGATE_WEBKIT", []string{"MiniBrowser", "/usr/lib*/*/webkit*gtk-*/MiniBrowser", "/usr/libexec/webkit*gtk-*/MiniBrowser"},
		"libwebkit2gtk-4.1-0, which has a MiniBrowser, and xvfb", startWebKit, nil},
}

// inEachBrowser runs a test in each browser of these kinds, which reaches every
// host through the proxy. Others than Chromium are asked only in full.
func inEachBrowser(t *testing.T, kinds []kind, proxy string, cert certificate, test func(t *testing.T, b *browser)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(string(k.name), func(t *testing.T) {
			if k.name != chromium {
				envoytest.Full(t)
			}
			test(t, &browser{kind: k, engine: k.start(t, k.find(t), proxy, cert)})
		})
	}
}

// find returns the path of the program. If it is not installed, the test is
// skipped, or fails when CI=true.
func (k *kind) find(t *testing.T) string {
	t.Helper()
	path, err := k.look()
	if err != nil {
		missing(t, err)
	}
	return path
}

// missing ends a test for which a program is not there: skipped, or failed when
// CI=true.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func (k *kind) look() (string, error) {
	if path := os.Getenv(k.variable); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w: set it to the program of %s", k.variable, err, k.name)
		}
		return found, nil
	}
	for _, name := range k.programs {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		if paths, _ := filepath.Glob(name); len(paths) > 0 {
			return paths[0], nil
		}
	}
	return "", fmt.Errorf("no %s: install %s, or set %s", k.name, k.hint, k.variable)
}

// waitFor returns the first answer of look that is not empty.
func waitFor(t *testing.T, what string, look func() string) string {
	t.Helper()
	for start := time.Now(); time.Since(start) < startTimeout; time.Sleep(20 * time.Millisecond) {
		if found := look(); found != "" {
			return found
		}
	}
	t.Fatalf("no %s after %v", what, startTimeout)
	return ""
}

// browser is a running one, as the trials use it.
type browser struct {
	engine
	kind
	at string // the URL of the page that it shows
}

// show has it show the page of a URL.
func (b *browser) show(t *testing.T, url string) {
	t.Helper()
	if b.at == url {
		return
	}
	if err := b.open(url); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	b.at = url
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
func (b *browser) run(o order) (r result, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	err = b.call("run("+string(text)+")", &r)
	return r, err
}

// said reports whether the browser wrote an entry with all of the words into
// the console, which it may do a little after the page knows.
func (b *browser) said(words ...string) bool {
	for start := time.Now(); time.Since(start) < toolsTimeout; time.Sleep(5 * time.Millisecond) {
		entries, err := b.console()
		if err != nil {
			return false
		}
		for _, entry := range entries {
			if containsAll(entry, words) {
				return true
			}
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
func (b *browser) about(word string) (about []string) {
	entries, err := b.console()
	if err != nil {
		return []string{err.Error()}
	}
	for _, entry := range entries {
		if strings.Contains(entry, word) {
			about = append(about, entry)
		}
	}
	return about
}
