package store

import (
	"context"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/server/live"
)

// Standing is how a release that is served stands to the one that the store has served.
type Standing string

// The standings. That of who serves nothing of a store is empty.
const (
	StandingSame   Standing = "same"
	StandingBehind Standing = "behind" // the store goes on from it
	// StandingCollected is behind as far as the store can tell: its record was collected.
	StandingCollected Standing = "collected"
	StandingAhead     Standing = "ahead"      // the store has lost it
	StandingForked    Standing = "forked"     // the store has another release of its revision
	StandingLostEpoch Standing = "lost-epoch" // the store has another history, which does not restore it
)

// GoesOn reports whether who serves the release may follow the store from it. lost tells
// that the store had lost it before: then it has to show that it goes on from it.
func (s Standing) GoesOn(lost bool) bool {
	switch s {
	case "", StandingSame, StandingBehind:
		return true
	case StandingCollected:
		return !lost
	}
	return false
}

// standingOf compares a release that is served with the record that the store has served,
// which is nil if it has none. at is the key of the store's record of the served revision,
// if that is an earlier one; empty if that was collected. A hash that is not known is not
// compared.
func standingOf(has *record, served live.Release, at string) Standing {
	same := func(key string) bool {
		return served.Hash == "" || key == Ref{served.Revision, served.Hash}.key()
	}
	switch {
	case served.Epoch == "":
		return ""
	case has == nil:
		return StandingAhead
	case served.Epoch != has.Epoch && slices.Contains(has.Restores, served.Epoch):
		return StandingBehind
	case served.Epoch != has.Epoch:
		return StandingLostEpoch
	case served.Revision > has.Rev:
		return StandingAhead
	case served.Revision == has.Rev && same(has.ref().key()):
		return StandingSame
	case served.Revision == has.Rev:
		return StandingForked
	case at == "":
		return StandingCollected
	case same(at):
		return StandingBehind
	}
	return StandingForked
}

// StandingOf says how a release that is served stands to what a store has. The error is
// for a store that cannot be read.
func StandingOf(ctx context.Context, b Backend, served live.Release) (Standing, error) {
	r := newReader(b)
	has, _, err := r.headRecord(ctx, nil)
	if err != nil {
		return "", err
	}
	return r.standing(ctx, has, served)
}

// standing is standingOf, and reads what it needs.
func (r *reader) standing(ctx context.Context, has *record, served live.Release) (Standing, error) {
	if has == nil || served.Epoch != has.Epoch || served.Revision >= has.Rev {
		return standingOf(has, served, ""), nil
	}
	at, err := r.keyAt(ctx, has, served.Revision)
	return standingOf(has, served, at), err
}

// keyAt returns the key of the record of an earlier revision that leads to has; it is
// empty if that was collected.
func (r *reader) keyAt(ctx context.Context, has *record, revision uint64) (string, error) {
	if has.Parent.Revision == revision {
		return has.Parent.key(), nil
	}
	records, err := r.list(ctx, recordPrefix+revisionKey(revision))
	switch {
	case err != nil || len(records) == 0:
		return "", err
	case len(records) == 1:
		return strings.TrimPrefix(records[0].Key, recordPrefix), nil
	}
	chain, err := r.chain(ctx, has, func(rec *record) (bool, error) { return rec.Parent.Revision <= revision, nil })
	if live.CodeOf(err) == CodeRecordMissing {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return chain[len(chain)-1].Parent.key(), nil
}

// regression says of a standing that does not go on what the store has instead.
func regression(s Standing, has *record, served live.Release) error {
	switch {
	case has == nil:
		return regressed("nothing, and revision %d was read from it before", served.Revision)
	case s == StandingAhead:
		return regressed("revision %d, and %d was read from it before", has.Rev, served.Revision)
	case s == StandingForked:
		return regressed("another revision %d than the one that was read from it before", served.Revision)
	case s == StandingCollected:
		return regressed("lost revision %d before, and nothing that tells whether revision %d goes on from it", served.Revision, has.Rev)
	}
	return regressed("another history than the one that was read from it before")
}

func regressed(format string, args ...any) error {
	return fault(CodeRegressed, "the store has "+format+": it has lost releases; corsgate restore has it go on from one that an instance has kept; to follow another store, start with an empty --state-dir", args...)
}
