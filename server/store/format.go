package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// format is the version of the format that is written, and the highest that is read.
const format = 1

// The keys of objects, and what keys begin with.
const (
	targetKey        = "w/target"
	recordPrefix     = "w/log/"
	unitPrefix       = "u/"
	checkpointPrefix = "c/"
	pushPrefix       = "p/"
	reportPrefix     = "i/now/"
	rememberPrefix   = "i/known/"
)

// key returns what the keys of a release have: its revision so that they are sorted,
// and a part of its hash so that two pushes of one revision are kept apart.
func (r Ref) key() string { return revisionKey(r.Revision) + fmt.Sprintf("%.16s", r.Hash) }

func revisionKey(revision uint64) string { return fmt.Sprintf("%016d-", revision) }

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isHex(s string, size int) bool {
	return len(s) == size && strings.Trim(s, "0123456789abcdef") == ""
}

func isHash(s string) bool { return isHex(s, 2*sha256.Size) }

// maxRevision is the highest revision: keys are sorted by 16 digits.
const maxRevision = 1_000_000_000_000_000

func (r Ref) isGood() bool { return r.Revision > 0 && r.Revision <= maxRevision && isHash(r.Hash) }

// versioned is what every object has.
type versioned struct {
	V int `json:"v"`
}

// decode decodes an object. The error has code, or says that the object is too new.
func decode(code, what string, data []byte, to any) *live.Fault {
	var head versioned
	if err := json.Unmarshal(data, &head); err != nil {
		return fault(code, "%s is not JSON: %w", what, err)
	}
	switch {
	case head.V > format:
		return fault(CodeVersion, "%s has format %d, and this version of the program reads %d: use a newer one", what, head.V, format)
	case head.V < 1:
		return fault(code, "%s has no version of its format", what)
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fault(code, "%s is not as its format demands: %w", what, err)
	}
	return nil
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal an object: %v", err)) // they have texts, numbers and lists of them only
	}
	return data
}

// target is the object that decides.
type target struct {
	versioned
	Epoch  string `json:"epoch"`
	Stable Ref    `json:"stable"`
}

func decodeTarget(data []byte) (*target, error) {
	t := &target{}
	if err := decode(CodeTarget, "the store's target", data, t); err != nil {
		return nil, err
	}
	if !isEpoch(t.Epoch) || !t.Stable.isGood() {
		return nil, fault(CodeTarget, "the store's target names no release")
	}
	return t, nil
}

func isEpoch(s string) bool { return isHex(s, 32) }

// record is a release in the log.
type record struct {
	versioned
	Epoch string `json:"epoch"`
	// Restores are the epochs that this one goes on from; who follows one of them may
	// follow it.
	Restores []string `json:"restores,omitempty"`
	Rev      uint64   `json:"rev"`
	// Parent is the release before; the first one of an epoch has none.
	Parent Ref `json:"parent,omitzero"`
	list
	// Lists are the hashes of objects with a list each, if it is long.
	Lists []string `json:"lists,omitempty"`
	// Count and Root are of the whole release.
	Count   int       `json:"count"`
	Root    string    `json:"root"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Message string    `json:"message,omitempty"`
	// Inline are units that are put, as they are stored, if they are small: then nothing
	// else need be read.
	Inline map[string][]byte `json:"inline,omitempty"`

	hash string
	data []byte // what is put
}

// list is what a release changes.
type list struct {
	Put     []entry `json:"put,omitempty"`
	Removed []Name  `json:"removed,omitempty"`
}

// entry is a unit of a release.
type entry struct {
	Name
	Hash string `json:"hash"`
	// New tells that the release before had no unit of this name.
	New bool `json:"new,omitempty"`
}

func (n Name) isGood() bool {
	return (n.Kind == policyfile.UnitPolicy || n.Kind == policyfile.UnitGroup) && policy.IsName(n.Name)
}

func (l *list) isGood() bool {
	return !slices.ContainsFunc(l.Put, func(e entry) bool { return !e.isGood() || !isHash(e.Hash) }) &&
		!slices.ContainsFunc(l.Removed, func(n Name) bool { return !n.isGood() })
}

func (r *record) ref() Ref { return Ref{r.Rev, r.hash} }

// decodeRecord decodes the record of a release, its lists apart.
func decodeRecord(data []byte, epoch string, ref Ref) (*record, error) {
	what := fmt.Sprintf("the record of revision %d", ref.Revision)
	r := &record{hash: hashOf(data)}
	if r.hash != ref.Hash {
		return nil, fault(CodeRecord, "%s has another hash than the one that leads to it", what)
	}
	if err := decode(CodeRecord, what, data, r); err != nil {
		return nil, err
	}
	follows := r.Parent == Ref{} || r.Parent.isGood() && r.Parent.Revision == r.Rev-1
	if r.Epoch != epoch || r.Rev != ref.Revision || !follows || !r.isGood() || !isHash(r.Root) ||
		slices.ContainsFunc(r.Lists, func(hash string) bool { return !isHash(hash) }) {
		return nil, fault(CodeRecord, "%s is not as its format demands", what)
	}
	return r, nil
}

// target returns the target that has the record served.
func (r *record) target() []byte { return encode(target{versioned{format}, r.Epoch, r.ref()}) }

// info returns what the record says of its release, as a user sees it.
func (r *record) info() Info {
	i := Info{
		Release: r.release(),
		At:      r.At, By: r.By, Message: r.Message, Units: r.Count, Removed: r.Removed,
	}
	for _, e := range r.Put {
		if e.New {
			i.Added = append(i.Added, e.Name)
		} else {
			i.Changed = append(i.Changed, e.Name)
		}
	}
	return i
}

// release returns what names it.
func (r *record) release() live.Release {
	release := live.Release{Epoch: r.Epoch, Revision: r.Rev, Root: r.Root, Hash: r.hash}
	if len(r.Restores) > 0 {
		release.Replaces = r.Restores[0]
	}
	return release
}

// manifest are the units of a release :: name -> hash.
type manifest map[Name]string

// names returns the names, sorted.
func (m manifest) names() []Name {
	names := make([]Name, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.SortFunc(names, compareNames)
	return names
}

func compareNames(a, b Name) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

// hashes returns the hashes of the units, sorted.
func (m manifest) hashes() []string {
	hashes := slices.Sorted(maps.Values(m))
	return slices.Compact(hashes) // two groups may have the same members
}

// root returns a hash of all that the release says.
func (m manifest) root() string {
	h := sha256.New()
	for _, n := range m.names() {
		fmt.Fprintf(h, "%s %s %s\n", n.Kind, n.Name, m[n])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// apply makes the change of a release.
func (m manifest) apply(l *list) {
	for _, n := range l.Removed {
		delete(m, n)
	}
	for _, e := range l.Put {
		m[e.Name] = e.Hash
	}
}

// change returns what makes m the manifest next.
func (m manifest) change(next manifest) list {
	var l list
	for _, n := range next.names() {
		if before, known := m[n]; !known || before != next[n] {
			l.Put = append(l.Put, entry{Name: n, Hash: next[n], New: !known})
		}
	}
	for _, n := range m.names() {
		if _, stays := next[n]; !stays {
			l.Removed = append(l.Removed, n)
		}
	}
	return l
}
