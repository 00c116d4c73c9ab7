package store

import (
	"context"
	"errors"
	"strings"

	"github.com/corsgate/corsgate/server/live"
)

// Collected counts what GC has deleted, or would.
type Collected struct {
	Records int `json:"records"`
	// Earlier are those of the records that are of before a restore: the present history has
	// none of them, however many are kept.
	Earlier     int `json:"earlier"`
	Units       int `json:"units"`
	Checkpoints int `json:"checkpoints"`
	// Kept is the oldest revision that is left.
	Kept uint64 `json:"kept"`
	// Pushing tells that a push or another collection may be under way, or was broken off
	// within the last hour: nothing was deleted.
	Pushing bool `json:"pushing"`
}

// GC deletes what the newest releases do not need; keep is their number, at least 1. If
// dry is set it only counts. It may run beside pushes: then Pushing is set. The error is a
// *live.Fault with one of Codes, or is about keep.
func GC(ctx context.Context, b Backend, keep int, dry bool) (Collected, error) {
	if keep < 1 {
		return Collected{}, errors.New("the release that serves cannot be collected: keep at least 1")
	}
	c := collection{reader: newReader(b), needed: map[string]bool{targetKey: true}}
	return c.run(ctx, keep, dry)
}

// collection is one GC. What it may delete it lists first, so that all later objects are
// left alone, and then looks for pushes: a push that was begun before says so, and one
// that begins later puts what it needs again, which gives it another version. To other
// collections it is a push, since it may write a checkpoint.
type collection struct {
	*reader
	needed map[string]bool // keys
	begins string          // what the keys of the epoch's first release begin with; empty if that was collected
	Collected
}

func (c *collection) run(ctx context.Context, keep int, dry bool) (Collected, error) {
	if err := c.probe(ctx); err != nil {
		return Collected{}, err
	}
	own := 0
	if !dry {
		withdraw, err := c.announce(ctx)
		if err != nil {
			return Collected{}, err
		}
		defer withdraw()
		own = 1
	}
	var listed []Object
	for _, prefix := range []string{recordPrefix, unitPrefix, checkpointPrefix} {
		objects, err := c.list(ctx, prefix)
		if err != nil {
			return Collected{}, err
		}
		listed = append(listed, objects...)
	}
	pushes, err := c.list(ctx, pushPrefix)
	if err != nil {
		return Collected{}, err
	}
	if len(pushes) > own {
		return Collected{Pushing: true}, nil
	}
	if err := c.mark(ctx, keep, dry); err != nil {
		return Collected{}, err
	}
	garbage := c.garbage(listed)
	if dry || len(garbage) == 0 {
		return c.Collected, nil
	}
	return c.Collected, c.delete(ctx, garbage)
}

// mark marks what the newest releases need. The oldest of them gets a checkpoint, which
// stands for all releases before.
func (c *collection) mark(ctx context.Context, keep int, dry bool) error {
	t, _, err := c.readHead(ctx)
	if err != nil {
		return err
	}
	if t == nil {
		return empty()
	}
	checkpoints, err := c.checkpoints(ctx)
	if err != nil {
		return err
	}
	var oldest *record // of those that were marked
	for at := t.Stable; ; keep-- {
		rec, err := c.record(ctx, t.Epoch, at)
		if live.CodeOf(err) == CodeRecordMissing && oldest != nil { // it was collected
			return c.base(ctx, oldest, checkpoints[oldest.ref().key()], dry)
		}
		if err != nil {
			return err
		}
		c.need(recordPrefix, at.key())
		c.need(unitPrefix, rec.Lists...)
		for _, e := range rec.Put {
			c.need(unitPrefix, e.Hash)
		}
		if checkpoints[at.key()] {
			if err := c.needCheckpoint(ctx, at); err != nil {
				return err
			}
		}
		if keep == 1 || rec.Parent == (Ref{}) {
			return c.base(ctx, rec, checkpoints[at.key()], dry)
		}
		at, oldest = rec.Parent, rec
	}
}

func (c *collection) need(prefix string, keys ...string) {
	for _, key := range keys {
		c.needed[prefix+key] = true
	}
}

// base marks what the oldest release that is left needs.
func (c *collection) base(ctx context.Context, rec *record, hasCheckpoint, dry bool) error {
	c.Kept = rec.Rev
	if rec.Parent == (Ref{}) {
		c.begins = recordPrefix + revisionKey(rec.Rev)
		return nil // its record says it all
	}
	s, err := c.read(ctx, rec, nil)
	if err != nil {
		return err
	}
	c.need(unitPrefix, s.manifest.hashes()...)
	if hasCheckpoint && s.base == rec.ref() || dry {
		return nil
	}
	if err := c.writeCheckpoint(ctx, s); err != nil {
		return err
	}
	return c.needCheckpoint(ctx, rec.ref())
}

func (c *collection) needCheckpoint(ctx context.Context, ref Ref) error {
	c.needed[ref.indexKey()] = true
	index, err := c.index(ctx, ref)
	if live.CodeOf(err) == CodeCheckpoint {
		return nil // it is of no use, and needs nothing
	}
	if err != nil {
		return err
	}
	c.need(unitPrefix, index.Lists...)
	for n := range index.Packs {
		c.needed[ref.packKey(n)] = true
	}
	return nil
}

// garbage returns what is not needed, and counts it.
func (c *collection) garbage(listed []Object) []Object {
	var garbage []Object
	for _, o := range listed {
		if c.needed[o.Key] {
			continue
		}
		garbage = append(garbage, o)
		switch {
		case strings.HasPrefix(o.Key, recordPrefix):
			c.Records++
			if o.Key < c.begins {
				c.Earlier++
			}
		case strings.HasPrefix(o.Key, unitPrefix):
			c.Units++
		case strings.HasSuffix(o.Key, "/index"):
			c.Checkpoints++
		}
	}
	return garbage
}
