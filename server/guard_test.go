package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestStreamEnd(t *testing.T) {
	broken := status.Error(codes.ResourceExhausted, "too large")
	for _, c := range []struct {
		name      string
		err, want error
	}{
		{"Envoy closed the stream", io.EOF, nil},
		{"Envoy reset the stream", status.FromContextError(context.Canceled).Err(), nil},
		{"Envoy reset the stream, wrapped", fmt.Errorf("recv: %w", status.Error(codes.Canceled, "reset")), nil},
		{"the message was refused", broken, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := streamEnd(c.err); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
				t.Errorf("streamEnd(%v) = %v, want %v", c.err, got, c.want)
			}
		})
	}
}
