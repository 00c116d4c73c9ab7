package few

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

type value struct{ rank, at int }

func byRank(a, b value) int { return cmp.Compare(a.rank, b.rank) }

// A list keeps what sorting everything and cutting it would.
func TestListKeepsWhatASortWould(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		l, all := New(10, byRank), []value{}
		for i := range n {
			v := value{r.IntN(20), i}
			all = append(all, v)
			l.Add(v)
			if held := len(l.kept); held > 20 {
				t.Fatalf("it holds %d values", held)
			}
		}
		kept, more, next := l.First()
		if more > 0 {
			slices.SortStableFunc(all, byRank)
		}
		want := all[:min(n, 10)]
		if !slices.Equal(kept, want) || more != n-len(want) {
			t.Fatalf("of %d it kept %v and %d more, want %v", n, kept, more, want)
		}
		if more > 0 && next.rank != all[10].rank {
			t.Fatalf("the first that is dropped is %v, want %v", next, all[10])
		}
	}
}

func TestListWantsOnlyWhatItWouldKeep(t *testing.T) {
	l := New(2, byRank)
	for i := range 5 {
		l.Add(value{rank: 1, at: i})
	}
	if l.Wants(value{rank: 1}) || l.Wants(value{rank: 2}) || !l.Wants(value{rank: 0}) {
		t.Errorf("it wants what it does not keep, or the other way round: %+v", l)
	}
}
