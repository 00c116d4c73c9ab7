package file

import (
	"context"
	"errors"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// maxReads bounds how often files are read in a row that change meanwhile.
const maxReads = 5

// The first Read tries that long, and that often.
const (
	firstPatience = 5 * time.Second
	firstPause    = 100 * time.Millisecond
)

var errChanging = errors.New("the files change while they are read: reload when they are written, or write beside them and rename")

// Read judges the policies in the files as they are now, all at one time.
func (s *Source) Read(ctx context.Context) (live.Reading, error) {
	end := time.Now().Add(firstPatience)
	for {
		res, err := s.readWhole(ctx)
		if !errors.Is(err, errChanging) || s.whole.Load() || time.Now().After(end) {
			return res, err
		}
		select {
		case <-ctx.Done():
			return res, ctx.Err()
		case <-time.After(firstPause):
		}
	}
}

// readWhole reads the files until they stay the same meanwhile.
func (s *Source) readWhole(ctx context.Context) (live.Reading, error) {
	for range maxReads {
		sn, err := s.take()
		if err != nil {
			return live.Reading{}, err
		}
		s.beginKeeping(sn)
		res, _ := s.loader.LoadContext(ctx, sn, sn.root.dir) // if ctx has ended, what follows says so
		r := live.Reading{Result: res}
		if sn.unchanged(ctx) {
			s.whole.Store(true)
			s.confirm()
			r.Files = s.endKeeping(sn)
			return r, nil
		}
		if err := ctx.Err(); err != nil {
			return live.Reading{}, err
		}
	}
	return live.Reading{}, errChanging
}

// beginKeeping has sn keep what is read of it, if that is asked for.
func (s *Source) beginKeeping(sn *snapshot) {
	if !s.Keep {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sn.had, sn.kept = s.kept, map[string]kept{}
}

// endKeeping returns the files that sn has kept, and remembers them for the next one.
func (s *Source) endKeeping(sn *snapshot) []live.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn.had, s.kept = nil, sn.kept
	return sn.files()
}
