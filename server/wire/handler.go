package wire

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/corsgate/corsgate/policy"
)

// The errors of Process and Check.
var (
	// ErrNoSet says that a question came before the first good set, so that the
	// asker's failure mode decides.
	ErrNoSet = errors.New("no policies are loaded yet, the service's log says why")
	// ErrMalformed says that a message is not encoded as Protocol Buffers are.
	ErrMalformed = errors.New("the message is malformed, ask with envoy.service.ext_proc.v3 or envoy.service.auth.v3")
)

// Observer is told of decisions, for metrics and decision logs.
type Observer interface {
	// Observe is called once for each decision, before Envoy gets the answer,
	// from the goroutine of its request: it must not block and is called
	// concurrently. r and d, and all their strings but those of the set, are
	// memory that is used again for other requests: they are valid during the
	// call only, and what is kept must be cloned. The strings of r are raw bytes
	// of the request; quote them before they are written anywhere.
	Observe(ctx context.Context, r *policy.Request, d *policy.Decision)
}

// Handler answers messages by a set of policies. It implements live.Sink, and is
// safe for concurrent use; its fields are not to be changed after the first
// Begin. It must not be copied.
type Handler struct {
	// Observer is told of each decision; nil means nobody is.
	Observer Observer

	serving   atomic.Pointer[answers]
	exchanges sync.Pool // of *Exchange

	once  sync.Once
	first chan struct{} // closed with the first set
}

// Prepare implements live.Sink: it encodes the answers of set that do not serve yet,
// so that the first requests do not wait for that.
func (h *Handler) Prepare(set *policy.Set) (commit func(), err error) {
	encoded := encodeAfter(h.serving.Load(), set)
	return func() {
		if h.serving.Swap(encoded) == nil {
			close(h.ready())
		}
	}, nil
}

// Set returns the set that decides now, nil before the first.
func (h *Handler) Set() *policy.Set {
	if now := h.serving.Load(); now != nil {
		return now.set
	}
	return nil
}

// Ready is closed when there is a set.
func (h *Handler) Ready() <-chan struct{} { return h.ready() }

func (h *Handler) ready() chan struct{} {
	h.once.Do(func() { h.first = make(chan struct{}) })
	return h.first
}

// Begin returns an exchange for one HTTP stream, or for one call. named is the
// policy that the transport's own metadata names; empty means none. Whoever
// called Begin calls End once.
func (h *Handler) Begin(named string) *Exchange {
	x, _ := h.exchanges.Get().(*Exchange)
	if x == nil {
		x = &Exchange{}
	}
	x.handler, x.named = h, named
	return x
}
