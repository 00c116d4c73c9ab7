package importer

import "github.com/corsgate/corsgate/policy/prove"

// proof is what is known of a regex.
type proof struct {
	never    bool     // no browser sends what it matches
	equal    bool     // patterns allow the same
	patterns []string // that allow the same or less
	lost     string   // an origin that patterns do not allow any longer
	whose    string   // whose origin that is
	wider    []string // patterns that allow all, and more
	added    string   // an origin that wider allows besides
}

// proofOf proves what patterns a regex stands for.
func proofOf(prove.Regex) proof { return proof{} }
