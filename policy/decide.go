package policy

// Decide says what happens to r. It keeps nothing of r, does not block, and
// does not allocate for what is common.
func (s *Set) Decide(r *Request) Decision { return Decision{} }
