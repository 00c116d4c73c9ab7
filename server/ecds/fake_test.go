package ecds_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

// typeURL is what an Envoy asks for.
const typeURL = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

// window is how many bytes a client takes unread.
const window = 64 << 10

// service is a gRPC server with an ecds.Server whose resources are the policies "a" and
// "b" of its set. A name "a.x" is of another variant, "x".
type service struct {
	*ecds.Server
	conn     *grpc.ClientConn
	compiled atomic.Int64 // calls of the compiler
	broken   atomic.Bool  // the compiler compiles nothing any more
	stop     func()
}

// inBubble runs a test with each protocol, and a service of its own. The bubble's
// clock stands still while anybody works, so that what was not sent never is.
func inBubble(t *testing.T, test func(t *testing.T, s *service, delta bool)) {
	for name, delta := range map[string]bool{"delta": true, "state of the world": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, &ecds.Server{}, nil, insecure.NewCredentials())
				test(t, s, delta)
				s.stop()
			})
		})
	}
}

// start starts a service that speaks TLS if there is a configuration, and a client of
// it.
func start(t testing.TB, e *ecds.Server, config *tls.Config, client credentials.TransportCredentials) *service {
	t.Helper()
	s := &service{Server: e}
	s.Compiler = s.compilerOf
	handler := &wire.Handler{}
	servertest.Prepare(t, handler, versions(t, "1", "1"))()
	l := bufconn.Listen(1 << 20)
	desc, impl := s.Service()
	srv := &server.Server{Listener: l, Handler: handler, Services: []server.Service{{Desc: desc, Impl: impl}}, TLS: config}
	s.conn = servertest.Dial(t, l, grpc.WithTransportCredentials(client), grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window))
	end := servertest.Run(t, srv.Run)
	s.stop = func() {
		end()
		s.conn.Close()
	}
	return s
}

// versions is a set in which each resource has that version.
func versions(t testing.TB, a, b string) *policy.Set {
	t.Helper()
	spec := func(name, version string) policy.Spec {
		return policy.Spec{Name: name, Hosts: []string{name + ".test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}, ExposeHeaders: []string{"x-" + version}}}
	}
	return policytest.Compile(t, spec("a", a), spec("b", b))
}

func (s *service) compilerOf(name string) (ecds.Compile, error) {
	_, variant, _ := strings.Cut(name, ".")
	if variant == "unknown" {
		return nil, fmt.Errorf("resource %q: write another", name)
	}
	return func(set *policy.Set) (list []ecds.Resource, err error) {
		s.compiled.Add(1)
		if s.broken.Load() {
			return nil, fmt.Errorf("resource %q: change the policies", name)
		}
		for _, spec := range set.Specs() {
			name := strings.TrimSuffix(spec.Name+"."+variant, ".")
			version := strings.TrimPrefix(spec.CORS.ExposeHeaders[0], "x-")
			list = append(list, ecds.Resource{
				Name: name, Version: version, Stamp: name + " " + version, Encoded: encoded(name, variant+spec.CORS.ExposeHeaders[0]),
			})
		}
		return list, nil
	}, nil
}

// encoded is a resource of a name with a text.
func encoded(name, text string) []byte {
	config, err := anypb.New(wrapperspb.String(text))
	if err == nil {
		config, err = anypb.New(&core.TypedExtensionConfig{Name: name, TypedConfig: config})
	}
	body, marshalErr := proto.Marshal(config)
	if err = errors.Join(err, marshalErr); err != nil {
		panic(err)
	}
	return body
}

// serve has a set serve.
func (s *service) serve(t *testing.T, a, b string) {
	t.Helper()
	servertest.Prepare(t, s.Server, versions(t, a, b))()
	synctest.Wait()
}

// fakeEnvoy is a stream of an Envoy.
type fakeEnvoy struct {
	delta  bool
	stream grpc.ClientStream
	names  []string // that it is subscribed to
	seen   int      // responses that take returned

	mu  sync.Mutex
	got []response
	err error
}

// response is one of the service's, of either protocol.
type response struct{ name, version, nonce, text string }

// String returns what a response is about.
func (r response) String() string { return r.name + "=" + r.version }

// connect opens a stream, and receives what comes.
func (s *service) connect(t *testing.T, delta bool, node string, has map[string]string, names ...string) *fakeEnvoy {
	t.Helper()
	e := s.open(t, delta, node, has, names...)
	go e.receive()
	synctest.Wait()
	return e
}

// open opens a stream for a node that wants names, and has versions of some.
func (s *service) open(t testing.TB, delta bool, node string, has map[string]string, names ...string) *fakeEnvoy {
	t.Helper()
	client, e := extension.NewExtensionConfigDiscoveryServiceClient(s.conn), &fakeEnvoy{delta: delta, names: names}
	var err error
	if delta {
		e.stream, err = client.DeltaExtensionConfigs(t.Context())
	} else {
		e.stream, err = client.StreamExtensionConfigs(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	n := &core.Node{Id: node}
	if delta {
		e.send(t, &discovery.DeltaDiscoveryRequest{Node: n, TypeUrl: typeURL, ResourceNamesSubscribe: names, InitialResourceVersions: has})
	} else {
		e.send(t, &discovery.DiscoveryRequest{Node: n, TypeUrl: typeURL, ResourceNames: names, VersionInfo: has[names[0]]})
	}
	return e
}

// send sends a message. If the service has ended the stream already, ended says why.
func (e *fakeEnvoy) send(t testing.TB, m any) {
	t.Helper()
	if err := e.stream.SendMsg(m); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// receive keeps what comes, until the stream ends.
func (e *fakeEnvoy) receive() {
	for {
		r, err := e.receiveOne()
		e.mu.Lock()
		if err == nil {
			e.got = append(e.got, r)
		}
		e.err = err
		e.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (e *fakeEnvoy) receiveOne() (r response, err error) {
	var resource *anypb.Any
	if e.delta {
		m := &discovery.DeltaDiscoveryResponse{}
		if err := e.stream.RecvMsg(m); err != nil {
			return r, err
		}
		if len(m.GetResources()) != 1 || m.GetTypeUrl() != typeURL || len(m.GetRemovedResources()) > 0 || m.GetSystemVersionInfo() == "" {
			return r, fmt.Errorf("the response %v", m)
		}
		one := m.GetResources()[0]
		r, resource = response{name: one.GetName(), version: one.GetVersion(), nonce: m.GetNonce()}, one.GetResource()
	} else {
		m := &discovery.DiscoveryResponse{}
		if err := e.stream.RecvMsg(m); err != nil {
			return r, err
		}
		if len(m.GetResources()) != 1 || m.GetTypeUrl() != typeURL {
			return r, fmt.Errorf("the response %v", m)
		}
		r, resource = response{version: m.GetVersionInfo(), nonce: m.GetNonce()}, m.GetResources()[0]
	}
	config, text := &core.TypedExtensionConfig{}, &wrapperspb.StringValue{}
	err = errors.Join(resource.UnmarshalTo(config), config.GetTypedConfig().UnmarshalTo(text))
	if r.name != "" && r.name != config.GetName() {
		err = errors.Join(err, fmt.Errorf("%s with the name %q", r.name, config.GetName()))
	}
	r.name, r.text = config.GetName(), text.GetValue()
	return r, err
}

// take returns what has come since the last call.
func (e *fakeEnvoy) take(t *testing.T) []response {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.got[e.seen:]
	e.seen = len(e.got)
	return got
}

// want takes what has come, and compares it.
func (e *fakeEnvoy) want(t *testing.T, want ...string) []response {
	t.Helper()
	got := e.take(t)
	texts := make([]string, 0, len(got))
	for _, r := range got {
		texts = append(texts, r.String())
	}
	slices.Sort(texts)
	if !slices.Equal(texts, want) {
		t.Fatalf("got %q, want %q", texts, want)
	}
	return got
}

// acknowledge accepts responses.
func (e *fakeEnvoy) acknowledge(t *testing.T, list []response) {
	t.Helper()
	for _, r := range list {
		e.answer(t, r, nil)
	}
}

// refuse refuses a response.
func (e *fakeEnvoy) refuse(t *testing.T, r response, why string) {
	t.Helper()
	e.answer(t, r, &status.Status{Code: 13, Message: why})
}

func (e *fakeEnvoy) answer(t *testing.T, r response, why *status.Status) {
	t.Helper()
	e.sendAnswer(t, r, why)
	synctest.Wait()
}

func (e *fakeEnvoy) sendAnswer(t testing.TB, r response, why *status.Status) {
	t.Helper()
	if e.delta {
		e.send(t, &discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResponseNonce: r.nonce, ErrorDetail: why})
	} else {
		e.send(t, &discovery.DiscoveryRequest{TypeUrl: typeURL, ResourceNames: e.names, ResponseNonce: r.nonce, VersionInfo: r.version, ErrorDetail: why})
	}
}

// ended returns why the stream has ended, or nil.
func (e *fakeEnvoy) ended() error {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// hook is a log handler that is called with each line.
type hook func()

func (hook) Enabled(context.Context, slog.Level) bool    { return true }
func (h hook) Handle(context.Context, slog.Record) error { h(); return nil }
func (h hook) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h hook) WithGroup(string) slog.Handler             { return h }
