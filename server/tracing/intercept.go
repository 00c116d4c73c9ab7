package tracing

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// carrier reads the headers of a trace in the metadata of a call.
type carrier struct{ ctx context.Context }

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	return strings.Join(metadata.ValueFromIncomingContext(c.ctx, key), ",")
}

// Set implements propagation.TextMapCarrier; nothing is sent on.
func (carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (carrier) Keys() []string { return []string{"traceparent", "tracestate"} }

// start starts the span of a question; ok is false if its trace is not
// sampled.
func (t *Tracer) start(ctx context.Context, method string) (traced context.Context, span trace.Span, ok bool) {
	parent := t.headers.Extract(ctx, carrier{ctx})
	if !trace.SpanContextFromContext(parent).IsSampled() {
		return ctx, nil, false
	}
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	traced, span = t.tracer.Start(parent, service+"/"+name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", service), attribute.String("rpc.method", name)))
	return traced, span, true
}

// end ends span with what came of the question.
func end(span trace.Span, err error) {
	span.SetAttributes(attribute.Int("rpc.grpc.status_code", int(status.Code(err))))
	if err != nil {
		span.SetStatus(codes.Error, status.Convert(err).Message())
	}
	span.End()
}

// Stream is an interceptor of streams: a span lasts as long as its stream.
func (t *Tracer) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, span, ok := t.start(stream.Context(), info.FullMethod)
	if !ok {
		return handler(srv, stream)
	}
	err := handler(srv, &tracedStream{stream, ctx})
	end(span, err)
	return err
}

// Unary is an interceptor of calls.
func (t *Tracer) Unary(ctx context.Context, q any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	traced, span, ok := t.start(ctx, info.FullMethod)
	if !ok {
		return handler(ctx, q)
	}
	a, err := handler(traced, q)
	end(span, err)
	return a, err
}

// tracedStream is a stream whose context has its span.
type tracedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s *tracedStream) Context() context.Context { return s.ctx }
