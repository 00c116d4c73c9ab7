package policy

import (
	"slices"
	"testing"
)

// covering must agree with a comparison of all with all.
func TestStarredCoveringAgreesWithCovers(t *testing.T) {
	var list []string
	for _, scheme := range []string{"https", "http"} {
		for _, host := range []string{"*", "a.b.c", "b.c", "*.b.c", "*.c", "*.a.b.c", "x-1-y.b.c", "x-*.b.c", "*-y.b.c", "x-*-y.b.c", "x-1-*.b.c", "x-a_b.b.c"} {
			for _, port := range []string{"", ":8443", ":*"} {
				list = append(list, scheme+"://"+host+port)
			}
		}
	}
	stars := newStarred(list)
	for _, text := range list {
		q, err := ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.ContainsFunc(list, func(other string) bool {
			p, err := ParsePattern(other)
			return err == nil && p != q && p.Covers(q)
		})
		by, got := stars.covering(q)
		if got != want || got && (by == q || !by.Covers(q)) {
			t.Errorf("%s: covering = %s, %v; want %v", text, by, got, want)
		}
	}
}
