package ecds

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy/printable"
)

// serve serves a stream until it ends. If there is no room for the stream, it logs that,
// since nothing else would show it: an Envoy with several shards may get only some.
func (s *Server) serve(stream grpc.ServerStream, p protocol) (err error) {
	defer func() {
		if status.Code(err) == codes.ResourceExhausted {
			s.refused.Tell(s.log().Warn, "an Envoy cannot get the compiled policies", "error", printable.Text(err.Error()))
		}
	}()
	if err := s.admit(stream.Context()); err != nil {
		return err
	}
	sub, err := s.join(stream.Context())
	if err != nil {
		return err
	}
	defer s.leave(sub)
	c := &conversation{server: s, stream: stream, protocol: p, sub: sub}
	return c.run()
}

// conversation is one stream of an Envoy. One goroutine runs it.
type conversation struct {
	server   *Server
	stream   grpc.ServerStream
	protocol protocol
	sub      *subscriber
	sent     int // responses
}

// received is a request, or the error of waiting for it.
type received struct {
	request *request
	err     error
}

func (c *conversation) run() error {
	ctx := c.stream.Context()
	requests := make(chan received)
	go c.receive(requests)
	for {
		serving, replaced := c.server.now()
		if err := c.sendDue(serving); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-replaced:
		case r := <-requests:
			if errors.Is(r.err, io.EOF) {
				return nil
			}
			if r.err != nil {
				return r.err
			}
			if err := c.take(r.request); err != nil {
				return err
			}
		}
	}
}

// receive passes on the requests until the stream ends.
func (c *conversation) receive(requests chan<- received) {
	for {
		var r received
		r.request, r.err = c.protocol.receive(c.stream)
		select {
		case requests <- r:
		case <-c.stream.Context().Done():
			return
		}
		if r.err != nil {
			return
		}
	}
}

// sendDue sends what has changed. If the Envoy has not answered the last version yet, the
// new one is sent after that answer. The error ends up in Envoy's log, for its operators;
// Envoy asks again, and keeps what it has.
func (c *conversation) sendDue(serving *generation) error {
	if serving == nil {
		return nil
	}
	for _, e := range c.sub.names {
		if e.nonce != "" {
			continue
		}
		r, err := serving.find(e.name)
		if err != nil {
			c.server.uncompiled.Tell(c.server.log().Warn, "an Envoy asks for what cannot be compiled", "node", printable.Text(c.sub.node), "error", printable.Text(err.Error()))
			return status.Error(codes.InvalidArgument, err.Error())
		}
		if e.version != r.Version {
			if err := c.send(e, r); err != nil {
				return err
			}
		}
		c.sub.change(func() { e.seen = serving.number })
	}
	return nil
}

func (c *conversation) send(e *entry, r *Resource) error {
	c.sent++
	nonce := strconv.Itoa(c.sent)
	response, err := c.protocol.response(r, nonce)
	if err != nil {
		return err
	}
	c.sub.change(func() { e.version, e.nonce = r.Version, nonce })
	return c.stream.SendMsg(response)
}

// take handles a request.
func (c *conversation) take(r *request) error {
	if r.typeURL != typeURL && r.typeURL != "" {
		return status.Errorf(codes.InvalidArgument, "the type %q: ask for %s", printable.Clip(r.typeURL), typeURL)
	}
	if id := r.node.GetId(); id != "" {
		c.sub.change(func() { c.sub.node = clip(id, maxNode) })
	}
	if e := c.sub.answered(r.nonce); e != nil {
		c.answer(e, r)
	}
	return c.subscribe(r)
}

// answer notes that an Envoy has accepted a version, or refused it.
func (c *conversation) answer(e *entry, r *request) {
	if r.refusal == nil {
		c.sub.change(func() { e.nonce, e.acknowledged, e.refused = "", e.version, nil })
		return
	}
	refused := &Refusal{Version: e.version, Error: clip(r.refusal.GetMessage(), maxRefusal), At: time.Now().UTC()}
	c.sub.change(func() { e.nonce, e.refused = "", refused })
	c.server.log().Error("an Envoy has refused compiled policies, and keeps the ones before",
		"node", printable.Text(c.sub.node), "resource", e.name, "version", e.version, "error", printable.Text(refused.Error))
}

// subscribe changes what the Envoy wants.
func (c *conversation) subscribe(r *request) error {
	gone := func(e *entry) bool {
		return slices.Contains(r.unsubscribe, e.name) || r.all && !slices.Contains(r.subscribe, e.name)
	}
	names := slices.DeleteFunc(slices.Clone(c.sub.names), gone)
	for _, name := range r.subscribe {
		if len(name) > maxName {
			return status.Errorf(codes.InvalidArgument, "a resource name of %d bytes: write at most %d", len(name), maxName)
		}
		i := slices.IndexFunc(names, func(e *entry) bool { return e.name == name })
		switch {
		case i < 0 && len(names) == MaxNamesOfStream:
			return errTooMany
		case i < 0:
			has := clip(r.has[name], maxVersion)
			names = append(names, &entry{name: name, version: has, acknowledged: has})
		case !r.all: // an Envoy that asks again has lost it
			c.sub.change(func() { names[i].version, names[i].nonce = "", "" })
		}
	}
	if err := c.server.count(len(c.sub.names), len(names)); err != nil {
		return err
	}
	c.sub.change(func() { c.sub.names = names })
	return nil
}
