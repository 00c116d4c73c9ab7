package main

import (
	"context"
	"fmt"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// current is what a store has its instances serve.
type current struct {
	// now is the release; nil if that is not known. It has no revision in an empty store.
	now *store.Info
	// set are its policies; nil if they cannot be read, and undecided says why.
	set       *policy.Set
	undecided string
	// damaged tells that the store is, so that they cannot be read.
	damaged bool
}

// release returns the release that serves; nil if that is not known, or none does.
func (c *current) release() *store.Info {
	if c.now == nil || c.now.Revision == 0 {
		return nil
	}
	return c.now
}

// readCurrent reads what the store of a URL has serve. The error is for a store that does
// not answer.
func readCurrent(ctx context.Context, b store.Backend, url string) (current, error) {
	release, err := store.Pull(ctx, b, 0)
	switch code := live.CodeOf(err); {
	case ctx.Err() != nil:
		return current{}, ctx.Err()
	case code == store.CodeUnreachable:
		return current{}, err
	case code == store.CodeEmpty:
		none, _ := policy.Validate(nil)
		return current{now: &store.Info{}, set: policy.Compile(none)}, nil
	case err != nil:
		was := current{undecided: err.Error(), damaged: true}
		if now, err := store.Current(ctx, b); err == nil {
			was.now = &now
		}
		return was, nil
	}
	was := current{now: &release.Info}
	if was.set, err = policiesOf(release, url); err != nil {
		was.undecided = err.Error()
	}
	return was, nil
}

// policiesOf returns the policies of a release of the store of a URL. The error is for
// those that this version of the program refuses.
func policiesOf(release *store.Release, url string) (*policy.Set, error) {
	r := policyfile.Load(live.Folder(release.Files), url)
	if r.HasErrors() {
		return nil, fmt.Errorf("this version of corsgate refuses revision %d: %s", release.Revision, r.FirstError())
	}
	return policy.Compile(r.Policies), nil
}
