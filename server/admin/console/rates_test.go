package console

import (
	"slices"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// TestRatesOfPoliciesThatGo takes a policy away, and serves another one of its name.
func TestRatesOfPoliciesThatGo(t *testing.T) {
	const reason = policy.ReasonRequestAllowed
	var rs rates
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, serves := range []map[string]uint64{
		{"shop": 0, "api": 0},
		{"shop": 100, "api": 10},
		{"api": 20},
		{"shop": 5, "api": 30},
		{"shop": 2, "api": 40}, // another shop again
	} {
		counts := []Count{}
		for name, n := range serves {
			counts = append(counts, Count{Policy: name, Decided: [policy.NumReasons]uint64{reason: n}})
		}
		rs.sample(begin.Add(time.Duration(i)*10*time.Second), slices.Values(counts))
	}
	list := rs.list(slices.Values([]Count{{Policy: "api", Decided: [policy.NumReasons]uint64{reason: 41}}}))
	if len(list) != 1 || !slices.Equal(list[0].PerSecond, []float64{11, 1, 1.5, 1.2}) || list[0].Total != 100+41+5+2 {
		t.Errorf("%+v", list)
	}
}
