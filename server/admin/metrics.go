package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
)

// ServeMetrics serves the page that Prometheus reads, and /readyz, until ctx ends. The
// listener has no other page, so that scrapers cannot read more.
func ServeMetrics(ctx context.Context, l net.Listener, page http.Handler, r Reloader, ready func() bool, log *slog.Logger) error {
	mux := http.NewServeMux()
	get := []string{http.MethodGet, http.MethodHead}
	mux.Handle("/metrics", allow(page.ServeHTTP, get...))
	mux.Handle("/readyz", allow((&Server{Reloader: r, Ready: ready}).readyz, get...))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusNotFound, "no such page, try /metrics or /readyz")
	})
	log.Info("listening", "metrics", l.Addr().String())
	return serve(ctx, l, localOnly(mux), log)
}
