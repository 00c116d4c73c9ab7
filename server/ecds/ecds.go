// Package ecds delivers compiled policies to running Envoys, by Envoy's
// extension config discovery service.
//
// An Envoy asks for resources by name, with the delta or the state-of-the-world
// protocol. It gets each resource in a response of its own, because Envoy refuses a
// response as a whole. A resource that did not change is not sent, nor is one that
// the Envoy has refused, until it changes. Nothing is ever removed. A resource is
// compiled once the first Envoy asks for it, and from then on for each set before
// the set serves.
package ecds

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"

	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/seldom"
	"github.com/corsgate/corsgate/server/tlsfile"
)

// The bounds of what the service holds for Envoys.
const (
	// MaxStreams bounds the streams of all Envoys. An Envoy has one for each name.
	MaxStreams = 16_384
	// MaxNames bounds the names that all streams ask for. MaxNamesOfStream bounds the
	// names of one stream; no Envoy has that many shards.
	MaxNames         = 16_384
	MaxNamesOfStream = 512
	// MaxVariants bounds how many variants a set is compiled into. The names of one
	// call of Compile are one variant.
	MaxVariants = 16
)

// Resource is one filter.
type Resource struct {
	// Name is what an Envoy asks for.
	Name string
	// Version changes if Encoded does.
	Version string
	// Stamp identifies what Encoded is compiled from; the feed reports it. It is empty
	// without one.
	Stamp string
	// Encoded is a google.protobuf.Any with an envoy.config.core.v3.TypedExtensionConfig.
	// Nobody may change it.
	Encoded []byte
}

// Compiler returns a function that compiles sets into the resource of a name, and into the
// resources that come with it. The error says what to write instead of the name.
type Compiler func(name string) (Compile, error)

// Compile compiles a set. It may be quicker if the set is similar to the one before. The
// error says what to change in the policies. It is safe for concurrent use.
type Compile func(set *policy.Set) ([]Resource, error)

// Server delivers resources. It is a live.Sink, and safe for concurrent use. Do
// not change its fields after the first call.
type Server struct {
	// Compiler is required.
	Compiler Compiler
	// Stamped gets all stamps of the resources that a set is compiled into. It is called
	// whenever they change, before a resource with a new stamp is sent. nil means that it
	// is not called.
	Stamped func(set *policy.Set, stamps map[string]bool)
	// Allowed are the clients that get resources.
	Allowed tlsfile.Allowed
	// Logger gets what Envoys refuse, and which clients the service refuses; nil means
	// no log.
	Logger *slog.Logger

	mu          sync.Mutex
	serving     *generation   // nil before the first set
	replaced    chan struct{} // closed once another one serves; nil if nobody waits for that
	subscribers map[*subscriber]bool
	names       int // of all subscribers

	strangers, uncompiled, refused seldom.Log
}

// Service returns the gRPC service: its description, and what implements it.
func (s *Server) Service() (desc *grpc.ServiceDesc, impl any) {
	return &extension.ExtensionConfigDiscoveryService_ServiceDesc, &endpoint{server: s}
}

// endpoint implements the gRPC service.
type endpoint struct {
	extension.UnimplementedExtensionConfigDiscoveryServiceServer
	server *Server
}

func (e *endpoint) DeltaExtensionConfigs(stream extension.ExtensionConfigDiscoveryService_DeltaExtensionConfigsServer) error {
	return e.server.serve(stream, delta{})
}

func (e *endpoint) StreamExtensionConfigs(stream extension.ExtensionConfigDiscoveryService_StreamExtensionConfigsServer) error {
	return e.server.serve(stream, world{})
}

// Prepare implements live.Sink: it compiles the resources that Envoys have, for the new
// set. If a name cannot be compiled for, and never could, the set is not refused: only
// the stream with that name fails.
func (s *Server) Prepare(set *policy.Set) (commit func(), err error) {
	next := &generation{set: set, compiler: s.Compiler, stamped: s.Stamped, inUse: s.subscribed}
	serving, _ := s.now()
	for _, v := range serving.used() {
		if err := next.add(v.compile); err != nil {
			return nil, fmt.Errorf("compile for Envoy: %w", err)
		}
	}
	return func() { s.replace(next) }, nil
}

// replace makes next the generation that serves, and wakes the streams.
func (s *Server) replace(next *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next.number = 1
	if s.serving != nil {
		next.number += s.serving.number
	}
	s.serving = next
	if s.replaced != nil {
		close(s.replaced)
		s.replaced = nil
	}
}

// now returns the generation that serves, and a channel that is closed once it no longer
// does.
func (s *Server) now() (serving *generation, replaced <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replaced == nil {
		s.replaced = make(chan struct{})
	}
	return s.serving, s.replaced
}

// subscribed returns the names that Envoys are subscribed to.
func (s *Server) subscribed() map[string]bool {
	names := map[string]bool{}
	for _, sub := range s.all() {
		for _, e := range sub.entries() {
			names[e.name] = true
		}
	}
	return names
}

// all returns the subscribers.
func (s *Server) all() []*subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*subscriber, 0, len(s.subscribers))
	for sub := range s.subscribers {
		list = append(list, sub)
	}
	return list
}

// join adds a subscriber for a stream.
func (s *Server) join(ctx context.Context) (*subscriber, error) {
	sub := &subscriber{}
	if p, ok := peer.FromContext(ctx); ok {
		sub.peer = p.Addr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subscribers) >= MaxStreams {
		return nil, status.Errorf(codes.ResourceExhausted, "%d streams are open already", MaxStreams)
	}
	if s.subscribers == nil {
		s.subscribers = map[*subscriber]bool{}
	}
	s.subscribers[sub] = true
	return sub, nil
}

func (s *Server) leave(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subscribers, sub)
	s.names -= len(sub.names)
}

// count replaces the number of a stream's names in the sum of all.
func (s *Server) count(before, now int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.names - before + now
	if now > before && names > MaxNames {
		return errTooMany
	}
	s.names = names
	return nil
}

var errTooMany = status.Errorf(codes.ResourceExhausted, "too many resources: a stream may ask for %d, all streams for %d", MaxNamesOfStream, MaxNames)

// admit refuses a client that may not have resources.
func (s *Server) admit(ctx context.Context) error {
	names, ok := s.Allowed.Admits(ctx)
	if ok {
		return nil
	}
	s.strangers.Tell(s.log().Warn, "client refused: none of its names may have the compiled policies", "names", fmt.Sprintf("%.256q", names))
	return status.Error(codes.PermissionDenied, "none of the client certificate's names may have the compiled policies")
}

func (s *Server) log() *slog.Logger { return cmp.Or(s.Logger, slog.New(slog.DiscardHandler)) }
