package metrics

import (
	"iter"

	"github.com/corsgate/corsgate/policy"
)

// Count is how often a policy has decided since it began to serve.
type Count struct {
	// Policy is its name; empty stands for decisions without a policy.
	Policy string
	// Decided are the decisions of the policy in force, by reason, whoever took them.
	Decided [policy.NumReasons]uint64
	// Shadow are those of the policy in shadow, and Differs those of them that would have
	// changed the answer.
	Shadow, Differs uint64
}

// Counts yields the count of each policy that serves, in no order.
func (m *Metrics) Counts() iter.Seq[Count] {
	return func(yield func(Count) bool) {
		byName := m.policies.byName.Load()
		if byName == nil {
			return
		}
		for name, c := range *byName {
			if !yield(c.count(name)) {
				return
			}
		}
	}
}

func (c *counts) count(name string) Count {
	n := Count{Policy: name}
	for kind := range kinds {
		for reason := range reasons {
			n.Decided[reason] += c.asked[kind][reason].Load() + c.compiled[kind][reason].Load()
			n.Shadow += c.shadow[kind][reason].Load()
			n.Differs += c.differs[kind][reason].Load()
		}
	}
	return n
}
