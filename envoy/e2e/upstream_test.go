package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/websocket"
)

// The request headers that the upstream obeys. They name no CORS header, so that
// they change nothing else.
const (
	answerHeader = "X-Test-Answer" // status and header lines to answer with, see answer
	caseHeader   = "X-Test-Case"   // what the upstream counts its hits by
)

// answer is what the upstream answers.
type answer struct {
	Status int        `json:"status"`
	Lines  [][]string `json:"lines"` // name and value
}

// upstream is the application behind Envoy.
type upstream struct {
	address string

	mu   sync.Mutex
	hits map[string]int // :: value of caseHeader -> requests seen
}

// startUpstream serves HTTP/1 and h2c until the test ends.
func startUpstream(t *testing.T) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{address: l.Addr().String(), hits: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/", u.echo)
	mux.Handle("/ws", websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }})
	srv := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return u
}

// echo answers as the request tells it, with what it saw as the body.
func (u *upstream) echo(w http.ResponseWriter, r *http.Request) {
	u.count(r.Header.Get(caseHeader))
	a := answer{Status: http.StatusOK}
	if text := r.Header.Get(answerHeader); text != "" {
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
	}
	for _, line := range a.Lines {
		w.Header().Add(line[0], line[1])
	}
	w.WriteHeader(a.Status)
	io.WriteString(w, r.Method+" "+r.URL.Path)
}

func (u *upstream) count(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hits[id]++
}

// saw reports whether a request of that case came through.
func (u *upstream) saw(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hits[id] > 0
}

// parseAnswer reads the short form that the tables use: a status and header
// lines, separated by "; ".
func parseAnswer(text string) answer {
	if text == "" {
		return answer{Status: http.StatusOK}
	}
	parts := strings.Split(text, "; ")
	a := answer{}
	for _, c := range parts[0] {
		a.Status = a.Status*10 + int(c-'0')
	}
	for _, line := range parts[1:] {
		name, value, _ := strings.Cut(line, ": ")
		a.Lines = append(a.Lines, []string{name, value})
	}
	return a
}
