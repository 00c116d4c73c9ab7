package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/server/live"
)

// checkpointEvery is how many releases may follow the last checkpoint.
const checkpointEvery = 50

// A checkpoint is an index and packs. It is an object besides the records, which lead
// to its release and have the root: it only saves reads, and is not trusted.
type checkpointIndex struct {
	versioned
	// Lists are the hashes of objects with the units of the release.
	Lists []string `json:"lists"`
	// Packs are the hashes of objects with the units themselves, see packUnits.
	Packs []string `json:"packs"`
}

func (r Ref) indexKey() string { return checkpointPrefix + r.key() + "/index" }

func (r Ref) packKey(n int) string { return fmt.Sprintf("%s%s/%06d", checkpointPrefix, r.key(), n) }

// checkpoints returns the keys of the releases that have a checkpoint, see Ref.key.
func (r *reader) checkpoints(ctx context.Context) (map[string]bool, error) {
	objects, err := r.list(ctx, checkpointPrefix)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, o := range objects {
		if key, isIndex := strings.CutSuffix(strings.TrimPrefix(o.Key, checkpointPrefix), "/index"); isIndex {
			found[key] = true
		}
	}
	return found, nil
}

// index returns a checkpoint's. If it is of no use, the fault is CodeCheckpoint.
func (r *reader) index(ctx context.Context, ref Ref) (*checkpointIndex, error) {
	found, err := r.get(ctx, ref.indexKey())
	if err != nil {
		return nil, err
	}
	index, what := &checkpointIndex{}, fmt.Sprintf("the checkpoint of revision %d", ref.Revision)
	if err := decode(CodeCheckpoint, what, found[ref.indexKey()].Value, index); err != nil {
		return nil, fault(CodeCheckpoint, "%w", err)
	}
	if !slices.ContainsFunc(slices.Concat(index.Lists, index.Packs), func(hash string) bool { return !isHash(hash) }) {
		return index, nil
	}
	return nil, fault(CodeCheckpoint, "%s is not as its format demands", what)
}

// checkpoint returns the units of a release by its checkpoint.
func (r *reader) checkpoint(ctx context.Context, rec *record) (manifest, error) {
	index, err := r.index(ctx, rec.ref())
	if err != nil {
		return nil, err
	}
	var l list
	if err := r.readLists(ctx, CodeCheckpoint, index.Lists, &l); err != nil {
		if code := live.CodeOf(err); code == "" || code == CodeUnreachable {
			return nil, err
		}
		return nil, fault(CodeCheckpoint, "%w", err)
	}
	m := manifest{}
	if m.apply(&l); m.root() != rec.Root {
		return nil, fault(CodeCheckpoint, "the checkpoint of revision %d has other units than its record says", rec.Rev)
	}
	return m, nil
}

// packsAtOnce is how many packs are read at once, about a MiB each.
const packsAtOnce = 16

// packs adds the units of a checkpoint to near. A pack that is not what the index says
// is left out: its units can be read each by itself.
func (r *reader) packs(ctx context.Context, ref Ref, near map[string][]byte) error {
	index, err := r.index(ctx, ref)
	if err != nil {
		return err
	}
	for first := 0; first < len(index.Packs); first += packsAtOnce {
		hashes := index.Packs[first:min(first+packsAtOnce, len(index.Packs))]
		keys := make([]string, len(hashes))
		for i := range hashes {
			keys[i] = ref.packKey(first + i)
		}
		found, err := r.get(ctx, keys...)
		if err != nil {
			return err
		}
		for i, hash := range hashes {
			if data := found[keys[i]].Value; hashOf(data) == hash {
				unpackUnits(data, near)
			}
		}
	}
	return nil
}

// A pack has units as they are stored, each behind a line with its hash and its size.
func packUnit(pack []byte, hash string, packed []byte) []byte {
	return append(fmt.Appendf(pack, "%s %d\n", hash, len(packed)), packed...)
}

// unpackUnits adds the units of a pack to near.
func unpackUnits(pack []byte, near map[string][]byte) {
	for {
		line, rest, ok := bytes.Cut(pack, []byte("\n"))
		hash, text, _ := strings.Cut(string(line), " ")
		size, err := strconv.Atoi(text)
		if !ok || err != nil || size < 0 || size > len(rest) {
			return
		}
		near[hash], pack = rest[:size], rest[size:]
	}
}

// writeCheckpoint writes the checkpoint of a release. The index comes last: what is
// there without it is garbage.
func (r *reader) writeCheckpoint(ctx context.Context, of *loaded) error {
	l := manifest{}.change(of.manifest)
	lists, objects := r.cutList(l)
	if err := r.put(ctx, objects); err != nil {
		return err
	}
	w := packWriter{r: r, ref: of.ref()}
	for hashes := range slices.Chunk(of.manifest.hashes(), maxSingly) {
		stored, err := r.stored(ctx, hashes)
		if err != nil {
			return err
		}
		for _, hash := range hashes {
			if err := w.add(ctx, hash, stored[hash]); err != nil {
				return err
			}
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	index := encode(checkpointIndex{versioned{format}, lists, w.hashes})
	return r.put(ctx, []Object{{Key: of.ref().indexKey(), Value: index}})
}

// packWriter puts packs of about MaxUnit bytes.
type packWriter struct {
	r      *reader
	ref    Ref
	pack   []byte
	hashes []string
}

func (w *packWriter) add(ctx context.Context, hash string, packed []byte) error {
	if len(w.pack)+len(packed) > MaxUnit {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.pack = packUnit(w.pack, hash, packed)
	return nil
}

func (w *packWriter) flush(ctx context.Context) error {
	if len(w.pack) == 0 {
		return nil
	}
	err := w.r.put(ctx, []Object{{Key: w.ref.packKey(len(w.hashes)), Value: w.pack}})
	w.hashes, w.pack = append(w.hashes, hashOf(w.pack)), nil
	return err
}
