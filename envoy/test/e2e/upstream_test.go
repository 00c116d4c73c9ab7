package e2e

import (
	"cmp"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// The request headers that the upstream obeys. They name no CORS header, so that
// they change nothing else.
const (
	answerHeader = "X-Test-Answer" // answers, a list of answer
	caseHeader   = "X-Test-Case"   // what the upstream counts its hits by
)

// answer is what the upstream answers.
type answer struct {
	Status int          `json:"status"`
	Lines  []headerLine `json:"lines"`
}

// headerLine is a header line; its value is any bytes.
type headerLine struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// echoed is the body of the upstream's answers: what it saw.
type echoed struct {
	Method string `json:"method"`
	Path   string `json:"path"`
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
	srv := &http.Server{Handler: http.HandlerFunc(u.serve), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	envoytest.ServeHTTP(t, srv, l)
	return u
}

// serve answers every path as it came: a http.ServeMux would redirect "//".
func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ws" {
		websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }}.ServeHTTP(w, r)
		return
	}
	u.echo(w, r)
}

// echo answers as the request tells it.
func (u *upstream) echo(w http.ResponseWriter, r *http.Request) {
	var answers []answer
	if text := r.Header.Get(answerHeader); text != "" {
		if err := json.Unmarshal([]byte(text), &answers); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
	}
	a := u.next(r.Header.Get(caseHeader), answers)
	for _, line := range a.Lines {
		w.Header().Add(line.Name, string(line.Value))
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.Status)
	// A client that has gone needs no body.
	_ = json.NewEncoder(w).Encode(echoed{r.Method, r.URL.Path})
}

// next counts a request of that case and returns its answer: the last one is
// for all further requests.
func (u *upstream) next(id string, answers []answer) answer {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hits[id]++
	if len(answers) == 0 {
		return answer{Status: http.StatusOK}
	}
	return answers[min(u.hits[id], len(answers))-1]
}

// requests returns how many requests of that case came through.
func (u *upstream) requests(id string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hits[id]
}

// parseAnswers reads the short form that the tables use: a status and header
// lines, separated by "; ", for each answer, separated by " | ".
func parseAnswers(text string) []answer {
	var answers []answer
	for _, part := range strings.Split(cmp.Or(text, "200"), " | ") {
		fields := strings.Split(part, "; ")
		var a answer
		for _, digit := range fields[0] {
			a.Status = a.Status*10 + int(digit-'0')
		}
		for _, line := range fields[1:] {
			name, value, _ := strings.Cut(line, ": ")
			a.Lines = append(a.Lines, headerLine{name, []byte(value)})
		}
		answers = append(answers, a)
	}
	return answers
}
