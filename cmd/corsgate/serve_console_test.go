package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// remoteConsole is the console of a corsgate that listens on every address, over mTLS.
type remoteConsole struct {
	t         *testing.T
	authority *tlstest.Authority
	port      string
}

func serveRemoteConsole(t *testing.T) *remoteConsole {
	t.Helper()
	svc, authority := serveMutual(t, func(c *serveConfig, own tlsFlags) {
		own.allowed = []string{"ops.example"}
		c.adminListen, c.transport.adminTLS = "0.0.0.0:0", own
	})
	_, port, err := net.SplitHostPort(svc.admin.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &remoteConsole{t, authority, port}
}

// origin is that of its pages.
func (c *remoteConsole) origin() string { return "https://" + net.JoinHostPort("127.0.0.1", c.port) }

// client returns a client that has a certificate with the names, if there are any.
func (c *remoteConsole) client(names ...string) *http.Client {
	c.t.Helper()
	config := &tls.Config{RootCAs: c.authority.Pool()}
	if len(names) > 0 {
		config.Certificates = []tls.Certificate{*c.authority.Client(c.t, names...)}
	}
	transport := &http.Transport{TLSClientConfig: config}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask asks for a page; form is that of a POST, and headers are "name: value".
func (c *remoteConsole) ask(client *http.Client, path string, form url.Values, headers ...string) (*http.Response, error) {
	c.t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(servertest.Context(c.t), method, c.origin()+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return client.Do(r)
}

// read returns the status and the text of a page.
func (c *remoteConsole) read(client *http.Client, path string, form url.Values, headers ...string) (status int, text string) {
	c.t.Helper()
	resp, err := c.ask(client, path, form, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestConsoleOverTLS uses the console over mTLS: each view, the events and a form. A client
// without a certificate of an allowed name gets nothing.
func TestConsoleOverTLS(t *testing.T) {
	c := serveRemoteConsole(t)
	ops := c.client("ops.example")
	for path, shows := range map[string]string{
		"/console/":             "What serves",
		"/console/live":         "The last decisions",
		"/console/policies":     "Who may read this URL?",
		"/console/policies/app": "https://app.example.com",
		"/console/denied":       "Nothing is known to be denied",
		"/console/try?origin=https://x.example&url=https://api.example.com/": "there is no Access-Control-Allow-Origin",
		"/console/draft": "A policy text that does not serve",
	} {
		if status, text := c.read(ops, path, nil); status != http.StatusOK || !strings.Contains(text, shows) {
			t.Errorf("%s: %d, without %q\n%s", path, status, shows, text)
		}
		if status, text := c.read(ops, path, nil, "Accept: application/json"); status != http.StatusOK || !json.Valid([]byte(text)) {
			t.Errorf("%s as JSON: %d\n%s", path, status, text)
		}
	}
	resp, err := c.ask(ops, "/console/live/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != ": still there\n" {
		t.Errorf("the events begin with %q, %v", line, err)
	}
	draft := url.Values{"text": {"policies:\n- nmae: api\n"}}
	for from, want := range map[string]int{c.origin(): http.StatusOK, "https://other.example": http.StatusForbidden} {
		if status, text := c.read(ops, "/console/draft", draft, "Origin: "+from); status != want || (want == http.StatusOK) != strings.Contains(text, "unknown-field") {
			t.Errorf("a form of %s: %d, want %d\n%s", from, status, want, text)
		}
	}
	for who, client := range map[string]*http.Client{"another name": c.client("dev.example"), "no certificate": c.client()} {
		if resp, err := c.ask(client, "/console/", nil); err == nil {
			resp.Body.Close()
			t.Errorf("a client with %s gets %s", who, resp.Status)
		}
	}
}
