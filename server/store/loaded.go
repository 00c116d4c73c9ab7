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

// maxReads is how often something is read of which a part is missing.
const maxReads = 3

// again reads, and does so again if something is missing: a collection may have deleted it
// since the read began.
func again(read func() error) (err error) {
	for range maxReads {
		err = read()
		if code := live.CodeOf(err); code != CodeRecordMissing && code != CodeUnitMissing && code != CodeCheckpoint {
			break
		}
	}
	return err
}

// latest returns the release that serves, nil if there is none, and the target's object.
// known is as for read. accept may refuse the release by its record, which is nil if there
// is none. Its texts are only read if that is asked for.
func (r *reader) latest(ctx context.Context, known *loaded, accept func(*record) error, texts bool) (l *loaded, head Object, err error) {
	err = again(func() (err error) {
		l, head, err = r.latestOnce(ctx, known, accept, texts)
		return err
	})
	return l, head, err
}

func (r *reader) latestOnce(ctx context.Context, known *loaded, accept func(*record) error, texts bool) (l *loaded, head Object, err error) {
	rec, head, err := r.headRecord(ctx, known)
	if err == nil {
		err = accept(rec)
	}
	if err != nil || rec == nil {
		return nil, head, err
	}
	if l, err = r.read(ctx, rec, known); err == nil && texts {
		err = r.fill(ctx, l, known)
	}
	return l, head, err
}

// anyRecord accepts each record.
func anyRecord(*record) error { return nil }

// headRecord returns the record that the target names, nil if there is none, and the
// target's object.
func (r *reader) headRecord(ctx context.Context, known *loaded) (*record, Object, error) {
	t, head, err := r.readHead(ctx)
	if err != nil || t == nil {
		return nil, head, err
	}
	if known != nil && known.Epoch == t.Epoch && known.ref() == t.Stable {
		return known.record, head, nil
	}
	rec, err := r.record(ctx, t.Epoch, t.Stable)
	return rec, head, err
}

// maxWalk is how many records are read in a row to come to what is known, rather than a
// checkpoint.
const maxWalk = 500

// read returns the manifest of a release. known is one that was read before, or nil: it
// saves reads if the release goes on from it.
func (r *reader) read(ctx context.Context, rec *record, known *loaded) (*loaded, error) {
	if known != nil && known.Epoch == rec.Epoch && known.ref() == rec.ref() {
		return known, nil
	}
	if known != nil && known.Epoch == rec.Epoch && known.Rev < rec.Rev && rec.Rev-known.Rev <= maxWalk {
		l, err := r.since(ctx, rec, known)
		if live.CodeOf(err) != CodeRecordMissing {
			return l, err
		}
	}
	return r.fromCheckpoint(ctx, rec)
}

// chain returns the records from one back to the first that stop takes, or to one without
// a parent.
func (r *reader) chain(ctx context.Context, rec *record, stop func(*record) (bool, error)) (chain []*record, err error) {
	for {
		stopped, err := stop(rec)
		if err != nil {
			return nil, err
		}
		if chain = append(chain, rec); stopped || rec.Parent == (Ref{}) {
			return chain, nil
		}
		if rec, err = r.record(ctx, rec.Epoch, rec.Parent); err != nil {
			return nil, err
		}
	}
}

// since reads a release by the records that follow the one that is known.
func (r *reader) since(ctx context.Context, rec *record, known *loaded) (*loaded, error) {
	chain, err := r.chain(ctx, rec, func(rec *record) (bool, error) { return rec.Parent.Revision <= known.Rev, nil })
	if err != nil {
		return nil, err
	}
	if chain[len(chain)-1].Parent != known.ref() {
		return nil, fault(CodeRecordMissing, "the records of revision %d do not lead to revision %d", rec.Rev, known.Rev)
	}
	l := &loaded{manifest: maps.Clone(known.manifest)}
	return l, l.replay(chain)
}

// fromCheckpoint reads a release by the records that follow a checkpoint, or by all.
func (r *reader) fromCheckpoint(ctx context.Context, rec *record) (*loaded, error) {
	checkpoints, err := r.checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	l := &loaded{manifest: manifest{}}
	var bad error // of a checkpoint: an older one does as well
	chain, err := r.chain(ctx, rec, func(rec *record) (bool, error) {
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
