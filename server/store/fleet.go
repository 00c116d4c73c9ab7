package store

import (
	"context"
	"errors"

	"github.com/corsgate/corsgate/server/live"
)

// Fleet is what a store has its instances serve, and how they stand to it.
type Fleet struct {
	// Now is the release that serves. Its revision is 0 if nothing was pushed, or if that
	// cannot be read, and Damaged says why.
	Now     Info
	Damaged *live.Fault
	// Instances are sorted by name.
	Instances []Instance
}

// ReadFleet reads how a fleet stands. The error is for a store that does not answer.
func ReadFleet(ctx context.Context, b Backend) (Fleet, error) {
	r := newReader(b)
	instances, err := Instances(ctx, b) // before the release, so that none is ahead of it
	if err != nil {
		return Fleet{}, err
	}
	f := Fleet{Instances: instances}
	var rec *record
	err = again(func() (err error) {
		rec, _, err = r.headRecord(ctx, nil)
		return err
	})
	if damage, ok := errors.AsType[*live.Fault](err); ok && damage.Code != CodeUnreachable {
		f.Damaged = damage
		return f, nil
	}
	if err != nil {
		return Fleet{}, err
	}
	if rec != nil {
		f.Now = rec.info()
	}
	for n := range f.Instances {
		i := &f.Instances[n]
		if i.Standing, err = r.standing(ctx, rec, i.Serves); err != nil {
			return Fleet{}, err
		}
	}
	return f, nil
}

// Lost returns the instances that serve a release from which the store does not go on.
func (f *Fleet) Lost() (lost []Instance) {
	for _, i := range f.Instances {
		if !i.GoesOn() {
			lost = append(lost, i)
		}
	}
	return lost
}
