package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

const (
	// maxPush is how long a push may take, and pushTTL how long GC waits for one that
	// may be under way.
	maxPush = 30 * time.Minute
	pushTTL = time.Hour
	// maxInline is the size of units, as they are stored, that a record has beside it.
	maxInline = 256 << 10
	// maxListed is how many units a record lists by itself, and an object with a list.
	maxListed = 2000
)

// pushing is one push.
type pushing struct {
	*reader
	meta Meta
	head Object // the target as it was when the push began

	now    *loaded  // the release that serves; nil if there is none, or it does not count
	draft  record   // what comes of it, not all of it yet
	next   manifest // the units of the new release
	packed map[string][]byte
}

func newPushing(b Backend, meta Meta) *pushing {
	return &pushing{reader: newReader(b), meta: meta, packed: map[string][]byte{}}
}

// run makes a push: begin finds out what it follows, and fill sets the units.
func (p *pushing) run(ctx context.Context, begin, fill func(context.Context) error) (Pushed, error) {
	ctx, cancel := context.WithTimeout(ctx, maxPush)
	defer cancel()
	if err := begin(ctx); err != nil {
		return Pushed{}, err
	}
	if p.draft.Rev > maxRevision {
		return Pushed{}, fmt.Errorf("the store has revision %d, after which there is none: empty it, then begin a new history with 'corsgate restore'", p.draft.Rev-1)
	}
	withdraw, err := p.announce(ctx)
	if err != nil {
		return Pushed{}, err
	}
	rec, err := p.make(ctx, fill)
	if errors.Is(err, errUnsure) {
		return Pushed{}, err // it may still be taken
	}
	defer withdraw()
	switch {
	case err != nil:
		return Pushed{}, err
	case rec == nil:
		return Pushed{Info: p.now.info(), Unchanged: true}, nil
	}
	return Pushed{Info: rec.info(), Checkpoint: p.checkpointIfDue(ctx, rec)}, nil
}

// make makes the release, and returns nil if it says what serves already.
func (p *pushing) make(ctx context.Context, fill func(context.Context) error) (*record, error) {
	if err := fill(ctx); err != nil {
		return nil, err
	}
	change := p.before().change(p.next)
	if p.now != nil && len(change.Put)+len(change.Removed) == 0 {
		return nil, nil
	}
	rec, err := p.putUnits(ctx, change)
	if err != nil {
		return nil, err
	}
	return rec, p.swap(ctx, rec)
}

// begin reads what serves, which the new release follows.
func (p *pushing) begin(ctx context.Context) (err error) {
	if p.now, p.head, err = p.latest(ctx, nil, anyRecord, false); err != nil {
		return fmt.Errorf("read the release that serves: %w", err)
	}
	p.draft = record{Epoch: randomID(), Rev: 1}
	if p.now != nil {
		p.draft = record{Epoch: p.now.Epoch, Restores: p.now.Restores, Rev: p.now.Rev + 1, Parent: p.now.ref()}
	}
	if p.meta.Base != nil && *p.meta.Base != p.draft.Parent {
		return p.conflict()
	}
	return nil
}

// beginAnew begins an epoch.
func (p *pushing) beginAnew(ctx context.Context, lost Lost) error {
	t, head, err := p.readHead(ctx)
	if err != nil && live.CodeOf(err) != CodeTarget {
		return err
	}
	p.head = head
	p.draft = record{Epoch: randomID(), Restores: []string{lost.Epoch}, Rev: lost.Revision + 1}
	if t == nil {
		return nil
	}
	p.draft.Rev = max(p.draft.Rev, t.Stable.Revision+1)
	earlier := []string{t.Epoch}
	if rec, err := p.record(ctx, t.Epoch, t.Stable); err == nil {
		earlier = append(earlier, rec.Restores...)
	}
	for _, epoch := range earlier {
		if !slices.Contains(p.draft.Restores, epoch) && len(p.draft.Restores) < maxRestores {
			p.draft.Restores = append(p.draft.Restores, epoch)
		}
	}
	return nil
}

// maxRestores is how many epochs a record names, the latest first.
const maxRestores = 16

// before returns the manifest of the release that the new one follows.
func (p *pushing) before() manifest {
	if p.now == nil {
		return manifest{}
	}
	return p.now.manifest
}

// conflict is for a push that comes after another one.
func (p *pushing) conflict() error {
	if p.now == nil {
		return &Conflict{}
	}
	return &Conflict{p.now.info()}
}

// take has the new release be of units.
func (p *pushing) take(units []policyfile.Unit) error {
	stored := map[string]bool{}
	for _, hash := range p.before() {
		stored[hash] = true
	}
	p.next = manifest{}
	sizes := make(map[string]int, len(units))
	for _, u := range units {
		name, hash := Name{u.Kind, u.Name}, hashOf(u.Data)
		sizes[hash] = len(u.Data)
		if !name.isGood() {
			return fmt.Errorf("%q is not the name of a unit: cut a policy folder", name)
		}
		p.next[name] = hash
		if stored[hash] {
			continue
		}
		stored[hash], p.packed[hash] = true, p.pack(u.Data)
		if err := checkUnit(u, p.packed[hash]); err != nil {
			return err
		}
	}
	return checkBounds(p.next, func(hash string) int { return sizes[hash] })
}

// takeBack has the new release be of the units of an old one.
func (p *pushing) takeBack(ctx context.Context, revision uint64) error {
	if p.now == nil {
		return empty()
	}
	old, err := p.find(ctx, p.now, revision)
	if err != nil {
		return err
	}
	p.next = old.manifest
	missing := []string{}
	stored := p.before().hashes()
	for _, hash := range p.next.hashes() {
		if _, found := slices.BinarySearch(stored, hash); !found {
			missing = append(missing, hash)
		}
	}
	p.packed, err = p.stored(ctx, missing)
	return err
}

// putUnits puts the units that the release before did not have, and returns the record.
// They are put also if they are there: then GC, which may be about to delete them, does
// not.
func (p *pushing) putUnits(ctx context.Context, change list) (*record, error) {
	rec := p.draft
	rec.V, rec.At, rec.By, rec.Message = format, time.Now().UTC().Truncate(time.Second), p.meta.By, p.meta.Message
	rec.Count, rec.Root = len(p.next), p.next.root()
	var objects []Object
	size := 0
	for hash, packed := range p.packed {
		size += len(packed)
		objects = append(objects, Object{Key: unitPrefix + hash, Value: packed})
	}
	if size <= maxInline {
		rec.Inline = p.packed
	}
	written := rec
	if len(change.Put)+len(change.Removed) <= maxListed {
		written.list = change
	} else {
		var lists []Object
		written.Lists, lists = p.cutList(change)
		objects = append(objects, lists...)
	}
	if err := p.put(ctx, objects); err != nil {
		return nil, err
	}
	rec.data = encode(written)
	if len(rec.data) > MaxObject {
		return nil, fmt.Errorf("the record of the release has %d bytes, and may have %d: write a shorter message", len(rec.data), MaxObject)
	}
	rec.list, rec.hash = change, hashOf(rec.data)
	return &rec, nil
}

// cutList returns objects that have a list together, and their hashes.
func (r *reader) cutList(l list) (hashes []string, objects []Object) {
	add := func(l list) {
		data := encode(struct {
			versioned
			list
		}{versioned{format}, l})
		hashes = append(hashes, hashOf(data))
		objects = append(objects, Object{Key: unitPrefix + hashOf(data), Value: r.pack(data)})
	}
	for put := range slices.Chunk(l.Put, maxListed) {
		add(list{Put: put})
	}
	for removed := range slices.Chunk(l.Removed, maxListed) {
		add(list{Removed: removed})
	}
	return hashes, objects
}

const (
	// maxSwaps is how often a swap is tried, and swapPatience how long each may take: a
	// server may hang, and another one not. Only one of them can be taken.
	maxSwaps     = 3
	swapPatience = 4 * time.Second
)

// swap has the record be served, if nobody else was faster.
func (p *pushing) swap(ctx context.Context, rec *record) error {
	for try := 1; ; try++ {
		ok, cause := p.swapOnce(ctx, rec)
		if ok && cause == nil {
			return nil
		}
		err := p.lookUp(context.WithoutCancel(ctx), rec, cause)
		if !errors.Is(err, errUnsure) || try == maxSwaps || ctx.Err() != nil {
			return err
		}
	}
}

func (p *pushing) swapOnce(ctx context.Context, rec *record) (ok bool, err error) {
	limited, cancel := context.WithTimeout(ctx, swapPatience)
	defer cancel()
	return p.Swap(limited, []Object{
		{Key: targetKey, Value: rec.target(), Version: p.head.Version},
		{Key: recordPrefix + rec.ref().key(), Value: rec.data},
	})
}

// errUnsure is for a push of which nobody knows whether it was taken.
var errUnsure = errors.New("it is not known whether the release was taken; push again: the same policies make no second release")

// lookUp finds out whether rec was taken after all: an answer may have been lost. cause
// is why that is not known, nil if rec was not taken.
func (p *pushing) lookUp(ctx context.Context, rec *record, cause error) error {
	t, head, err := p.readHead(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsure, errors.Join(cause, err))
	}
	if t == nil {
		t = &target{}
	}
	for at := t.Stable; at.Revision >= rec.Rev && t.Epoch == rec.Epoch; {
		if at == rec.ref() {
			return nil
		}
		other, err := p.record(ctx, t.Epoch, at)
		if err != nil {
			return fmt.Errorf("%w: %w", errUnsure, err)
		}
		at = other.Parent
	}
	switch {
	case cause != nil && head.Version == p.head.Version: // what was sent may still arrive
		return fmt.Errorf("%w: %w", errUnsure, unreachable(ctx, cause))
	case t.Stable == Ref{}:
		return &Conflict{}
	}
	other, err := p.record(ctx, t.Epoch, t.Stable)
	if err != nil {
		return err
	}
	return &Conflict{other.info()}
}

// announce says that a push or a collection is under way, until withdraw is called.
func (r *reader) announce(ctx context.Context) (withdraw func(), err error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	marker := Object{Key: pushPrefix + randomID()}
	if err := r.Announce(limited, marker.Key, encode(versioned{format}), pushTTL); err != nil {
		return nil, unreachable(ctx, err)
	}
	return func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_ = r.Delete(limited, []Object{marker}) // else it expires
	}, nil
}

// checkpointIfDue writes a checkpoint if the last one is long ago.
func (p *pushing) checkpointIfDue(ctx context.Context, rec *record) error {
	if rec.Rev < checkpointEvery {
		return nil
	}
	checkpoints, err := p.checkpoints(ctx)
	if err != nil {
		return err
	}
	for key := range checkpoints {
		if key > revisionKey(rec.Rev-checkpointEvery+1) {
			return nil
		}
	}
	return p.writeCheckpoint(ctx, &loaded{record: rec, manifest: p.next})
}

// randomID returns a name that nothing else has.
func randomID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // which has no error
	return hex.EncodeToString(id)
}
