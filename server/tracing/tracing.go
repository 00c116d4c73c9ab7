// Package tracing sends a span for each question of Envoy's that belongs to a
// sampled trace, by OpenTelemetry. It begins no trace: which ones are sampled is
// Envoy's to say, in the traceparent (W3C Trace Context) of its gRPC metadata.
//
// A service that is not to be traced has no [Tracer]: then there is no
// interceptor and no observer, and nothing to pay.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// scope names the instrumentation in each span.
const scope = "github.com/corsgate/corsgate/server/tracing"

// The bounds of sending.
const (
	exportTimeout = 5 * time.Second
	batchTimeout  = time.Second
	lastExport    = 2 * time.Second
)

// Tracer makes the spans. New makes one; it is safe for concurrent use. It
// implements server.Observer.
type Tracer struct {
	exporter *exporter
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	headers  propagation.TraceContext
}

// New returns a tracer that sends spans by OTLP over gRPC to endpoint, a URL
// such as "http://127.0.0.1:4317"; "https" means TLS. log gets why spans could
// not be sent. version is the program's. Nothing is connected before Run, and
// spans that end before are lost.
func New(endpoint, version string, log *slog.Logger) *Tracer {
	// By itself the library prints to standard error, and waits for who reads it.
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	client := otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(endpoint), otlptracegrpc.WithTimeout(exportTimeout))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "corsgate"), attribute.String("service.version", version))),
	)
	return &Tracer{
		exporter: &exporter{Exporter: otlptrace.NewUnstarted(client), log: log},
		provider: provider,
		tracer:   provider.Tracer(scope, trace.WithInstrumentationVersion(version)),
	}
}

// Run sends spans until ctx ends, and then what still waits. It may be called
// once.
func (t *Tracer) Run(ctx context.Context) error {
	running := context.WithoutCancel(ctx)
	if err := t.exporter.Start(running); err != nil {
		return fmt.Errorf("send traces: %w", err)
	}
	t.provider.RegisterSpanProcessor(sdktrace.NewBatchSpanProcessor(t.exporter,
		sdktrace.WithBatchTimeout(batchTimeout), sdktrace.WithExportTimeout(exportTimeout)))
	<-ctx.Done()
	last, cancel := context.WithTimeout(running, lastExport)
	defer cancel()
	if err := t.provider.Shutdown(last); err != nil {
		t.exporter.log.Warn("the last traces are lost", "error", err)
	}
	return nil
}

// Observe implements server.Observer: it notes the decision on the span of its
// question.
func (t *Tracer) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	// The strings of a set may be kept, those of a request may not.
	span.SetAttributes(
		attribute.String("corsgate.policy", d.Policy),
		attribute.String("corsgate.reason", d.Reason.String()),
		attribute.String("corsgate.origin", strconv.QuoteToASCII(printable.Clip(r.Origin))),
		attribute.Bool("corsgate.preflight", d.Preflight),
	)
	if d.Shadow.Answer != nil {
		span.SetAttributes(
			attribute.String("corsgate.shadow_policy", d.Shadow.Policy),
			attribute.String("corsgate.shadow_reason", d.Shadow.Reason.String()),
			attribute.Bool("corsgate.shadow_differs", d.ShadowDiffers),
		)
	}
}

// exporter logs the first of several failures, and that they are over.
type exporter struct {
	*otlptrace.Exporter
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. It returns no error, for the
// library would print it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.Exporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && e.failing.CompareAndSwap(false, true):
		e.log.Warn("traces cannot be sent, requests go on without; look after the collector", "error", err)
	case err == nil && e.failing.CompareAndSwap(true, false):
		e.log.Info("traces are sent again")
	}
	return nil
}
