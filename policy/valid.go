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
	specs  []Spec
	hashes []specHash // of specs
	hash   string
}

func newValid(memos []*Memo) *Valid {
	v := &Valid{specs: make([]Spec, len(memos)), hashes: make([]specHash, len(memos))}
	all := sha256.New()
	for i, m := range memos {
		m.finish()
		v.specs[i], v.hashes[i] = m.normal, m.hash
		all.Write(m.hash[:])
	}
	v.hash = hex.EncodeToString(all.Sum(nil))
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

// hashOf returns the hash of a spec in its normal form.
func hashOf(s *Spec) (sum specHash) {
	h := sha256.New()
	// Origins apart, since there may be a million: JSON would be made whole,
	// in memory that stays.
	rest := *s
	rest.CORS.AllowOrigins = nil
	// A Spec has only strings, numbers, booleans and lists of them, so that
	// encoding it to a hash cannot fail.
	_ = json.NewEncoder(h).Encode(rest)
	var text []byte
	for _, origin := range s.CORS.AllowOrigins {
		text = strconv.AppendInt(text[:0], int64(len(origin)), 10)
		text = append(text, ':')
		text = append(text, origin...)
		h.Write(append(text, ','))
	}
	h.Sum(sum[:0])
	return sum
}
