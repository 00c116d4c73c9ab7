package policy

import "crypto/sha256"

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

// Answers returns all answers of the set; each stands at its ID, and nil at a number
// that none of them has. The caller must not change them.
func (s *Set) Answers() []*Answer { return s.answers }

// Policy returns the policy of a name; ok is false if there is none.
func (s *Set) Policy(name string) (p Policy, ok bool) {
	c, ok := s.byName[name]
	if !ok {
		return Policy{}, false
	}
	return Policy{Public: c.public, EchoesHeaders: c.echoesHeaders(), Answers: c.answers, Hash: c.hash}, true
}

// Policy is what follows from a spec, for what answers as Decide does without
// asking it, such as the configuration of a proxy.
type Policy struct {
	// Public tells that every origin gets the same answer: "*" without credentials.
	Public bool
	// EchoesHeaders tells that the answer to a preflight lists the requested names.
	EchoesHeaders bool
	// Answers are those of the policy if it is enforced.
	Answers Answers
	// Hash is a SHA-256 of the spec: all that the policy says follows from it.
	Hash [sha256.Size]byte
}

// Denials returns the answers that deny what no policy answers: a request, one that
// is blocked, and a preflight.
func (s *Set) Denials() (request, blocked, preflight *Answer) {
	return s.denied.request, s.denied.blocked, s.denied.preflight
}
