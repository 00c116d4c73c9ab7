package store_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// blank returns groups that have a size each and compress to little.
func blank(sizes ...int) (units []policyfile.Unit) {
	for i, size := range sizes {
		units = append(units, policyfile.Unit{Kind: policyfile.UnitGroup, Name: fmt.Sprint("g", i), Data: bytes.Repeat([]byte("\n"), size)})
	}
	return units
}

// release puts a release of units, unchecked.
func release(t *testing.T, units []policyfile.Unit, pack func([]byte) []byte) *storetest.Memory {
	t.Helper()
	m := memory(t, 1)
	root, entries := "", []any{}
	for _, u := range units {
		hash := sum(u.Data)
		put(t, m, "u/"+hash, pack(u.Data))
		root += fmt.Sprintf("%s %s %s\n", u.Kind, u.Name, hash)
		entries = append(entries, map[string]any{"kind": u.Kind, "name": u.Name, "hash": hash})
	}
	forge(t, m, func(o map[string]any) {
		delete(o, "inline")
		o["put"], o["count"], o["root"] = entries, len(units), sum([]byte(root))
	})
	return m
}

// packer returns what compresses, and writes sizes or not.
func packer(t *testing.T, stream bool) func([]byte) []byte {
	t.Helper()
	return func(data []byte) []byte {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !stream {
			return w.EncodeAll(data, nil)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
}

func TestAReleaseThatIsTooLargeIsNotRead(t *testing.T) {
	const third = store.MaxText/3 + 1
	sized, unsized := packer(t, false), packer(t, true)
	// of is what pack makes of parts of data by themselves.
	of := func(first int) func([]byte) []byte {
		return func(data []byte) []byte { return append(sized(data[:first]), sized(data[first:])...) }
	}
	for name, c := range map[string]struct {
		units []policyfile.Unit
		pack  func([]byte) []byte
		want  string
	}{
		"small":                          {blank(0, 1, 255, 256, 3000), sized, ""},
		"units that are too large":       {blank(third, third+1, third+2), sized, store.CodeTooLarge},
		"one unit again and again":       {blank(third, third, third), sized, store.CodeTooLarge},
		"a unit that is too large":       {blank(store.MaxUnitText + 1), sized, store.CodeUnit},
		"a unit that hides its size":     {blank(1 << 20), unsized, store.CodeUnit},
		"a unit that has more behind it": {blank(1 << 20), of(1000), store.CodeUnit},
		"a unit that is stored as more": {
			blank(10), func([]byte) []byte { return make([]byte, store.MaxUnit+1) }, store.CodeUnit,
		},
		"an object that is too large": {
			blank(10), func([]byte) []byte { return make([]byte, store.MaxObject+1) }, store.CodeTooLarge,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Pull(t.Context(), release(t, c.units, c.pack), 0)
			expectCode(t, "Pull", err, c.want)
		})
	}
}

// TestWhatIsKnownCountsToo has a release of which one unit alone is not known yet.
func TestWhatIsKnownCountsToo(t *testing.T) {
	const half = store.MaxText / 2
	m := &storetest.Memory{}
	push(t, m, blank(half, half-1), store.Meta{})
	if _, err := store.Push(t.Context(), m, blank(half, half-1, 2), store.Meta{}); codeOf(err) != store.CodeTooLarge {
		t.Errorf("Push: %v", err)
	}
	push(t, m, blank(half, half-1, 1), store.Meta{})
	_, err := store.Push(t.Context(), m, blank(1), store.Meta{Message: strings.Repeat("a", store.MaxObject)})
	if err == nil || !strings.Contains(err.Error(), "write a shorter message") {
		t.Errorf("Push with a long message: %v", err)
	}
}

func TestTooManyUnitsAreRefused(t *testing.T) {
	units := make([]policyfile.Unit, store.MaxUnits+1)
	for i := range units {
		units[i] = policyfile.Unit{Kind: policyfile.UnitGroup, Name: fmt.Sprint("g", i)}
	}
	if _, err := store.Push(t.Context(), &storetest.Memory{}, units, store.Meta{}); codeOf(err) != store.CodeTooLarge {
		t.Errorf("Push: %v", err)
	}
}
