package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// Valid are specs that were judged and have no error, in their normal form. Only
// Validate and Examine make one, and Compile takes nothing else. What users wrote is
// for package policyfile to judge, which has more rules. A Valid shares no memory
// with what was judged that somebody could change, and is safe for concurrent use.
type Valid struct {
	specs []Spec
	hash  string
}

func newValid(specs []Spec) *Valid {
	v := &Valid{specs: make([]Spec, len(specs))}
	for i := range specs {
		v.specs[i] = normalise(specs[i])
	}
	v.hash = hashOf(v.specs)
	return v
}

// Specs returns the specs in the order that they were given in. In their normal
// form what is the default is left out, header names are in lower case, paths
// have one form of escapes and no trailing slash, and a list has each entry once.
// The caller must not change them.
func (v *Valid) Specs() []Spec { return v.specs }

// Hash returns a hexadecimal SHA-256, the same for the same specs in the same
// order. It names a set in status, logs and metrics.
func (v *Valid) Hash() string { return v.hash }

// hashOf returns a hexadecimal SHA-256 of specs, the same for the same specs in
// the same order.
func hashOf(specs []Spec) string {
	h := sha256.New()
	var text []byte
	for _, s := range specs {
		// Origins apart, since there may be a million: JSON would be made whole,
		// in memory that stays.
		origins := s.CORS.AllowOrigins
		s.CORS.AllowOrigins = nil
		// A Spec has only strings, numbers, booleans and lists of them, so that
		// encoding it to a hash cannot fail.
		_ = json.NewEncoder(h).Encode(s)
		for _, origin := range origins {
			text = strconv.AppendInt(text[:0], int64(len(origin)), 10)
			text = append(text, ':')
			text = append(text, origin...)
			h.Write(append(text, ','))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
