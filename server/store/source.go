package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// DefaultAudit is Source's.
const DefaultAudit = 30 * time.Second

// Source serves what a store holds. It satisfies live.Source and live.Confirmer.
//
// A release is read as a whole, and every hash in it checked. If anything is wrong the
// error is a *live.Fault with one of Codes, and what was read last goes on to serve. It
// never goes back by itself: a lower revision of the same epoch, or an epoch that does
// not restore the one that was read, is refused.
type Source struct {
	Backend Backend
	// Place is put before the names of files in diagnostics.
	Place string
	// Audit is how often the store is asked for its target although nothing tells of a
	// change, with jitter; 0 means DefaultAudit.
	Audit time.Duration
	// Logger gets why the store cannot be watched; nil means nobody does.
	Logger *slog.Logger
}

var (
	_ live.Source    = (*Source)(nil)
	_ live.Confirmer = (*Source)(nil)
)

// Read reads the target, and of its release what is not known yet.
func (s *Source) Read(ctx context.Context) (live.Reading, error) {
	return live.Reading{}, errors.ErrUnsupported
}

// Watch follows the target.
func (s *Source) Watch(ctx context.Context, changed func()) error { return errors.ErrUnsupported }

// Confirmed returns when the store last said what its target is.
func (s *Source) Confirmed() time.Time { return time.Time{} }
