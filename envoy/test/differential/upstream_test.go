package differential

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/corsgate/corsgate/policy/respond"
)

// caseHeader names an exchange to the upstream, and in the access log.
const caseHeader = "x-test-case"

// upstream is the application behind Envoy. It reads no more of a request than it
// must, so that it answers what an HTTP server would refuse.
type upstream struct {
	address string

	mu   sync.Mutex
	told map[string]respond.Response // :: exchange -> what it is to be answered
	seen map[string]int              // :: exchange -> status that it was answered
}

// startUpstream serves until the test ends.
func startUpstream(t *testing.T) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u := &upstream{address: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

// tell says what the next exchanges are to be answered, and forgets the others.
func (u *upstream) tell(answers map[string]respond.Response) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.told, u.seen = answers, map[string]int{}
}

// answered returns the status that the upstream has answered an exchange; ok is false
// if it has not seen it.
func (u *upstream) answered(id string) (status int, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	status, ok = u.seen[id]
	return status, ok
}

// serve answers the requests of a connection until it is closed, or becomes a
// WebSocket.
func (u *upstream) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		id, upgrade, err := readHead(r)
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, u.answer(id, upgrade)); err != nil || upgrade {
			return
		}
	}
}

// readHead reads a request, which has no body.
func readHead(r *bufio.Reader) (id string, upgrade bool, err error) {
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if err != nil || line == "" {
			return id, upgrade, err
		}
		switch name, value, _ := strings.Cut(line, ": "); name {
		case caseHeader:
			id = value
		case "upgrade":
			upgrade = true
		}
	}
}

func (u *upstream) answer(id string, upgrade bool) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	answer := u.told[id]
	if upgrade {
		answer.Status = http.StatusSwitchingProtocols
	}
	u.seen[id] = answer.Status
	return responseText(answer)
}

func responseText(r respond.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d \r\n", r.Status)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		for _, value := range r.Headers[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	switch r.Status {
	case http.StatusSwitchingProtocols:
		b.WriteString("connection: Upgrade\r\nupgrade: websocket\r\n")
	case http.StatusNoContent, http.StatusNotModified:
	default:
		b.WriteString("content-length: 0\r\n")
	}
	return b.String() + "\r\n"
}
