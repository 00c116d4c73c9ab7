package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// patience is how long a store may take for one answer.
const patience = 10 * time.Second

// reader reads the objects of a store, and checks them.
type reader struct {
	Backend
	*codec
}

func newReader(b Backend) *reader { return &reader{b, newCodec()} }

// unreachable returns why a store has not answered: the end of ctx itself, or a fault.
func unreachable(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return fault(CodeUnreachable, "the store does not answer: %w; check its address, and that it runs", err)
}

// get returns the objects of keys by their keys.
func (r *reader) get(ctx context.Context, keys ...string) (map[string]Object, error) {
	limited, cancel := context.WithTimeout(ctx, patience*time.Duration(1+len(keys)/1000))
	defer cancel()
	objects, err := r.Get(limited, keys...)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	found := make(map[string]Object, len(objects))
	for _, o := range objects {
		found[o.Key] = o
	}
	return found, nil
}

// list returns the objects below a prefix.
func (r *reader) list(ctx context.Context, prefix string) ([]Object, error) {
	limited, cancel := context.WithTimeout(ctx, 6*patience) // there may be a million
	defer cancel()
	objects, err := r.List(limited, prefix)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return objects, nil
}

// put puts objects.
func (r *reader) put(ctx context.Context, objects []Object) error {
	limited, cancel := context.WithTimeout(ctx, patience*time.Duration(1+len(objects)/100))
	defer cancel()
	if err := r.Put(limited, objects); err != nil {
		return unreachable(ctx, err)
	}
	return nil
}

// head returns the target, nil if there is none, and its object.
func (r *reader) head(ctx context.Context) (*target, Object, error) {
	found, err := r.get(ctx, targetKey)
	if err != nil {
		return nil, Object{}, err
	}
	o, exists := found[targetKey]
	if !exists {
		return nil, Object{Key: targetKey}, nil
	}
	t, err := decodeTarget(o.Value)
	return t, o, err
}

// maxReads is how often a release is read of which something is missing: a collection
// may have deleted it since the target was read.
const maxReads = 3

// latest returns the release that serves, nil if there is none, and the target's object.
// known is as for read. Its texts are only read if that is asked for.
func (r *reader) latest(ctx context.Context, known *state, texts bool) (s *state, head Object, err error) {
	for range maxReads {
		var t *target
		if t, head, err = r.head(ctx); err != nil || t == nil {
			return nil, head, err
		}
		if s, err = r.read(ctx, t.Epoch, t.Stable, known); err == nil && texts {
			err = r.fill(ctx, s, known)
		}
		if code := codeOf(err); code != CodeRecordMissing && code != CodeUnitMissing && code != CodeCheckpoint {
			break
		}
	}
	return s, head, err
}

// record returns a record with its lists.
func (r *reader) record(ctx context.Context, epoch string, ref Ref) (*record, error) {
	key := recordPrefix + ref.key()
	found, err := r.get(ctx, key)
	if err != nil {
		return nil, err
	}
	o, exists := found[key]
	if !exists {
		return nil, fault(CodeRecordMissing, "the record of revision %d is not in the store", ref.Revision)
	}
	rec, err := decodeRecord(o.Value, epoch, ref)
	if err != nil {
		return nil, err
	}
	if err := r.readLists(ctx, CodeRecord, rec.Lists, &rec.list); err != nil {
		return nil, err
	}
	return rec, nil
}

// readLists adds the lists of those hashes to l.
func (r *reader) readLists(ctx context.Context, code string, hashes []string, l *list) error {
	if len(hashes) == 0 {
		return nil
	}
	texts, err := r.units(ctx, hashes)
	if err != nil {
		return err
	}
	for _, hash := range hashes {
		var more struct {
			versioned
			list
		}
		if err := decode(code, "a list of units", texts[hash], &more); err != nil {
			return err
		}
		if !more.isGood() || len(l.Put)+len(l.Removed) > 2*MaxUnits {
			return fault(code, "a list of units is not as its format demands")
		}
		l.Put, l.Removed = append(l.Put, more.Put...), append(l.Removed, more.Removed...)
	}
	return nil
}

// units returns the texts of units by their hashes.
func (r *reader) units(ctx context.Context, hashes []string) (map[string][]byte, error) {
	packed, err := r.packed(ctx, hashes)
	if err != nil {
		return nil, err
	}
	return r.unpackAll(packed)
}

// packed returns units by their hashes, as they are stored and unchecked.
func (r *reader) packed(ctx context.Context, hashes []string) (map[string][]byte, error) {
	keys := make([]string, len(hashes))
	for i, hash := range hashes {
		keys[i] = unitPrefix + hash
	}
	found, err := r.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	packed := make(map[string][]byte, len(hashes))
	for i, hash := range hashes {
		o, exists := found[keys[i]]
		if !exists {
			return nil, fault(CodeUnitMissing, "the unit %s is not in the store", hash)
		}
		packed[hash] = o.Value
	}
	return packed, nil
}

// unpackAll decompresses units, and checks their hashes.
func (r *reader) unpackAll(packed map[string][]byte) (map[string][]byte, error) {
	texts, size := make(map[string][]byte, len(packed)), 0
	for hash, data := range packed {
		text, err := r.unpack(data, hash)
		if err != nil {
			return nil, badUnit(hash, err)
		}
		if size += len(text); size > MaxText {
			return nil, tooLarge()
		}
		texts[hash] = text
	}
	return texts, nil
}

func tooLarge() error { return fault(CodeTooLarge, "the release has more than %d bytes", MaxText) }

func badUnit(hash string, err error) error {
	return fault(CodeUnit, "the unit %s cannot be read: %w", hash, err)
}

// state is the manifest of a release, and its texts if they were read.
type state struct {
	*record
	manifest manifest
	// texts are the units' files :: hash -> file.
	texts map[string][]byte
	// near are units that came with the records, as they are stored and unchecked, and
	// base is the checkpoint that was read; zero if none was.
	near map[string][]byte
	base Ref
}

// maxWalk is how many records are read in a row to come to what is known, rather than a
// checkpoint.
const maxWalk = 500

// read returns the manifest of a release. known is one that was read before, or nil; if
// the release does not go on from it, the fault is CodeRegressed.
func (r *reader) read(ctx context.Context, epoch string, ref Ref, known *state) (*state, error) {
	if known != nil && known.Epoch == epoch {
		switch {
		case known.ref() == ref:
			return known, nil
		case ref.Revision <= known.Rev:
			return nil, regressed("revision %d, and %d was read from it before", ref.Revision, known.Rev)
		case ref.Revision-known.Rev <= maxWalk:
			s, err := r.walk(ctx, epoch, ref, known, nil)
			if codeOf(err) != CodeRecordMissing {
				return s, err
			}
		}
	}
	checkpoints, err := r.checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.walk(ctx, epoch, ref, nil, checkpoints)
	if err == nil && known != nil {
		err = r.checkSuccessor(ctx, s, known)
	}
	return s, err
}

func regressed(format string, args ...any) error {
	return fault(CodeRegressed, "the store has "+format+": it has lost releases; corsgate restore has it go on from one that an instance has kept", args...)
}

// forked is for a history that has another record of the revision that is known.
func forked(known *state) error {
	return regressed("another revision %d than the one that was read from it before", known.Rev)
}

// codeOf returns the code of a fault, else "".
func codeOf(err error) string {
	if f, ok := errors.AsType[*live.Fault](err); ok {
		return f.Code
	}
	return ""
}

// checkSuccessor refuses a release that does not go on from the one that is known, as
// far as the store still has what tells.
func (r *reader) checkSuccessor(ctx context.Context, s, known *state) error {
	if known.Epoch != s.Epoch {
		if slices.Contains(s.Restores, known.Epoch) {
			return nil
		}
		return regressed("another history than the one that was read from it before")
	}
	same, err := r.list(ctx, recordPrefix+revisionKey(known.Rev))
	if err != nil || len(same) == 0 { // it was collected
		return err
	}
	key := recordPrefix + known.ref().key()
	if slices.ContainsFunc(same, func(o Object) bool { return o.Key == key }) {
		return nil
	}
	return forked(known)
}

// walk reads records from a release back to the one that is known, to a checkpoint, or
// to the first, and returns the manifest.
func (r *reader) walk(ctx context.Context, epoch string, ref Ref, known *state, checkpoints map[string]bool) (*state, error) {
	s := &state{manifest: manifest{}, near: map[string][]byte{}}
	var chain []*record
	var bad error // of a checkpoint: an older one does as well
	for at := ref; at != (Ref{}) && (known == nil || at.Revision > known.Rev); {
		rec, err := r.record(ctx, epoch, at)
		if codeOf(err) == CodeRecordMissing && bad != nil {
			err = bad
		}
		if err != nil {
			return nil, err
		}
		chain = append(chain, rec)
		at = rec.Parent
		if !checkpoints[rec.ref().key()] {
			continue
		}
		m, err := r.checkpoint(ctx, rec)
		if err == nil {
			s.manifest, s.base = m, rec.ref()
			break
		}
		if bad = err; codeOf(err) != CodeCheckpoint {
			return nil, err
		}
	}
	if known != nil {
		if chain[len(chain)-1].Parent != known.ref() {
			return nil, forked(known)
		}
		s.manifest = maps.Clone(known.manifest)
	}
	s.record = chain[0]
	for _, rec := range slices.Backward(chain) {
		s.manifest.apply(&rec.list) // again, if it is the checkpoint's: that changes nothing
		maps.Copy(s.near, rec.Inline)
	}
	return s, s.check()
}

// check holds the manifest to what the record says of it.
func (s *state) check() error {
	switch {
	case len(s.manifest) > MaxUnits:
		return fault(CodeTooLarge, "the release has more than %d units", MaxUnits)
	case len(s.manifest) != s.Count, s.manifest.root() != s.Root:
		return fault(CodeRoot, "the units of revision %d are not those that its record names", s.Rev)
	}
	return nil
}

// fill reads the texts of a release that known, which may be nil, does not have.
func (r *reader) fill(ctx context.Context, s, known *state) error {
	if s.texts != nil {
		return nil
	}
	texts := map[string][]byte{}
	missing, err := r.take(s, known, texts)
	if err == nil && len(missing) > maxSingly && s.base != (Ref{}) {
		if err = r.packs(ctx, s.base, s.near); err == nil {
			missing, err = r.take(s, known, texts)
		}
	}
	if err != nil {
		return err
	}
	fetched, err := r.units(ctx, missing)
	if err != nil {
		return err
	}
	maps.Copy(texts, fetched)
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size > MaxText {
		return tooLarge()
	}
	s.texts, s.near = texts, nil
	return nil
}

// maxSingly is how many units are read each by itself rather than from a checkpoint.
const maxSingly = 500

// take takes the texts of s that are at hand, and returns the hashes of the others.
func (r *reader) take(s, known *state, texts map[string][]byte) (missing []string, err error) {
	for _, hash := range s.manifest.hashes() {
		if known != nil && known.texts[hash] != nil {
			texts[hash] = known.texts[hash]
		} else if packed, here := s.near[hash]; here {
			if texts[hash], err = r.unpack(packed, hash); err != nil {
				return nil, badUnit(hash, err)
			}
		} else {
			missing = append(missing, hash)
		}
	}
	return missing, nil
}

// files returns the files of a release, sorted by name.
func (s *state) files() []live.File {
	units := make([]policyfile.Unit, 0, len(s.manifest))
	for n, hash := range s.manifest {
		units = append(units, policyfile.Unit{Kind: n.Kind, Name: n.Name, Data: s.texts[hash]})
	}
	return filesOf(units)
}

// filesOf returns the folder of units, sorted by name.
func filesOf(units []policyfile.Unit) []live.File {
	files := make([]live.File, 0, len(units)+1)
	for _, u := range units {
		files = append(files, live.File{Name: u.File(), Data: u.Data})
	}
	files = append(files, live.File{Name: policyfile.GroupsFile, Data: policyfile.Groups(units)})
	slices.SortFunc(files, func(a, b live.File) int { return strings.Compare(a.Name, b.Name) })
	return files
}
