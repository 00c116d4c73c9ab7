package browsers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// marionette speaks Marionette, its own protocol for automation: messages of JSON
// with their length before them. It is the server behind geckodriver.
// (firefox-source-docs.mozilla.org/testing/marionette/Protocol.html)
type marionette struct {
	conn net.Conn
	in   *bufio.Reader
	last int // the number of the last command
}

// preferences are those of a Firefox that reaches every host through a proxy.
func preferences(proxy string) map[string]any {
	host, port, _ := net.SplitHostPort(proxy)
	return map[string]any{
		"marionette.port":                            0, // any that is free
		"network.proxy.type":                         1,
		"network.proxy.socks":                        host,
		"network.proxy.socks_port":                   json.Number(port),
		"network.proxy.socks_remote_dns":             true,
		"network.proxy.allow_hijacking_localhost":    true,
		"dom.security.https_first":                   false, // a page of http stays one
		"devtools.netmonitor.persistlog":             true,  // keep what the last page did while the next one is shown
		"network.captive-portal-service.enabled":     false,
		"network.connectivity-service.enabled":       false,
		"datareporting.policy.dataSubmissionEnabled": false,
	}
}

func startFirefox(t *testing.T, program, proxy string, _ certificate) engine {
	t.Helper()
	profile := t.TempDir()
	var lines strings.Builder
	for name, value := range preferences(proxy) {
		text, _ := json.Marshal(value)
		fmt.Fprintf(&lines, "user_pref(%q, %s);\n", name, text)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	startProgram(t, exec.Command(program, "--headless", "--no-remote", "--profile", profile,
		"--marionette", "--remote-allow-system-access"), "MOZ_CRASHREPORTER_DISABLE=1")
	port := waitFor(t, "a port of Firefox's Marionette", func() string {
		text, _ := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		return string(text)
	})
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &marionette{conn: conn, in: bufio.NewReader(conn)}
	if err := f.begin(); err != nil {
		t.Fatalf("start firefox: %v", err)
	}
	return f
}

func (f *marionette) begin() error {
	if _, err := f.read(); err != nil { // its greeting
		return err
	}
	return f.command("WebDriver:NewSession", object{"acceptInsecureCerts": true}, nil)
}

// command sends a command and reads its answer into result.
func (f *marionette) command(name string, parameters object, result any) error {
	f.last++
	text, err := json.Marshal([]any{0, f.last, name, parameters})
	if err != nil {
		return err
	}
	f.conn.SetDeadline(time.Now().Add(stepTimeout))
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(text), text); err != nil {
		return err
	}
	message, err := f.read()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var answer [4]json.RawMessage // kind, number, error, value
	if err := json.Unmarshal(message, &answer); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if failure := string(answer[2]); failure != "null" {
		return fmt.Errorf("%s: %s", name, failure)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer[3], result)
}

func (f *marionette) read() ([]byte, error) {
	length, err := f.in.ReadString(':')
	if err != nil {
		return nil, err
	}
	var n int
	if _, err := fmt.Sscanf(length, "%d:", &n); err != nil {
		return nil, err
	}
	message := make([]byte, n)
	_, err = io.ReadFull(f.in, message)
	return message, err
}

// open implements engine.
func (f *marionette) open(url string) error {
	return f.command("WebDriver:Navigate", object{"url": url}, nil)
}

// call implements engine.
func (f *marionette) call(script string, result any) error {
	var console any
	if err := f.callBrowser("Services.console.reset()", &console); err != nil {
		return err
	}
	return f.execute(script, result)
}

// callBrowser is call for what the browser itself may do.
func (f *marionette) callBrowser(script string, result any) error {
	if err := f.command("Marionette:SetContext", object{"value": "chrome"}, nil); err != nil {
		return err
	}
	err := f.execute(script, result)
	if back := f.command("Marionette:SetContext", object{"value": "content"}, nil); err == nil {
		err = back
	}
	return err
}

// execute gives what the script's promise gives as JSON, or its failure.
func (f *marionette) execute(script string, result any) error {
	var answer struct {
		Value struct{ Value, Failure string }
	}
	wrapped := fmt.Sprintf(`const done = arguments[0];
		(async () => (%s))().then((v) => done({Value: JSON.stringify(v ?? null)}), (e) => done({Failure: String(e)}))`, script)
	err := f.command("WebDriver:ExecuteAsyncScript", object{"script": wrapped, "args": []any{}}, &answer)
	if err != nil {
		return err
	}
	if failure := answer.Value.Failure; failure != "" {
		return fmt.Errorf("%s", failure)
	}
	return json.Unmarshal([]byte(answer.Value.Value), result)
}

// console implements engine.
func (f *marionette) console() (entries []string, err error) {
	const messages = "Services.console.getMessageArray().map((m) => m.errorMessage ?? m.message)"
	err = f.callBrowser(messages, &entries)
	return entries, err
}
