package console

import "testing"

func TestAPartIsNotCalledAll(t *testing.T) {
	for k, want := range map[known]string{
		{Seen: 0}: "0", {Seen: 5}: "0", {Seen: 5, Kept: 5}: "100.0",
		{Seen: 10_000, Kept: 9_999}: "99.9", {Seen: 3, Kept: 1}: "33.3", {Seen: 10_000, Kept: 4}: "less than 0.1", {Seen: 1000, Kept: 1}: "0.1",
	} {
		if got := k.Percent(); got != want {
			t.Errorf("%d of %d: %s, want %s", k.Kept, k.Seen, got, want)
		}
	}
}
