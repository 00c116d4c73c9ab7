package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/file"
)

const (
	goodFile   = "policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://app.example.com\"]\n"
	betterFile = "policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://new.example.com\"]\n"
	brokenFile = "policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://app.example.com/\"]\n"
)

// page is the admin pages over a policy file.
type page struct {
	*httptest.Server
	path  string
	ready atomic.Bool
	stop  func()
}

func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{path: filepath.Join(t.TempDir(), "p.yaml")}
	p.write(t, goodFile)
	r := &live.Reloader{Source: &file.Source{Path: p.path, Poll: time.Hour, Settle: time.Hour}, Version: "v9"}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stop = servertest.Run(t, r.Run)
	p.ready.Store(true)
	misused := func() []server.MisuseStatus { return []server.MisuseStatus{{Kind: "no_responses", Streams: 7}} }
	p.Server = httptest.NewServer((&admin.Server{Reloader: r, Ready: p.ready.Load, Misused: misused}).Handler())
	t.Cleanup(p.Close)
	return p
}

func (p *page) write(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(p.path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask returns the status, the headers and the body of an answer; headers are
// "name: value".
func (p *page) ask(t *testing.T, method, path string, headers ...string) (int, http.Header, string) {
	t.Helper()
	resp, body := servertest.Ask(t, method, p.URL+path, "", headers...)
	return resp.StatusCode, resp.Header, body
}

func TestPages(t *testing.T) {
	p := newPage(t)
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
		body               string // somewhere in it
		allow              string
	}{
		{name: "alive", method: "GET", path: "/healthz", status: 200, body: "alive"},
		{name: "ready", method: "GET", path: "/readyz", status: 200, body: "ready"},
		{name: "ready, asked by HEAD", method: "HEAD", path: "/readyz", status: 200},
		{name: "status", method: "GET", path: "/status", status: 200, body: `"version": "v9"`},
		{name: "how Envoy asks", method: "GET", path: "/status", status: 200, body: `"kind": "no_responses",
      "streams": 7`},
		{name: "no such page", method: "GET", path: "/nothing", status: 404, body: "try /status"},
		{name: "a page below a page", method: "GET", path: "/status/x", status: 404, body: "try /status"},
		{name: "status cannot be posted", method: "POST", path: "/status", status: 405, body: "use GET", allow: "GET,HEAD"},
		{name: "a reload is not a GET", method: "GET", path: "/-/reload", status: 405, body: "use POST", allow: "POST"},
		{name: "a reload by curl", method: "POST", path: "/-/reload", status: 200, body: `"generation": 1`},
		{
			name: "a reload by a page of another site", method: "POST", path: "/-/reload", status: 403,
			headers: []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
		},
		{
			name: "a reload by a page, from a browser without fetch metadata", method: "POST", path: "/-/reload", status: 403,
			headers: []string{"Origin: https://evil.example"},
		},
		{
			name: "a reload by a page of its own", method: "POST", path: "/-/reload", status: 200,
			headers: []string{"Sec-Fetch-Site: same-origin"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := p.ask(t, c.method, c.path, c.headers...)
			if status != c.status || !strings.Contains(body, c.body) {
				t.Errorf("got %d %q, want %d with %q", status, body, c.status, c.body)
			}
			if got := strings.Join(header["Allow"], ","); got != c.allow {
				t.Errorf("Allow: %q, want %q", got, c.allow)
			}
			if header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("a page of another origin may read it")
			}
		})
	}
}

func TestReload(t *testing.T) {
	p := newPage(t)
	p.write(t, betterFile)
	status, _, body := p.ask(t, "POST", "/-/reload")
	var served live.Status
	if err := json.Unmarshal([]byte(body), &served); err != nil {
		t.Fatal(err)
	}
	if status != 200 || served.Generation != 2 || !served.Ready || served.LastError != nil {
		t.Errorf("got %d %s", status, body)
	}

	p.write(t, brokenFile)
	status, header, body := p.ask(t, "POST", "/-/reload")
	var refused struct {
		Error       string
		Diagnostics []struct {
			File string
			Line int
			Code string
		}
	}
	if err := json.Unmarshal([]byte(body), &refused); err != nil {
		t.Fatal(err)
	}
	if status != 422 || header.Get("Content-Type") != "application/json" || len(refused.Diagnostics) != 1 {
		t.Fatalf("got %d %v %s", status, header, body)
	}
	if d := refused.Diagnostics[0]; d.File != p.path || d.Line != 4 || d.Code == "" || refused.Error == "" {
		t.Errorf("refused: %+v", refused)
	}
	if _, _, body := p.ask(t, "GET", "/status"); !strings.Contains(body, `"generation": 2`) || !strings.Contains(body, p.path) {
		t.Errorf("status after a refused reload: %s", body)
	}

	if err := os.Remove(p.path); err != nil {
		t.Fatal(err)
	}
	if status, _, body := p.ask(t, "POST", "/-/reload"); status != 422 || !strings.Contains(body, `"diagnostics": []`) {
		t.Errorf("reload of a missing file: %d %s", status, body)
	}
}

func TestDraining(t *testing.T) {
	p := newPage(t)
	p.ready.Store(false)
	p.stop()
	if status, _, body := p.ask(t, "GET", "/readyz"); status != 503 {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _, body := p.ask(t, "GET", "/healthz"); status != 200 {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if _, _, body := p.ask(t, "GET", "/status"); !strings.Contains(body, `"ready": false`) {
		t.Errorf("/status: %s", body)
	}
	if status, _, body := p.ask(t, "POST", "/-/reload"); status != 503 {
		t.Errorf("/-/reload: %d %s", status, body)
	}
}

func TestRun(t *testing.T) {
	idle := &live.Reloader{Source: &file.Source{}}
	t.Run("serves until its context ends", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &admin.Server{Listener: l, Reloader: idle, Ready: func() bool { return false }}
		stop := servertest.Run(t, s.Run)
		if resp, _ := servertest.Ask(t, "GET", "http://"+l.Addr().String()+"/readyz", ""); resp.StatusCode != 503 {
			t.Errorf("got %s", resp.Status)
		}
		stop()
		if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
			conn.Close()
			t.Error("still listening")
		}
	})
	t.Run("ends with its listener's error", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s := &admin.Server{Address: l.Addr().String(), Reloader: idle, Ready: func() bool { return false }}
		if err := s.Run(t.Context()); err == nil || errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Run("is silent about a context that has ended already", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := &admin.Server{Address: "127.0.0.1:0", Reloader: idle, Ready: func() bool { return false }}
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
