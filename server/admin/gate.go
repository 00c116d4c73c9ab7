package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxWaiting bounds the requests that wait at a gate.
const maxWaiting = 8

// errBusy is the answer to requests beyond maxWaiting.
var errBusy = errors.New("too many requests wait for an answer that takes long, try again later")

// gate lets one request at a time work. The zero gate is ready.
type gate struct {
	once  sync.Once
	turn  chan struct{} // holds one value while somebody works
	there atomic.Int64  // how many work or wait
}

// pass calls work when nobody else works. The error is errBusy when too many
// wait already, or why ctx ended first; work was not called then.
func (g *gate) pass(ctx context.Context, work func()) error {
	g.once.Do(func() { g.turn = make(chan struct{}, 1) })
	defer g.there.Add(-1)
	if g.there.Add(1) > 1+maxWaiting {
		return errBusy
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
	defer func() { <-g.turn }()
	work()
	return nil
}
