package store

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/live"
)

// TestStandings compares what is served with a store that is at revision 5 of an epoch
// which restores two others.
func TestStandings(t *testing.T) {
	mine, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	has := &record{Epoch: "now", Restores: []string{"lost", "older"}, Rev: 5, hash: mine}
	served := func(epoch string, revision uint64, hash string) live.Release {
		return live.Release{Epoch: epoch, Revision: revision, Hash: hash}
	}
	for _, c := range []struct {
		name   string
		has    *record
		served live.Release
		at     string
		want   Standing
		// goesOn is also if the store had lost it before.
		goesOn, goesOnAfterLoss bool
	}{
		{"nothing", has, live.Release{}, "", "", true, true},
		{"nothing, of an empty store", nil, live.Release{}, "", "", true, true},
		{"the same", has, served("now", 5, mine), "", StandingSame, true, true},
		{"another of the same revision", has, served("now", 5, other), "", StandingForked, false, false},
		{"an earlier one", has, served("now", 3, mine), Ref{3, mine}.key(), StandingBehind, true, true},
		{"another than the earlier one", has, served("now", 3, other), Ref{3, mine}.key(), StandingForked, false, false},
		{"an earlier one that was collected", has, served("now", 3, mine), "", StandingCollected, true, false},
		{"a later one", has, served("now", 6, mine), "", StandingAhead, false, false},
		{"a restored epoch", has, served("lost", 9, other), "", StandingBehind, true, true},
		{"an epoch restored before", has, served("older", 9, other), "", StandingBehind, true, true},
		{"an epoch that restores this one", has, live.Release{Epoch: "later", Revision: 4, Hash: other, Replaces: "now"}, "", StandingLostEpoch, false, false},
		{"one, and the store is empty", nil, served("now", 1, mine), "", StandingAhead, false, false},
		{"one whose hash is not known", has, served("now", 5, ""), "", StandingSame, true, true},
		{"an earlier one whose hash is not known", has, served("now", 3, ""), Ref{3, mine}.key(), StandingBehind, true, true},
	} {
		got := standingOf(c.has, c.served, c.at)
		if got != c.want || got.GoesOn(false) != c.goesOn || got.GoesOn(true) != c.goesOnAfterLoss {
			t.Errorf("%s: %q, goes on %v, after a loss %v", c.name, got, got.GoesOn(false), got.GoesOn(true))
		}
	}
}
