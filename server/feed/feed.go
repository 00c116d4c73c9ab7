package feed

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/seldom"
	"github.com/corsgate/corsgate/server/tlsfile"
	"github.com/corsgate/corsgate/server/wire"
)

const (
	// MaxEntries bounds the entries of a batch. Envoy's batches, of about 16 KiB, have far
	// fewer.
	MaxEntries = 4096
	// KeptSets is how many sets are kept to decide entries again: the one that serves, and
	// those that Envoys had before it.
	KeptSets = 4
)

// Outcome is the result for an entry.
type Outcome int

// The outcomes.
const (
	Agreed       Outcome = iota // the service decides the same
	Disagreed                   // it does not
	Unverifiable                // its set is not kept, or a part of the request is missing
	Refused                     // it is not an entry, and is not counted as a decision
	outcomes
)

var outcomeWords = [outcomes]string{"agreed", "disagreed", "unverifiable", "refused"}

// String returns the word for o in metrics.
func (o Outcome) String() string { return outcomeWords[o] }

// Outcomes returns all of them.
func Outcomes() []Outcome { return []Outcome{Agreed, Disagreed, Unverifiable, Refused} }

// Server receives the feed. It is a live.Sink, and safe for concurrent use. Do not change
// its fields after the first call.
type Server struct {
	// Allowed are the clients that may report decisions.
	Allowed tlsfile.Allowed
	// Observer gets the decisions, as Envoy took them; required.
	Observer wire.Observer
	// Logger gets the decisions on which the service disagrees, and what it refuses; nil
	// means no log.
	Logger *slog.Logger

	kept                 kept
	taken                [outcomes]atomic.Uint64
	refused              atomic.Uint64 // batches
	disagreeing, unheard seldom.Log
	// taking is held by one batch at a time, so that waiting batches need no more memory
	// than their bytes.
	taking sync.Mutex
}

// Count returns how many entries have come to an outcome.
func (s *Server) Count(o Outcome) uint64 { return s.taken[o].Load() }

// RefusedBatches returns how many batches were refused as a whole: those of clients that
// may not report decisions, and those that are not OTLP. Nobody knows how many entries
// they had.
func (s *Server) RefusedBatches() uint64 { return s.refused.Load() }

// Prepare implements live.Sink: it keeps the set.
func (s *Server) Prepare(set *policy.Set) (commit func(), err error) {
	next := s.kept.prepare(set)
	return func() { s.kept.add(next) }, nil
}

// Stamped notes the stamps of a set that is kept or was prepared last. Entries that name
// one of the stamps are decided with that set.
func (s *Server) Stamped(set *policy.Set, stamps map[string]bool) { s.kept.stamp(set, stamps) }

// Service returns the gRPC service: its description, and what implements it.
func (s *Server) Service() (desc *grpc.ServiceDesc, impl any) {
	return &grpc.ServiceDesc{
		ServiceName: collector.LogsService_ServiceDesc.ServiceName, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Export",
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return s.export(ctx, decode)
			},
		}},
	}, s
}

// export receives a batch. It reads the batch when its turn has come.
func (s *Server) export(ctx context.Context, decode func(any) error) (any, error) {
	if names, ok := s.Allowed.Admits(ctx); !ok {
		s.refuse("none of the client's names may send decisions", "names", printable.Clip(printable.List(names)))
		return nil, status.Error(codes.PermissionDenied, "none of the client certificate's names may send decisions")
	}
	if len(s.kept.all()) == 0 {
		return nil, status.Error(codes.Unavailable, "no policies yet")
	}
	s.taking.Lock()
	defer s.taking.Unlock()
	var batch collector.ExportLogsServiceRequest
	if err := decode(&batch); err != nil {
		s.refuse("a batch is not read", "error", printable.Clip(err.Error()))
		return nil, err
	}
	// What the call's metadata says is not about the requests.
	return s.take(metadata.NewIncomingContext(ctx, nil), &batch), nil
}

// refuse counts a batch that is refused whole.
func (s *Server) refuse(why, key, value string) {
	s.refused.Add(1)
	s.unheard.Tell(s.log().Warn, "decisions that Envoy took are refused: "+why, key, printable.Text(value))
}

// take takes the entries of a batch.
func (s *Server) take(ctx context.Context, batch *collector.ExportLogsServiceRequest) *collector.ExportLogsServiceResponse {
	var n, refused int64
	for node, record := range records(batch) {
		outcome := Refused
		if n++; n <= MaxEntries {
			outcome = s.takeEntry(ctx, node, record.GetBody().GetStringValue())
		}
		if outcome == Refused {
			refused++
		}
		s.taken[outcome].Add(1)
	}
	if refused == 0 {
		return &collector.ExportLogsServiceResponse{}
	}
	return &collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{
		RejectedLogRecords: refused, ErrorMessage: "not entries of corsgate's feed, or too many of them; the service's log says more",
	}}
}

// records are those of a batch, with the name of the Envoy's node.
func records(batch *collector.ExportLogsServiceRequest) iter.Seq2[string, *logs.LogRecord] {
	return func(yield func(string, *logs.LogRecord) bool) {
		for _, r := range batch.GetResourceLogs() {
			node := nodeOf(r)
			for _, scope := range r.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					if !yield(node, record) {
						return
					}
				}
			}
		}
	}
}

// nodeOf returns the name that the reporting node gives itself.
func nodeOf(r *logs.ResourceLogs) string {
	for _, a := range r.GetResource().GetAttributes() {
		if a.GetKey() == "node_name" {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

func (s *Server) log() *slog.Logger { return cmp.Or(s.Logger, slog.New(slog.DiscardHandler)) }
