package store

import (
	"cmp"
	"context"
	"fmt"

	"github.com/corsgate/corsgate/server/live"
)

func empty() error {
	return fault(CodeEmpty, "nothing was pushed to the store yet: push a policy folder with 'corsgate push'")
}

// Current returns the release that serves, without its files. The revision is 0 if
// nothing was pushed. The error is a *live.Fault with one of Codes.
func Current(ctx context.Context, b Backend) (Info, error) {
	infos, err := History(ctx, b, 1)
	if live.CodeOf(err) == CodeEmpty {
		return Info{}, nil
	}
	if err != nil {
		return Info{}, err
	}
	return infos[0], nil
}

// History returns the newest releases of the present epoch, the newest first: at most
// that many, or all that are left if most is 0. The error is a *live.Fault with one of Codes:
// CodeEmpty if nothing was pushed.
func History(ctx context.Context, b Backend, most int) (infos []Info, err error) {
	r := newReader(b)
	err = again(func() (err error) {
		infos, err = r.history(ctx, most)
		return err
	})
	return infos, err
}

func (r *reader) history(ctx context.Context, most int) ([]Info, error) {
	t, _, err := r.readHead(ctx)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, empty()
	}
	var infos []Info
	for at := t.Stable; at != (Ref{}) && (most == 0 || len(infos) < most); {
		rec, err := r.record(ctx, t.Epoch, at)
		if live.CodeOf(err) == CodeRecordMissing && len(infos) > 0 {
			break // it was collected
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, rec.info())
		at = rec.Parent
	}
	return infos, nil
}

// Pull returns the release of a revision, every hash checked; 0 is the one that serves. The
// error is a *live.Fault with one of Codes, or says that there is no such revision.
func Pull(ctx context.Context, b Backend, revision uint64) (*Release, error) {
	r := newReader(b)
	var l *loaded
	err := again(func() (err error) {
		l, err = r.pull(ctx, revision)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Release{l.info(), l.files()}, nil
}

func (r *reader) pull(ctx context.Context, revision uint64) (*loaded, error) {
	l, _, err := r.latestOnce(ctx, nil, anyRecord, revision == 0)
	switch {
	case err != nil:
		return nil, err
	case l == nil:
		return nil, empty()
	case revision == 0:
		return l, nil
	}
	if l, err = r.find(ctx, l, revision); err == nil {
		err = r.fill(ctx, l, nil)
	}
	return l, err
}

// find returns the release of a revision before l; 0 is the one before.
func (r *reader) find(ctx context.Context, l *loaded, revision uint64) (old *loaded, err error) {
	switch {
	case revision == l.Rev:
		return l, nil
	case revision > l.Rev:
		return nil, fmt.Errorf("there is no revision %d: the newest is %d", revision, l.Rev)
	case l.Parent == Ref{}:
		return nil, before(revision, l.record)
	}
	err = again(func() (err error) {
		old, err = r.earlier(ctx, l, revision)
		return err
	})
	return old, gone(cmp.Or(revision, l.Parent.Revision), err)
}

// earlier returns the release of a revision before l, which has a parent; 0 is that.
func (r *reader) earlier(ctx context.Context, l *loaded, revision uint64) (*loaded, error) {
	parent, err := r.record(ctx, l.Epoch, l.Parent)
	if err != nil {
		return nil, err
	}
	chain, err := r.chain(ctx, parent, func(rec *record) (bool, error) { return rec.Rev == cmp.Or(revision, rec.Rev), nil })
	if err != nil {
		return nil, err
	}
	found := chain[len(chain)-1]
	if revision != 0 && found.Rev != revision {
		return nil, before(revision, found)
	}
	return r.read(ctx, found, nil)
}

// before says that a history has no revision before its first one; 0 is any.
func before(revision uint64, first *record) error {
	if revision == 0 {
		return fmt.Errorf("there is no release before revision %d", first.Rev)
	}
	return fmt.Errorf("there is no revision %d in this history, which a restore has begun with revision %d", revision, first.Rev)
}

// gone says of a missing record that its release was collected.
func gone(revision uint64, err error) error {
	if live.CodeOf(err) == CodeRecordMissing {
		return fmt.Errorf("there is no revision %d any more: look at the history", revision)
	}
	return err
}
