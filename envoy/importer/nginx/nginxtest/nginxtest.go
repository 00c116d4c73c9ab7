// Package nginxtest starts an nginx for a test.
package nginxtest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/policy/browser"
)

// headersMore is where Debian has the module headers-more.
const headersMore = "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so"

// Missing skips a test if there is no nginx with the module headers-more, and fails it if
// CI=true.
func Missing(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("nginx")
	if err == nil {
		if _, err = os.Stat(headersMore); err == nil {
			return
		}
	}
	const advice = "no nginx on the PATH: install Debian's nginx and libnginx-mod-http-headers-more-filter"
	if os.Getenv("CI") == "true" {
		t.Fatal(advice)
	}
	t.Skip(advice)
}

// Start starts an nginx whose http block is text, and ends it with the test. In the text,
// LISTEN stands for where a server has to listen, and UPSTREAM for an upstream that
// answers every request with 200 and no CORS headers.
func Start(t testing.TB, text string) importertest.Send {
	t.Helper()
	Missing(t)
	folder, err := os.MkdirTemp("", "nginx") // short, for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Total", "1") }))
	t.Cleanup(upstream.Close)

	var conf bytes.Buffer
	conf.WriteString("load_module " + headersMore + ";\ndaemon off;\nmaster_process off;\npid " + folder + "/pid;\nerror_log stderr error;\nevents {}\nhttp {\naccess_log off;\n")
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf.WriteString(temp + "_temp_path " + folder + "/" + temp + ";\n")
	}
	replaced := bytes.ReplaceAll([]byte(text), []byte("LISTEN"), []byte("unix:"+socket))
	conf.Write(bytes.ReplaceAll(replaced, []byte("UPSTREAM"), []byte(upstream.URL)))
	conf.WriteString("\n}\n")
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, conf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command("nginx", "-p", folder, "-e", "stderr", "-c", file)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		ended <- nil
	})
	for {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			break
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("nginx ended: %v\n%s\n%s", err, &said, text)
		case <-time.After(5 * time.Millisecond):
		}
	}
	client := &http.Client{
		Transport:     &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, host, path string, headers browser.Headers) browser.Response {
		return send(t, client, method, host, path, headers)
	}
}

func send(t testing.TB, client *http.Client, method, host, path string, headers browser.Headers) (out browser.Response) {
	req, err := http.NewRequest(method, "http://"+host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		req.Header.Add(h.Name, h.Value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	out.Status = resp.StatusCode
	for name, lines := range resp.Header {
		for _, line := range lines {
			out.Headers = append(out.Headers, browser.Header{Name: name, Value: line})
		}
	}
	return out
}

// Upstream is the upstream alone.
func Upstream(string, string, string, browser.Headers) browser.Response {
	return browser.Response{Status: http.StatusOK, Headers: browser.Headers{{Name: "X-Total", Value: "1"}}}
}
