package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"

	"github.com/corsgate/corsgate/server"
)

// listenJob is where a role serves.
type listenJob struct{ Listen string }

// noop is the ordinary server that corsgate is compared with: generated code and
// grpc-go's defaults. It changes nothing.
type noop struct {
	extprocv3.UnimplementedExternalProcessorServer
	authv3.UnimplementedAuthorizationServer
}

// Process answers the headers of each phase with CONTINUE.
func (noop) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(noopAnswer(in)); err != nil {
			return err
		}
	}
}

func noopAnswer(in *extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
	if in.GetResponseHeaders() != nil {
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{}}}
	}
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}}}
}

// Check allows every request.
func (noop) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}}}, nil
}

// playNoop serves noop.
func playNoop(_ context.Context, j listenJob, in *bufio.Scanner, out io.Writer) error {
	l, err := server.Listen(j.Listen, 0)
	if err != nil {
		return err
	}
	srv := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(srv, noop{})
	authv3.RegisterAuthorizationServer(srv, noop{})
	fmt.Fprintln(out, dialable(l.Addr()))
	go func() {
		untilEOF(in)
		srv.Stop()
	}()
	return srv.Serve(l)
}

// dialable writes a listener's address as Envoy's configuration takes it.
func dialable(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix://" + a.String()
	}
	return a.String()
}
