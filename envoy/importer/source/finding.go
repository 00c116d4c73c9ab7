package source

// Fidelity says how a part of the input came over.
type Fidelity string

// The words of Fidelity.
const (
	Kept     Fidelity = "kept"     // as it was
	Equal    Fidelity = "equal"    // written otherwise, and proved to be the same
	Narrowed Fidelity = "narrowed" // allows less than before
	Widened  Fidelity = "widened"  // allows more than before
	Dropped  Fidelity = "dropped"  // left out, since it did nothing
	Clamped  Fidelity = "clamped"  // a number that was brought into its bounds
	Default  Fidelity = "default"  // the system's default, written out
	Differs  Fidelity = "differs"  // corsgate does otherwise, with no more access, or the input does not say for what
	Decide   Fidelity = "decide"   // cannot be decided without its owner
)

// Finding is one line of the report.
type Finding struct {
	Fidelity Fidelity `json:"fidelity"`
	// Policy is the policy that it is about; it is empty if there is no such policy.
	Policy string `json:"policy,omitempty"`
	Place
	// Field is the field that it is about, as the input or the policy names it, and Value
	// its text.
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
	// Message is one sentence without a full stop: what was found and what came of it.
	Message string `json:"message"`
	// Hint says what to do; it may be empty.
	Hint string `json:"hint,omitempty"`
	// Origin is a witness: an origin that is allowed no longer, or from now on.
	Origin string `json:"origin,omitempty"`
}
