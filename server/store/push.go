package store

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// Cut cuts the policies of a folder into the units of a release. They are judged as
// policyfile.Load judges them, and nil if the result has errors. The error is for
// policies that no release can have, and says what to change.
func Cut(fsys fs.FS, place string) ([]policyfile.Unit, policyfile.Result, error) {
	units, res := policyfile.Cut(fsys, place)
	if res.HasErrors() {
		return nil, res, nil
	}
	c := newCodec()
	for _, u := range units {
		if err := checkUnit(u, c.pack(u.Data)); err != nil {
			return nil, res, err
		}
	}
	// Each instance loads the units' files, which are other ones than those that were read.
	again := policyfile.Load(live.Folder(filesOf(units)), "")
	if again.HasErrors() {
		return nil, res, fmt.Errorf("a store cannot hold these policies, since what it would hold is refused: %s", again.FirstError())
	}
	return units, res, nil
}

// Meta is what a push says besides its units.
type Meta struct {
	// By is who pushes, and Message why; both may be empty.
	By, Message string
	// Base is the release that the push replaces. If another one serves then, the push
	// is refused with a *Conflict. Nil means the one that serves when it begins; the
	// zero Ref is of an empty store.
	Base *Ref
}

// Pushed is what came of a push.
type Pushed struct {
	Info
	// Unchanged tells that the release says what served before: no revision was made.
	Unchanged bool
	// Checkpoint is why the checkpoint that was due could not be written; the release
	// serves nevertheless, and the next push tries again.
	Checkpoint error
}

// Conflict is the error of a push that came after another one.
type Conflict struct {
	// Now is the release that serves; its revision is 0 if there is none.
	Now Info
}

// Error says who was before.
func (c *Conflict) Error() string {
	if c.Now.Revision == 0 {
		return "the store is empty, and another release is expected: look at the history"
	}
	text := fmt.Sprintf("revision %d was pushed meanwhile", c.Now.Revision)
	if c.Now.By != "" {
		text += " by " + strconv.Quote(c.Now.By)
	}
	text += " at " + c.Now.At.Format(time.RFC3339)
	if c.Now.Message != "" {
		text += ": " + strconv.Quote(c.Now.Message)
	}
	return text + "; look at what it changed, then push again"
}

// Push has the fleet serve the units, which Cut made, as a new release. If an answer of
// the store was lost, it looks whether its release serves; if that is not known either,
// the same push may be made again: it makes no second revision. The error is a *Conflict if
// somebody else was faster, a *live.Fault with one of Codes, or says what to change.
func Push(ctx context.Context, b Backend, units []policyfile.Unit, meta Meta) (Pushed, error) {
	p := newPushing(b, meta)
	return p.run(ctx, p.begin, func(context.Context) error { return p.take(units) })
}

// Rollback has the fleet serve what the release of a revision said, as a new release;
// revision 0 is the one before that which serves. Only releases of the present epoch
// that were not collected are found. The errors are those of Push.
func Rollback(ctx context.Context, b Backend, revision uint64, meta Meta) (Pushed, error) {
	p := newPushing(b, meta)
	return p.run(ctx, p.begin, func(ctx context.Context) error { return p.takeBack(ctx, revision) })
}

// Lost is the newest release that is known of an epoch that the store has lost.
type Lost struct {
	Epoch    string
	Revision uint64
}

// maxLost is the highest revision that is believed of who does not write the log. No fleet
// comes that far, and after it there is room for pushes.
const maxLost = maxRevision / 1000

// Restore has the fleet serve the units as the first release of a new epoch, after the
// store has lost releases. Instances follow it that serve a release of the epoch that
// was lost, or of the one that the store has now. What the store holds need not be
// whole. It looks at no base. The errors are those of Push.
func Restore(ctx context.Context, b Backend, units []policyfile.Unit, lost Lost, meta Meta) (Pushed, error) {
	if !isEpoch(lost.Epoch) {
		return Pushed{}, fmt.Errorf("%q is not an epoch: write the one that the instances serve, as their status shows it", lost.Epoch)
	}
	if lost.Revision > maxLost {
		return Pushed{}, fmt.Errorf("%d is not a revision, which are at most %d: write the highest one that the instances serve, as their status shows it", lost.Revision, uint64(maxLost))
	}
	p := newPushing(b, meta)
	return p.run(ctx, func(ctx context.Context) error { return p.beginAnew(ctx, lost) }, func(context.Context) error { return p.take(units) })
}
