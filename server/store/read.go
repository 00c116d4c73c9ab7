package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

// patience is how long a store may take for one answer.
const patience = 10 * time.Second

// reader reads the objects of a store, and checks them.
type reader struct {
	Backend
	*codec
}

func newReader(b Backend) *reader { return &reader{b, newCodec()} }

// unreachable returns why a store has not done what it was asked for: that ctx was cancelled,
// or a fault. A deadline of ctx is a fault, too: err says what kept the store until then.
func unreachable(ctx context.Context, err error) error {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fault(CodeUnreachable, "the store cannot be used: %w; check its address, that it runs, and what its user may do", err)
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
		if len(o.Value) > MaxObject {
			return nil, fault(CodeTooLarge, "the object %q has more than %d bytes", o.Key, MaxObject)
		}
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

// delete deletes objects.
func (r *reader) delete(ctx context.Context, objects []Object) error {
	limited, cancel := context.WithTimeout(ctx, patience*time.Duration(1+len(objects)/100))
	defer cancel()
	if err := r.Delete(limited, objects); err != nil {
		return unreachable(ctx, err)
	}
	return nil
}

// probe returns why the store does not answer, sooner than list does.
func (r *reader) probe(ctx context.Context) error {
	_, err := r.get(ctx, targetKey)
	return err
}

// readHead returns the target, nil if there is none, and its object.
func (r *reader) readHead(ctx context.Context) (*target, Object, error) {
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
	for some := range slices.Chunk(hashes, listsAtOnce) {
		texts, err := r.units(ctx, some)
		if err != nil {
			return err
		}
		for _, hash := range some {
			if err := l.add(code, texts[hash]); err != nil {
				return err
			}
		}
	}
	return nil
}

// listsAtOnce is how many lists are read at once, up to a MiB each.
const listsAtOnce = 50

// add adds a list as it is stored.
func (l *list) add(code string, text []byte) error {
	var more struct {
		versioned
		list
	}
	if err := decode(code, "a list of units", text, &more); err != nil {
		return err
	}
	l.Put, l.Removed = append(l.Put, more.Put...), append(l.Removed, more.Removed...)
	if !more.isGood() || len(l.Put)+len(l.Removed) > 2*MaxUnits {
		return fault(code, "a list of units is not as its format demands")
	}
	return nil
}

// units returns the texts of units by their hashes.
func (r *reader) units(ctx context.Context, hashes []string) (map[string][]byte, error) {
	stored, err := r.stored(ctx, hashes)
	if err != nil {
		return nil, err
	}
	return r.unpackAll(stored)
}

// stored returns units by their hashes, as they are stored and unchecked.
func (r *reader) stored(ctx context.Context, hashes []string) (map[string][]byte, error) {
	keys := make([]string, len(hashes))
	for i, hash := range hashes {
		keys[i] = unitPrefix + hash
	}
	found, err := r.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	stored := make(map[string][]byte, len(hashes))
	for i, hash := range hashes {
		o, exists := found[keys[i]]
		if !exists {
			return nil, fault(CodeUnitMissing, "the unit %s is not in the store", hash)
		}
		stored[hash] = o.Value
	}
	return stored, nil
}

// unpackAll decompresses units, and checks their sizes before and their hashes then.
func (r *reader) unpackAll(stored map[string][]byte) (map[string][]byte, error) {
	sizes, all := make(map[string]int, len(stored)), 0
	for hash, data := range stored {
		size, err := textSize(data)
		if err != nil {
			return nil, badUnit(hash, err)
		}
		if all += size; all > MaxText {
			return nil, tooLarge("%d bytes of policies and groups", MaxText)
		}
		sizes[hash] = size
	}
	texts := make(map[string][]byte, len(stored))
	for hash, data := range stored {
		text, err := r.unpack(data, hash, sizes[hash])
		if err != nil {
			return nil, badUnit(hash, err)
		}
		texts[hash] = text
	}
	return texts, nil
}

func badUnit(hash string, err error) error {
	return fault(CodeUnit, "the unit %s cannot be read: %w", hash, err)
}
