package browsers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// inspector speaks the protocol of WebKit's Web Inspector to the one page of a
// MiniBrowser. WebKitWebDriver would do as well for pages, but its sessions have
// no console. (github.com/WebKit/WebKit/tree/main/Source/JavaScriptCore/inspector/protocol)
type inspector struct {
	conn    *websocket.Conn
	last    int    // the number of the last command
	target  string // the page in its process, of which another host's page may get another
	entries []string
}

func startWebKit(t *testing.T, program, proxy string, _ certificate) engine {
	t.Helper()
	l := listen(t)
	l.Close() // nobody tells the port that it takes by itself
	address := l.Addr().String()
	browser := exec.Command(program, "--proxy=socks5://"+proxy, "--ignore-tls-errors", "--cookies-policy=always",
		"--enable-developer-extras=true", "about:blank")
	startProgram(t, browser, "DISPLAY="+startDisplay(t), "GDK_BACKEND=x11", "NO_AT_BRIDGE=1", "GSETTINGS_BACKEND=memory", "GIO_USE_VFS=local",
		"WEBKIT_INSPECTOR_HTTP_SERVER="+address,
		// A sandbox needs another user, and namespaces, which containers do not give.
		"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1")
	waitFor(t, "page of WebKit to inspect", func() string {
		r, err := http.Get("http://" + address + "/")
		if err != nil {
			return ""
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(text), "/socket/1/1/WebPage") {
			return ""
		}
		return "there"
	})
	conn, err := websocket.Dial("ws://"+address+"/socket/1/1/WebPage", "", "http://"+address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	i := &inspector{conn: conn}
	for i.target == "" {
		if _, err := i.read(); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// startDisplay runs an X server without a screen until the test ends, and
// returns its display.
func startDisplay(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("Xvfb")
	if err != nil {
		missing(t, errors.New("no Xvfb, which WebKitGTK needs: install xvfb"))
	}
	number, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer number.Close()
	cmd := exec.Command(path, "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	startProgram(t, cmd)
	w.Close()
	var display int
	if _, err := fmt.Fscan(number, &display); err != nil {
		t.Fatalf("start Xvfb: %v", err)
	}
	return fmt.Sprintf(":%d", display)
}

// message is what the inspector says: an answer, or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// command sends a command to the page and reads its answer into result.
func (i *inspector) command(method string, parameters object, result any) error {
	i.last++
	number, target := i.last, i.target
	command, err := json.Marshal(object{"id": number, "method": method, "params": parameters})
	if err != nil {
		return err
	}
	i.conn.SetDeadline(time.Now().Add(stepTimeout))
	err = websocket.JSON.Send(i.conn, object{"id": number, "method": "Target.sendMessageToTarget",
		"params": object{"targetId": target, "message": string(command)}})
	if err != nil {
		return err
	}
	for i.target == target {
		answer, err := i.read()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", method, err)
		case answer.ID != number:
		case answer.Error != nil:
			return fmt.Errorf("%s: %s", method, answer.Error)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(answer.Result, result)
		}
	}
	return fmt.Errorf("%s: the page has gone", method)
}

// read reads what comes next, and returns it if it is an answer of the page.
func (i *inspector) read() (answer message, err error) {
	var m message
	if err := websocket.JSON.Receive(i.conn, &m); err != nil {
		return answer, err
	}
	if m.Error != nil {
		return answer, errors.New(string(m.Error))
	}
	var about struct {
		TargetInfo           struct{ TargetID string }
		NewTargetID, Message string
	}
	if m.Method == "" {
		return answer, nil // the page has got the command
	}
	if err := json.Unmarshal(m.Params, &about); err != nil {
		return answer, err
	}
	switch m.Method {
	case "Target.targetCreated":
		i.target = cmp.Or(i.target, about.TargetInfo.TargetID)
	case "Target.didCommitProvisionalTarget":
		i.target = about.NewTargetID
	case "Target.dispatchMessageFromTarget":
		return i.heard(about.Message)
	}
	return answer, nil
}

// heard returns what the page said, and keeps what was about its console.
func (i *inspector) heard(text string) (m message, err error) {
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, err
	}
	if m.Method == "Console.messageAdded" {
		var about struct{ Message struct{ Text, URL string } }
		err = json.Unmarshal(m.Params, &about)
		i.entries = append(i.entries, about.Message.Text+" "+about.Message.URL)
	}
	return m, err
}

// open implements engine.
func (i *inspector) open(url string) error {
	if err := i.command("Runtime.evaluate", object{"expression": fmt.Sprintf("void(location.href = %q)", url)}, nil); err != nil {
		return err
	}
	shown := fmt.Sprintf("document.readyState === 'complete' && document.URL === new URL(%q).href", url)
	for start := time.Now(); time.Since(start) < stepTimeout; time.Sleep(10 * time.Millisecond) {
		var there bool
		// While one page gives way to the next one, nobody may answer.
		if err := i.execute(shown, &there); err == nil && there {
			return i.command("Console.enable", object{}, nil)
		}
	}
	return fmt.Errorf("the page is not shown after %v", stepTimeout)
}

// call implements engine.
func (i *inspector) call(script string, result any) error {
	i.entries = nil
	return i.execute(script, result)
}

// execute gives what the script's promise gives as JSON.
func (i *inspector) execute(script string, result any) error {
	var promise struct{ Result struct{ ObjectID string } }
	err := i.command("Runtime.evaluate", object{"expression": fmt.Sprintf("(async () => JSON.stringify(await (%s)))()", script)}, &promise)
	if err != nil {
		return err
	}
	var answer struct {
		Result    struct{ Value, Description string }
		WasThrown bool
	}
	err = i.command("Runtime.awaitPromise", object{"promiseObjectId": promise.Result.ObjectID}, &answer)
	if err != nil {
		return err
	}
	if answer.WasThrown {
		return errors.New(answer.Result.Description)
	}
	return json.Unmarshal([]byte(answer.Result.Value), result)
}

// console implements engine.
func (i *inspector) console() ([]string, error) {
	// Entries come before the answer to a later command.
	err := i.command("Console.enable", object{}, nil)
	return i.entries, err
}
