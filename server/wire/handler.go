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

// Handler answers messages by the policies of a store. It is safe for
// concurrent use; its fields are not to be changed after the first Begin. It
// must not be copied.
type Handler struct {
	// Store has the set to decide by; required.
	Store *policy.Store
	// Observer is told of each decision; nil means nobody is.
	Observer Observer

	serving   atomic.Pointer[answers]
	mu        sync.Mutex // held while answers are encoded
	prepared  *answers   // guarded by mu
	exchanges sync.Pool  // of *Exchange
}

// Prepare encodes the answers of a set that the store is about to get, so that
// its first requests do not wait for that.
func (h *Handler) Prepare(set *policy.Set) {
	encoded := encode(set)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prepared = encoded
}

// Ready reports whether there is a set. When it does, its answers are encoded.
func (h *Handler) Ready() bool { return h.current() != nil }

// current returns what serves now, nil before the first set.
func (h *Handler) current() *answers {
	set := h.Store.Load()
	if have := h.serving.Load(); have != nil && have.set == set {
		return have
	}
	if set == nil {
		return nil
	}
	return h.take()
}

// take makes the store's set the one that serves. Of those who come at once
// one encodes it, unless it was prepared.
func (h *Handler) take() *answers {
	h.mu.Lock()
	defer h.mu.Unlock()
	set := h.Store.Load()
	if have := h.serving.Load(); have != nil && have.set == set {
		return have
	}
	next := h.prepared
	if next == nil || next.set != set {
		next = encode(set)
	}
	h.prepared = nil
	h.serving.Store(next)
	return next
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
