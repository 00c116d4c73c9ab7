package server

import (
	"context"

	"google.golang.org/grpc"
)

// joined serves services besides Envoy's protocols. Their streams, such as a
// subscription, need have no end of their own: a drain ends them.
type joined struct {
	streams map[string]bool // :: full method of a stream
	ended   chan struct{}   // closed when the streams are to end
}

func newJoined() *joined { return &joined{streams: map[string]bool{}, ended: make(chan struct{})} }

// register has srv serve a service.
func (j *joined) register(srv *grpc.Server, service Service) {
	for _, stream := range service.Desc.Streams {
		j.streams["/"+service.Desc.ServiceName+"/"+stream.StreamName] = true
	}
	srv.RegisterService(service.Desc, service.Impl)
}

// untilEnded returns the context of a stream: when it ends, so does all that the
// stream waits for, to receive as well.
func (j *joined) untilEnded(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-j.ended:
		case <-ctx.Done(): // with the stream
		}
	}()
	return ctx
}
