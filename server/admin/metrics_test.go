package admin_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
)

func TestMetricsListenerHasNoOtherPage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	servertest.Run(t, func(ctx context.Context) error {
		return admin.ServeMetrics(ctx, l, page, &live.Reloader{}, func() bool { return true }, slog.New(slog.DiscardHandler))
	})
	for _, tc := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/metrics", "", 200},
		{"HEAD", "/metrics", "", 200},
		{"POST", "/metrics", "", 405},
		{"GET", "/readyz", "", 200},
		{"GET", "/status", "", 404},
		{"GET", "/denied", "", 404},
		{"POST", "/explain", "", 404},
		{"POST", "/-/reload", "", 404},
		{"GET", "/debug/pprof/", "", 404},
		{"GET", "/metrics", "evil.example", 403}, // a web page's name for this machine
	} {
		if resp, _ := servertest.Ask(t, tc.method, "http://"+l.Addr().String()+tc.path, "", "Host: "+tc.host); resp.StatusCode != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.method, tc.path, resp.StatusCode, tc.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
