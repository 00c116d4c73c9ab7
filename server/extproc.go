package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/wire"
)

// extProc is Envoy's external processor. It serves the one-trip and the
// two-phase profile alike: it answers what it is asked.
type extProc struct {
	handler *wire.Handler
	meter   Meter
	misuse  *misuse
	waiting *waiting
	log     *slog.Logger
}

// service describes extProc to gRPC. Its messages are question and answer.
func (p *extProc) service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: contract.ExtProc,
		Streams: []grpc.StreamDesc{{
			StreamName:    "Process",
			Handler:       func(_ any, stream grpc.ServerStream) error { return p.process(stream) },
			ServerStreams: true,
			ClientStreams: true,
		}},
		Metadata: "envoy/service/ext_proc/v3/external_processor.proto",
	}
}

// process answers the messages of one HTTP stream, each with exactly one answer of its
// kind, whichever comes first. It returns nil, which Envoy takes as "go on without me",
// once nothing is left to say, or if it cannot know what to say. After an error, or an
// answer of the wrong kind, the user would get a 500.
func (p *extProc) process(stream grpc.ServerStream) (err error) {
	p.meter.StreamStarted()
	defer p.meter.StreamEnded()
	x := p.handler.Begin(rpcPolicy(stream.Context()))
	defer x.End()
	defer p.misuse.ended(x)
	defer func() {
		if v := recover(); v != nil {
			logPanic(p.log, "ext_proc", v)
			p.meter.PassedThrough(PassPanic)
			err = nil
		}
	}()
	for first := true; !x.Done(); first = false {
		more, err := p.exchange(stream, x, first)
		if err != nil {
			return streamEnd(err)
		}
		if !more {
			p.meter.PassedThrough(PassUnknownMessage)
			return nil
		}
	}
	p.meter.PassedThrough(PassAnswered)
	return nil
}

// receive receives a message, the stream's first or a later one.
func (p *extProc) receive(stream grpc.ServerStream, q *question, first bool) error {
	if !first {
		return stream.RecvMsg(q)
	}
	return p.waiting.receive(stream.Context(), func() error { return stream.RecvMsg(q) })
}

// exchange answers one message, the stream's first or a later one; more is
// false when there was no answer to it.
func (p *extProc) exchange(stream grpc.ServerStream, x *wire.Exchange, first bool) (more bool, err error) {
	var q question
	if err := p.receive(stream, &q, first); err != nil {
		return false, err
	}
	defer q.bytes.Free()
	start := time.Now()
	a, err := write(func(dst []byte) ([]byte, error) {
		return x.Process(stream.Context(), dst, q.bytes.ReadOnlyData())
	})
	if first {
		p.meter.FirstMessage(x.Kind())
		p.misuse.begun(x)
	}
	if err != nil || a == nil {
		return false, statusOf(err)
	}
	if policy, sent := x.UpstreamCORS(); sent {
		p.meter.UpstreamCORS(policy)
	}
	p.misuse.answered(x)
	err = stream.SendMsg(a)
	p.meter.Answered(x.Kind(), time.Since(start))
	return true, err
}

// streamEnd returns the status for a stream that err ended. Envoy resets every
// stream that it no longer needs, so that Canceled is the normal end.
func streamEnd(err error) error {
	if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
		return nil
	}
	return err
}

// statusOf returns the status of an error of package wire.
func statusOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wire.ErrNoSet):
		return status.Error(codes.Unavailable, err.Error())
	default:
		return status.Error(codes.Internal, err.Error())
	}
}

// rpcPolicy returns the policy that the gRPC metadata of ctx names.
func rpcPolicy(ctx context.Context) string {
	for _, v := range metadata.ValueFromIncomingContext(ctx, contract.PolicyMetadata) {
		if v != "" {
			return v
		}
	}
	return ""
}
