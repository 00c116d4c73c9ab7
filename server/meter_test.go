package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

// meter notes what it is told.
type meter struct {
	mu    sync.Mutex
	lines []string
	open  int
	ended chan struct{}
}

func newMeter() *meter { return &meter{ended: make(chan struct{}, 100)} }

func (m *meter) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, fmt.Sprintf(format, args...))
}

func (m *meter) StreamStarted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
}

func (m *meter) StreamEnded() {
	m.mu.Lock()
	m.open--
	m.mu.Unlock()
	m.ended <- struct{}{}
}

func (m *meter) FirstMessage(k wire.Kind) { m.note("first %s", k) }

func (m *meter) Answered(k wire.Kind, took time.Duration) {
	if took <= 0 || took > time.Minute {
		m.note("took %v", took)
	}
	m.note("answered %s", k)
}

func (m *meter) PassedThrough(p server.PassThrough) { m.note("passed %s", p) }
func (m *meter) UpstreamCORS(policy string)         { m.note("upstream CORS under %q", policy) }
func (m *meter) Misused(u server.Misuse)            { m.note("misused %s", u) }

func TestTheMeterIsToldOfStreams(t *testing.T) {
	own := "access-control-allow-origin: *"
	body := &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{}}}
	for name, c := range map[string]struct {
		send []*extprocv3.ProcessingRequest
		want []string
	}{
		"request and response":           {[]*extprocv3.ProcessingRequest{get("list.test", app), responseHeaders(":status: 200")}, []string{"first request_headers", "answered request_headers", "answered response_headers", "passed answered"}},
		"the upstream has CORS itself":   {[]*extprocv3.ProcessingRequest{get("list.test", app), responseHeaders(own)}, []string{"first request_headers", "answered request_headers", `upstream CORS under "list"`, "answered response_headers", "passed answered"}},
		"a preflight":                    {[]*extprocv3.ProcessingRequest{preflight("list.test", app, "PUT")}, []string{"first request_headers", "answered request_headers", "passed answered"}},
		"a response first":               {[]*extprocv3.ProcessingRequest{responseHeaders(own)}, []string{"first response_headers", `upstream CORS under ""`, "answered response_headers", "passed answered"}},
		"a body first":                   {[]*extprocv3.ProcessingRequest{body, preflight("list.test", app, "PUT")}, []string{"first request_body", "answered request_body", "answered request_headers", "passed answered"}},
		"an unknown message":             {[]*extprocv3.ProcessingRequest{{}}, []string{"first unknown", "passed unknown_message"}},
		"nothing":                        {nil, nil},
		"Envoy leaves after the request": {[]*extprocv3.ProcessingRequest{get("list.test", app)}, []string{"first request_headers", "answered request_headers"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeter()
			converse(t, &server.Server{Handler: testHandler(t, nil), Meter: m}, c.send)
			<-m.ended
			if !slices.Equal(m.lines, c.want) || m.open != 0 {
				t.Errorf("told of\n%s\nwant\n%s\n%d streams are open", strings.Join(m.lines, "\n"), strings.Join(c.want, "\n"), m.open)
			}
		})
	}
}

// converse serves s for one stream.
func converse(t *testing.T, s *server.Server, send []*extprocv3.ProcessingRequest) {
	t.Helper()
	talk(t, extprocv3.NewExternalProcessorClient(serve(t, s)), send)
}

// talk sends messages, reads what comes, and closes the stream.
func talk(t *testing.T, client extprocv3.ExternalProcessorClient, send []*extprocv3.ProcessingRequest) {
	t.Helper()
	stream, err := client.Process(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range send {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestTheMeterIsToldOfOpenStreamsAndPanics(t *testing.T) {
	m := newMeter()
	reached, free := make(chan struct{}), make(chan struct{})
	bad := observerFunc(func(*policy.Request, *policy.Decision) {
		close(reached)
		<-free
		panic("out of cheese")
	})
	go func() {
		<-reached
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.open != 1 {
			t.Errorf("%d streams are open", m.open)
		}
		close(free)
	}()
	converse(t, &server.Server{Handler: testHandler(t, bad), Meter: m}, []*extprocv3.ProcessingRequest{get("list.test", app)})
	<-m.ended
	if want := []string{"passed panic"}; !slices.Equal(m.lines, want) {
		t.Errorf("told of %q, want %q", m.lines, want)
	}
}

func TestTheMeterIsToldOfChecks(t *testing.T) {
	m := newMeter()
	client := authv3.NewAuthorizationClient(serve(t, &server.Server{Handler: testHandler(t, nil), Meter: m}))
	if _, err := client.Check(servertest.Context(t), &authv3.CheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"answered check"}; !slices.Equal(m.lines, want) || m.open != 0 {
		t.Errorf("told of %q, want %q", m.lines, want)
	}
}

func TestTheWordsOfTheMeterAreClosedLists(t *testing.T) {
	seen := map[string]bool{}
	for p := range server.PassThroughs {
		seen[p.String()] = true
	}
	for k := range wire.Kinds {
		seen[k.String()] = true
	}
	for u := range server.Misuses {
		seen[u.String()] = true
	}
	if len(seen) != int(server.PassThroughs)+int(wire.Kinds)+int(server.Misuses) || seen[""] {
		t.Errorf("the words are %v", seen)
	}
	if server.PassThroughs.String() != "unknown" || wire.Kinds.String() != "unknown" || server.Misuses.String() != "unknown" {
		t.Error("a number beyond the last one has a word")
	}
}

func TestObserversAreToldInOrder(t *testing.T) {
	var told []string
	each := func(name string) server.Observer {
		return observerFunc(func(*policy.Request, *policy.Decision) { told = append(told, name) })
	}
	server.Observers{each("a"), each("b")}.Observe(context.Background(), nil, nil)
	if !slices.Equal(told, []string{"a", "b"}) {
		t.Errorf("told %q", told)
	}
}
