package store

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// loaded is a release as it was read: its manifest, and its texts if they were asked for.
type loaded struct {
	*record
	manifest manifest
	// texts are the units' files :: hash -> file.
	texts map[string][]byte
	// near are units that came with the records, as they are stored and unchecked, and
	// base is the checkpoint that was read; zero if none was.
	near map[string][]byte
	base Ref
}

// maxReads is how often a release is read of which something is missing: a collection
// may have deleted it since the target was read.
const maxReads = 3

// latest returns the release that serves, nil if there is none, and the target's object.
// known is as for read. Its texts are only read if that is asked for.
func (r *reader) latest(ctx context.Context, known *loaded, texts bool) (l *loaded, head Object, err error) {
	for range maxReads {
		var t *target
		if t, head, err = r.readHead(ctx); err != nil || t == nil {
			return nil, head, err
		}
		if l, err = r.read(ctx, t.Epoch, t.Stable, known); err == nil && texts {
			err = r.fill(ctx, l, known)
		}
		if code := live.CodeOf(err); code != CodeRecordMissing && code != CodeUnitMissing && code != CodeCheckpoint {
			break
		}
	}
	return l, head, err
}

// maxWalk is how many records are read in a row to come to what is known, rather than a
// checkpoint.
const maxWalk = 500

// read returns the manifest of a release. known is one that was read before, or nil; if
// the release does not go on from it, the fault is CodeRegressed.
func (r *reader) read(ctx context.Context, epoch string, ref Ref, known *loaded) (*loaded, error) {
	if known != nil && known.Epoch == epoch {
		if known.ref() == ref {
			return known, nil
		}
		if err := checkRevision(ref, known.release()); err != nil {
			return nil, err
		}
		if ref.Revision-known.Rev <= maxWalk {
			l, err := r.since(ctx, epoch, ref, known)
			if live.CodeOf(err) != CodeRecordMissing {
				return l, err
			}
		}
	}
	l, err := r.fromCheckpoint(ctx, epoch, ref)
	if err == nil && known != nil {
		err = r.checkSuccessor(ctx, l, known.release())
	}
	return l, err
}

func regressed(format string, args ...any) error {
	return fault(CodeRegressed, "the store has "+format+": it has lost releases; corsgate restore has it go on from one that an instance has kept; to follow another store, start with an empty --state-dir", args...)
}

// forked is for a history that has another record of the revision that is known.
func forked(known live.Release) error {
	return regressed("another revision %d than the one that was read from it before", known.Revision)
}

// checkRevision refuses a release of the known one's epoch that is not later, or the same.
func checkRevision(ref Ref, known live.Release) error {
	switch {
	case ref.Revision < known.Revision:
		return regressed("revision %d, and %d was read from it before", ref.Revision, known.Revision)
	case ref.Revision == known.Revision && ref.Hash != known.Hash:
		return forked(known)
	}
	return nil
}

// checkSuccessor refuses a release that does not go on from the one that is known, as
// far as the store still has what tells.
func (r *reader) checkSuccessor(ctx context.Context, l *loaded, known live.Release) error {
	if known.Epoch != l.Epoch {
		if slices.Contains(l.Restores, known.Epoch) {
			return nil
		}
		return regressed("another history than the one that was read from it before")
	}
	if err := checkRevision(l.ref(), known); err != nil {
		return err
	}
	same, err := r.list(ctx, recordPrefix+revisionKey(known.Revision))
	if err != nil || len(same) == 0 { // it was collected
		return err
	}
	key := recordPrefix + Ref{known.Revision, known.Hash}.key()
	if slices.ContainsFunc(same, func(o Object) bool { return o.Key == key }) {
		return nil
	}
	return forked(known)
}

// chain returns the records from a release back to the first that stop takes, or to one
// without a parent.
func (r *reader) chain(ctx context.Context, epoch string, at Ref, stop func(*record) (bool, error)) (chain []*record, err error) {
	for stopped := false; !stopped && at != (Ref{}); {
		rec, err := r.record(ctx, epoch, at)
		if err != nil {
			return nil, err
		}
		if stopped, err = stop(rec); err != nil {
			return nil, err
		}
		chain, at = append(chain, rec), rec.Parent
	}
	return chain, nil
}

// since reads a release by the records that follow the one that is known.
func (r *reader) since(ctx context.Context, epoch string, ref Ref, known *loaded) (*loaded, error) {
	chain, err := r.chain(ctx, epoch, ref, func(rec *record) (bool, error) { return rec.Parent.Revision <= known.Rev, nil })
	if err != nil {
		return nil, err
	}
	if chain[len(chain)-1].Parent != known.ref() {
		return nil, forked(known.release())
	}
	l := &loaded{manifest: maps.Clone(known.manifest)}
	return l, l.replay(chain)
}

// fromCheckpoint reads a release by the records that follow a checkpoint, or by all.
func (r *reader) fromCheckpoint(ctx context.Context, epoch string, ref Ref) (*loaded, error) {
	checkpoints, err := r.checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	l := &loaded{manifest: manifest{}}
	var bad error // of a checkpoint: an older one does as well
	chain, err := r.chain(ctx, epoch, ref, func(rec *record) (bool, error) {
		if !checkpoints[rec.ref().key()] {
			return false, nil
		}
		m, err := r.checkpoint(ctx, rec)
		if live.CodeOf(err) == CodeCheckpoint {
			bad = err
			return false, nil
		}
		if err == nil {
			l.manifest, l.base = m, rec.ref()
		}
		return err == nil, err
	})
	if live.CodeOf(err) == CodeRecordMissing && bad != nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	return l, l.replay(chain)
}

// replay makes the changes of records, of which the first is the release's own. That of
// a checkpoint changes nothing.
func (l *loaded) replay(chain []*record) error {
	l.record, l.near = chain[0], map[string][]byte{}
	for _, rec := range slices.Backward(chain) {
		l.manifest.apply(&rec.list)
		maps.Copy(l.near, rec.Inline)
	}
	return l.check()
}

// check holds the manifest to what the record says of it.
func (l *loaded) check() error {
	if len(l.manifest) != l.Count || l.manifest.root() != l.Root {
		return fault(CodeRoot, "the units of revision %d are not those that its record names", l.Rev)
	}
	return checkBounds(l.manifest, func(string) int { return 0 })
}

// maxSingly is how many units are read each by itself rather than from a checkpoint.
const maxSingly = 500

// fill reads the texts of a release that known, which may be nil, does not have.
func (r *reader) fill(ctx context.Context, l, known *loaded) error {
	if l.texts != nil {
		return nil
	}
	texts, missing := map[string][]byte{}, []string(nil)
	for _, hash := range l.manifest.hashes() {
		if known != nil && known.texts[hash] != nil {
			texts[hash] = known.texts[hash]
		} else {
			missing = append(missing, hash)
		}
	}
	if len(missing) > maxSingly && l.base != (Ref{}) {
		if err := r.packs(ctx, l.base, l.near); err != nil {
			return err
		}
	}
	stored, err := r.storedNear(ctx, missing, l.near)
	if err != nil {
		return err
	}
	read, err := r.unpackAll(stored)
	if err != nil {
		return err
	}
	maps.Copy(texts, read)
	l.texts, l.near = texts, nil
	return checkBounds(l.manifest, func(hash string) int { return len(texts[hash]) })
}

// storedNear is stored, but for units that are near.
func (r *reader) storedNear(ctx context.Context, hashes []string, near map[string][]byte) (map[string][]byte, error) {
	far := slices.DeleteFunc(slices.Clone(hashes), func(hash string) bool { return near[hash] != nil })
	stored, err := r.stored(ctx, far)
	if err != nil {
		return nil, err
	}
	for _, hash := range hashes {
		if near[hash] != nil {
			stored[hash] = near[hash]
		}
	}
	return stored, nil
}

// files returns the files of a release, sorted by name.
func (l *loaded) files() []live.File {
	units := make([]policyfile.Unit, 0, len(l.manifest))
	for n, hash := range l.manifest {
		units = append(units, policyfile.Unit{Kind: n.Kind, Name: n.Name, Data: l.texts[hash]})
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
