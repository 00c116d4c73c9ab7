package browsers

import (
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/websocket"
)

//go:embed testdata/font.ttf
var font []byte

// upstream is the application behind Envoy. The first segment of a path is the
// id of a trial.
type upstream struct {
	address string

	mu   sync.Mutex
	hits map[string]int // :: id -> requests seen
}

func startUpstream(t *testing.T) *upstream {
	t.Helper()
	l := listen(t)
	u := &upstream{address: l.Addr().String(), hits: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", servePage)
	mux.HandleFunc("/{id}/", u.answer)
	serve(t, mux, l)
	return u
}

// answer answers as the query says: a status and header lines, see step.answers.
func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	u.count(r.PathValue("id"))
	if r.Header.Get("Upgrade") == "websocket" {
		websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }}.ServeHTTP(w, r)
		return
	}
	status, lines := parseAnswer(r.FormValue("answer"))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		w.Header().Add(name, value)
	}
	if tag := w.Header().Get("Etag"); tag != "" && tag == r.Header.Get("If-None-Match") {
		status = http.StatusNotModified
	}
	if status == 0 {
		panic(http.ErrAbortHandler) // closes the connection
	}
	w.WriteHeader(status)
	echo(w, r, status)
}

// echo writes what came as the body, if there may be one.
func echo(w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		return
	}
	if w.Header().Get("Content-Type") == "font/ttf" {
		w.Write(font)
		return
	}
	fmt.Fprintf(w, "method: %s\n", r.Method)
	for name, values := range r.Header {
		fmt.Fprintf(w, "%s: %s\n", strings.ToLower(name), strings.Join(values, ", "))
	}
}

// parseAnswer reads "STATUS; NAME: VALUE; ..."; empty means 200, and "hang up"
// no answer at all: 0.
func parseAnswer(text string) (status int, lines []string) {
	first, rest, _ := strings.Cut(text, "; ")
	switch first {
	case "":
		status = http.StatusOK
	case "hang up":
	default:
		status, _ = strconv.Atoi(first)
	}
	return status, split(rest, "; ")
}

func (u *upstream) count(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hits[id]++
}

// saw returns how many requests of a trial came through.
func (u *upstream) saw(id string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hits[id]
}
