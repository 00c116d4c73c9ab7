package server

import "google.golang.org/grpc"

// Interceptors are called around the questions of both protocols, and also around health
// checks and the like. A nil one costs nothing.
type Interceptors struct {
	// Stream is called around each ext_proc stream.
	Stream grpc.StreamServerInterceptor
	// Unary is called around each ext_authz call.
	Unary grpc.UnaryServerInterceptor
}

func (i Interceptors) options() []grpc.ServerOption {
	var options []grpc.ServerOption
	if i.Stream != nil {
		options = append(options, grpc.StreamInterceptor(i.Stream))
	}
	if i.Unary != nil {
		options = append(options, grpc.UnaryInterceptor(i.Unary))
	}
	return options
}
