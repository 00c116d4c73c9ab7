// Package admin is the listener for operators: health, status, metrics, denied
// origins, explanations, reload. It has no authentication of its own, so it
// belongs on a loopback address.
package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
)

// DefaultAddress is where Run listens by default.
const DefaultAddress = "127.0.0.1:9002"

// The bounds of a request. A reload may read and compile a million origins
// before it answers.
const (
	readTimeout     = 10 * time.Second
	writeTimeout    = 2 * time.Minute
	idleTimeout     = time.Minute
	shutdownTimeout = 5 * time.Second
	maxHeaderBytes  = 16 << 10
)

// Reloader is what the listener shows and starts; *live.Reloader is one.
type Reloader interface {
	// Status returns the state after the last load.
	Status() live.Status
	// Reload loads what the source holds now and returns the state after it. If
	// the content was refused, the error is a *live.LoadError.
	Reload(ctx context.Context) (live.Status, error)
}

// Server serves the operators' pages.
type Server struct {
	// If Listener is set, Run serves it, and closes it at the end. Otherwise Run
	// listens on Address; empty means DefaultAddress.
	Listener net.Listener
	Address  string
	// Reloader is required.
	Reloader Reloader
	// Ready says whether requests are served now; required. It is false before the first
	// set and while draining.
	Ready func() bool
	// Misused returns in which ways Envoy has asked that make the answers useless, for
	// /status; nil means that /status does not say.
	Misused func() []server.MisuseStatus
	// Envoys are those that get compiled policies, for /status and for POST
	// /-/reload, which waits for them. nil means that there are none.
	Envoys Envoys
	// Set returns the set that serves now, or nil before the first one, for POST
	// /explain. If Set is nil, there is no such page.
	Set func() *policy.Set
	// Explaining is called before each answer that takes long is worked out, such as that
	// of POST /explain; the function that it returns is called after that. nil means that
	// nothing is called.
	Explaining func() (explained func())
	// Console is the pages below /console/; nil means that there are none.
	Console http.Handler
	// Profiles adds Go's profiles below /debug/pprof/.
	Profiles bool
	// Metrics is the page that Prometheus reads; nil means that there is no such page.
	Metrics http.Handler
	// Denied returns the most frequent denied origins, for /denied, which shows them as
	// JSON; nil means that there is no such page.
	Denied func() any
	// Logger gets messages for operators; nil means that there are none.
	Logger *slog.Logger

	gate gate // passed by what takes long
}

// Handler returns the pages: GET /healthz, /readyz, /status, /metrics and /denied, and
// POST /-/reload and /explain, which a web page of another origin cannot call; and those of
// the console.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	get := []string{http.MethodGet, http.MethodHead}
	mux.Handle("/healthz", allow(s.healthz, get...))
	mux.Handle("/readyz", allow(s.readyz, get...))
	mux.Handle("/status", allow(s.status, get...))
	mux.Handle("/-/reload", allow(s.reload, http.MethodPost))
	if s.Set != nil {
		mux.Handle("/explain", allow(s.explain, http.MethodPost))
	}
	if s.Profiles {
		addProfiles(mux)
	}
	if s.Metrics != nil {
		mux.Handle("/metrics", allow(s.Metrics.ServeHTTP, get...))
	}
	if s.Denied != nil {
		mux.Handle("/denied", allow(s.denied, get...))
	}
	if s.Console != nil {
		mux.Handle("/console/", byKnownName(s.Console))
		mux.Handle("GET /{$}", http.RedirectHandler("/console/", http.StatusSeeOther))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusNotFound, "no such page, try /status, /console/, /metrics, /denied, /healthz, /readyz, POST /explain or POST /-/reload")
	})
	return localOnly(http.NewCrossOriginProtection().Handler(mux))
}

// Run serves the pages until ctx ends. The error says why it could not.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	s.logger().Info("listening", "admin", l.Addr().String())
	return serve(ctx, l, s.Handler(), s.logger())
}

// serve serves pages on a listener until ctx ends. The error is why it could not.
func serve(ctx context.Context, l net.Listener, pages http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           pages,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve pages on %s: %w", l.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return shutDown(srv)
	})
	return g.Wait()
}

// shutDown lets open requests end, for a while.
func shutDown(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return srv.Close()
	}
	return nil
}

func (s *Server) listen() (net.Listener, error) {
	if s.Listener != nil {
		return s.Listener, nil
	}
	return server.Listen(cmp.Or(s.Address, DefaultAddress), 0)
}

func (s *Server) logger() *slog.Logger { return cmp.Or(s.Logger, slog.New(slog.DiscardHandler)) }

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "alive")
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.Ready() {
		writeText(w, http.StatusServiceUnavailable, hindrance(s.Reloader.Status()))
		return
	}
	writeText(w, http.StatusOK, readiness(s.Reloader.Status()))
}

// hindrance says why an instance is not ready.
func hindrance(st live.Status) string {
	if st.Generation == 0 && st.LastError != nil {
		return "not ready, there are no policies yet: " + printable.Text(st.LastError.Message)
	}
	return "not ready: no policies yet, or draining"
}

// readiness says that an instance is ready, and whether what it serves may be out of date.
func readiness(st live.Status) string {
	if st.LastError == nil && st.ServedFrom != live.FromState {
		return "ready"
	}
	which, of := "the last good policies, loaded at", st.LoadedAt
	if st.ServedFrom == live.FromState {
		which, of = "the last known good policies of", st.StateAt
	}
	why := "the source was not read yet"
	if st.LastError != nil {
		why = printable.Text(st.LastError.Message)
	}
	return fmt.Sprintf("ready, but serving %s %s: %s", which, of.Format(time.RFC3339), why)
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	var envoys []ecds.Envoy
	if s.Envoys != nil {
		envoys = s.Envoys.Envoys()
	}
	s.writeJSON(w, http.StatusOK, s.shown(s.Reloader.Status(), envoys))
}

func (s *Server) denied(w http.ResponseWriter, r *http.Request) {
	var list any
	if err := s.gate.pass(r.Context(), func() { list = s.Denied() }); err != nil {
		writeText(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	s.writeJSON(w, http.StatusOK, list)
}

// process is the status of the policies and of the process that serves them.
type process struct {
	live.Status
	// Misuses are the ways in which Envoy has asked since the start and that make the
	// answers useless.
	Misuses []server.MisuseStatus `json:"misuses,omitempty"`
	// Envoys are those that get compiled policies.
	Envoys []ecds.Envoy `json:"envoys,omitempty"`
}

// shown returns st as this process shows it: while it drains, it is not ready.
func (s *Server) shown(st live.Status, envoys []ecds.Envoy) process {
	st.Ready = s.Ready()
	p := process{Status: st, Envoys: envoys}
	if s.Misused != nil {
		p.Misuses = s.Misused()
	}
	return p
}

// refusal is the answer to a reload that changed nothing, or that an Envoy refused.
type refusal struct {
	Error       string                  `json:"error"`
	Diagnostics []policyfile.Diagnostic `json:"diagnostics"`
	Envoys      []ecds.Envoy            `json:"envoys,omitempty"`
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	status, err := s.Reloader.Reload(r.Context())
	if err == nil {
		s.loaded(r.Context(), w, status)
		return
	}
	refused, ok := errors.AsType[*live.LoadError](err)
	if !ok {
		s.writeJSON(w, http.StatusServiceUnavailable, refusal{Error: err.Error(), Diagnostics: []policyfile.Diagnostic{}})
		return
	}
	body := refusal{Error: refused.Error(), Diagnostics: refused.Diagnostics}
	if body.Diagnostics == nil {
		body.Diagnostics = []policyfile.Diagnostic{}
	}
	s.writeJSON(w, http.StatusUnprocessableEntity, body)
}

// allow answers other methods than these with 405.
func allow(h http.HandlerFunc, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(methods, r.Method) {
			h(w, r)
			return
		}
		for _, m := range methods {
			w.Header().Add("Allow", m)
		}
		writeText(w, http.StatusMethodNotAllowed, "use "+methods[0])
	})
}

func (s *Server) writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		s.logger().Error("encode an admin page", "error", err)
		writeText(w, http.StatusInternalServerError, "the page could not be made, the log says why")
		return
	}
	write(w, code, "application/json", append(printable.JSON(body), '\n'))
}

func writeText(w http.ResponseWriter, code int, line string) {
	write(w, code, "text/plain; charset=utf-8", []byte(line+"\n"))
}

func write(w http.ResponseWriter, code int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	// It does not matter if the client is gone.
	_, _ = w.Write(body)
}
