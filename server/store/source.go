package store

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// DefaultAudit is Source's.
const DefaultAudit = 30 * time.Second

const (
	// settle is how long changes of the target are gathered.
	settle = 20 * time.Millisecond
	// firstPause and maxPause are how long it takes at least and at most until a watch
	// that has ended begins again. One that goes on for maxPause is steady.
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// Source serves what a store holds. It satisfies live.Source and live.Confirmer, and is safe
// for concurrent use; its fields are not to be changed after the first call.
//
// A release is read as a whole, and every hash in it checked. If anything is wrong the
// error is a *live.Fault with one of Codes, and what was read last goes on to serve. It
// never goes back by itself: a lower revision of the same epoch, or an epoch that does
// not restore the one that was read, is refused.
type Source struct {
	// Backend is the store; required.
	Backend Backend
	// Place is put before the names of files in diagnostics.
	Place string
	// Audit is how often the store is asked for its target although nothing tells of a
	// change, with jitter; 0 means DefaultAudit.
	Audit time.Duration
	// Served is the release that served before the start; zero if none did. What the store
	// has must go on from it.
	Served live.Release
	// Lost tells that the store had lost that release when it was last read. Then it has to
	// show that it goes on from it, which it cannot if the record was collected. OnLost is
	// called when the store is found to have lost what was read; nil means nobody is told.
	Lost   bool
	OnLost func()
	// Logger gets why the store cannot be watched; nil means nobody does.
	Logger *slog.Logger

	once   sync.Once
	turn   chan struct{} // has a value while nobody reads
	reader *reader
	loader policyfile.Loader
	known  *loaded // the release that was read last, by who has the turn
	lost   bool    // as Lost says of known, or else of Served; by who has the turn, too

	mu        sync.Mutex // guards what follows
	confirmed time.Time
	last      outcome
}

// outcome is what the last read came to.
type outcome struct {
	read   bool   // there was one
	target []byte // that it read
	fault  string // why it could not be read; empty if it could
	retry  bool   // it may be read with the same target
}

var (
	_ live.Source    = (*Source)(nil)
	_ live.Confirmer = (*Source)(nil)
)

func (s *Source) setup() {
	s.once.Do(func() {
		s.turn = make(chan struct{}, 1)
		s.turn <- struct{}{}
		s.reader, s.lost = newReader(s.Backend), s.Lost
	})
}

// Read reads the target, and of its release what is not known yet.
func (s *Source) Read(ctx context.Context) (live.Reading, error) {
	s.setup()
	select {
	case <-ctx.Done():
		return live.Reading{}, ctx.Err()
	case <-s.turn:
	}
	defer func() { s.turn <- struct{}{} }()
	target, next, err := s.read(ctx)
	var r live.Reading
	if err == nil {
		r, err = s.judge(ctx, next)
	}
	if ctx.Err() != nil {
		return live.Reading{}, ctx.Err()
	}
	s.note(target, err)
	if err == nil {
		s.known, s.lost = next, false
	}
	return r, err
}

// judge judges the policies of a release. The error says why ctx ended.
func (s *Source) judge(ctx context.Context, of *loaded) (live.Reading, error) {
	files := of.files()
	res, err := s.loader.LoadContext(ctx, newUnitFolder(files, of.manifest), s.Place)
	return live.Reading{Result: res, Files: files, Release: of.release()}, err
}

// read reads the target, and the release that it names.
func (s *Source) read(ctx context.Context) (target []byte, next *loaded, err error) {
	next, head, err := s.reader.latest(ctx, s.known, func(rec *record) error { return s.accept(ctx, rec) }, true)
	code := live.CodeOf(err)
	if err != nil && (code == "" || code == CodeUnreachable) {
		return nil, nil, err
	}
	s.confirm()
	if code == CodeRegressed && !s.lost {
		s.lost = true
		if s.OnLost != nil {
			s.OnLost()
		}
	}
	return head.Value, next, err
}

// accept refuses a release that does not go on from what was read or served before.
func (s *Source) accept(ctx context.Context, rec *record) error {
	served := s.Served
	if s.known != nil {
		served = s.known.release()
	}
	standing, err := s.reader.standing(ctx, rec, served)
	switch {
	case err != nil:
		return err
	case !standing.GoesOn(s.lost):
		return regression(standing, rec, served)
	case rec == nil:
		return empty()
	}
	return nil
}

func (s *Source) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = time.Now()
}

// Confirmed returns when the store last said what its target is.
func (s *Source) Confirmed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirmed
}

func (s *Source) note(target []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = outcome{read: true, target: target, retry: live.CodeOf(err) == CodeUnreachable}
	if err != nil {
		s.last.fault = err.Error()
	}
}

// differs reports whether Read would come to something else with that target than it
// did last.
func (s *Source) differs(target []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.last.read || s.last.retry || !bytes.Equal(target, s.last.target)
}
