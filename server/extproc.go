package server

import (
	"errors"
	"io"
	"log/slog"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
)

// ExtProc is Envoy's external processor, envoy.service.ext_proc.v3. It serves
// the one-trip and the two-phase profile alike: it answers what it is asked.
// It is safe for concurrent use.
type ExtProc struct {
	extprocv3.UnimplementedExternalProcessorServer

	// Store has the set to decide by; required. While it is empty, request
	// headers are answered with the code Unavailable, so that Envoy's failure
	// mode decides.
	Store *policy.Store
	// Observer is told of each decision; nil means nobody is.
	Observer Observer
	// Logger gets what should not happen; nil means nobody does.
	Logger *slog.Logger
}

// Process answers the messages of one HTTP stream, each with exactly one of its
// kind, whichever comes first. It returns nil, which Envoy takes as "go on
// without me", as soon as nothing is left to say, and when it cannot know what
// to say: an error, or an answer of the wrong kind, would be the user's 500.
func (p *ExtProc) Process(stream extprocv3.ExternalProcessor_ProcessServer) (err error) {
	defer func() {
		if v := recover(); v != nil {
			logPanic(p.Logger, "ext_proc", v)
			err = nil
		}
	}()
	ctx := stream.Context()
	x := exchange{
		store:   p.Store,
		named:   rpcPolicy(ctx),
		observe: func(r *policy.Request, d *policy.Decision) { observe(ctx, p.Observer, r, d) },
	}
	for {
		in, err := stream.Recv()
		if err != nil {
			return streamEnd(err)
		}
		out, err := x.answer(in)
		if err != nil || out == nil {
			return err
		}
		if err := stream.Send(out); err != nil {
			return streamEnd(err)
		}
		if x.done {
			return nil
		}
	}
}

// streamEnd returns the status for a stream that err ended. Envoy resets every
// stream that it no longer needs, so that Canceled is the normal end.
func streamEnd(err error) error {
	if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
		return nil
	}
	return err
}
