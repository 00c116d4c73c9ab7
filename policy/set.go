package policy

// Set is an immutable set of compiled policies with the specs that it was
// compiled from. The zero Set is not ready; a set without policies comes from
// Compile, too. It is safe for concurrent use.
type Set struct {
	specs   []Spec
	hash    string
	names   []string
	byName  map[string]*compiled // :: policy name
	answers []*Answer            // :: Answer.ID
	// Shadow policies are chosen in a layer of their own.
	enforced, shadow layer
	shadows          bool
	pass             *Answer
	denied           deniedAnswers
}

// Hash returns the hash of the specs that the set was compiled from.
func (s *Set) Hash() string { return s.hash }

// Specs returns the specs that the set was compiled from. The caller must not
// change them.
func (s *Set) Specs() []Spec { return s.specs }

// Names returns the names of the policies in the order of their specs. The
// caller must not change them.
func (s *Set) Names() []string { return s.names }

// Answers returns all answers of the set; each stands at its ID. The caller
// must not change them.
func (s *Set) Answers() []*Answer { return s.answers }
