package store_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// policies returns the units of a policy for each age, named by its place.
func policies(t testing.TB, ages ...int) []policyfile.Unit {
	t.Helper()
	units := []policyfile.Unit{{Kind: policyfile.UnitGroup, Name: "apps", Data: []byte("https://app.example.com\n")}}
	for i, age := range ages {
		const file = `{"policies":[{"name":"p%d","hosts":["h%d.example.com"],"cors":{"allowOrigins":["group:apps"],"maxAge":%d}}]}` + "\n"
		units = append(units, policyfile.Unit{Kind: policyfile.UnitPolicy, Name: fmt.Sprintf("p%d", i), Data: fmt.Appendf(nil, file, i, i, age)})
	}
	return units
}

func TestPoliciesAreAsTheyAreCut(t *testing.T) {
	var b strings.Builder
	b.WriteString("originGroups:\n  apps: [\"https://app.example.com\"]\npolicies:\n")
	for i, age := range []int{7, 8} {
		fmt.Fprintf(&b, "- {name: p%d, hosts: [h%d.example.com], cors: {allowOrigins: [\"group:apps\"], maxAge: %d}}\n", i, i, age)
	}
	if got, want := contentOf(cut(t, b.String())), contentOf(policies(t, 7, 8)); got != want {
		t.Errorf("cut\n%s\nwant\n%s", got, want)
	}
}

func cut(t testing.TB, text string) []policyfile.Unit {
	t.Helper()
	units, res, err := store.Cut(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "")
	if err != nil || res.HasErrors() {
		t.Fatalf("Cut: %v, %v", res.Diagnostics, err)
	}
	return units
}

func push(t testing.TB, b store.Backend, units []policyfile.Unit, meta store.Meta) store.Pushed {
	t.Helper()
	p, err := store.Push(servertest.Context(t), b, units, meta)
	if err := errors.Join(err, p.Checkpoint); err != nil {
		t.Fatalf("Push: %v", err)
	}
	return p
}

// content returns the files as text.
func content(files []live.File) string {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "-- %s --\n%s", f.Name, f.Data)
	}
	return b.String()
}

// contentOf is content of units.
func contentOf(units []policyfile.Unit) string {
	files := []live.File{{Name: policyfile.GroupsFile, Data: policyfile.Groups(units)}}
	for _, u := range units {
		files = append(files, live.File{Name: u.File(), Data: u.Data})
	}
	slices.SortFunc(files, func(a, b live.File) int { return strings.Compare(a.Name, b.Name) })
	return content(files)
}

func pull(t testing.TB, b store.Backend, revision uint64) *store.Release {
	t.Helper()
	r, err := store.Pull(servertest.Context(t), b, revision)
	if err != nil {
		t.Fatalf("Pull: %v", err)
	}
	return r
}

func expectContent(t testing.TB, b store.Backend, revision uint64, units []policyfile.Unit) {
	t.Helper()
	if got, want := content(pull(t, b, revision).Files), contentOf(units); got != want {
		t.Errorf("revision %d has\n%s\nwant\n%s", revision, got, want)
	}
}

// codeOf returns the code of a fault, "" if err is nil, else the error.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return cmp.Or(live.CodeOf(err), "no fault: "+err.Error())
}

func expectCode(t testing.TB, what string, err error, want string) {
	t.Helper()
	if got := codeOf(err); got != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

// tampered is a backend that a test comes between: before is called before each call,
// which is not made if it returns an error, and after behind it.
type tampered struct {
	store.Backend
	mu            sync.Mutex
	calls         []string // that were made
	before, after func(call string) error
}

func (b *tampered) do(call string, f func() error) error {
	b.mu.Lock()
	b.calls = append(b.calls, call)
	b.mu.Unlock()
	if b.before != nil {
		if err := b.before(call); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if b.after != nil {
		return b.after(call)
	}
	return nil
}

func (b *tampered) count(call string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (b *tampered) Get(ctx context.Context, keys ...string) (objects []store.Object, err error) {
	err = b.do("Get", func() (err error) { objects, err = b.Backend.Get(ctx, keys...); return err })
	return objects, err
}

func (b *tampered) List(ctx context.Context, prefix string) (objects []store.Object, err error) {
	err = b.do("List", func() (err error) { objects, err = b.Backend.List(ctx, prefix); return err })
	return objects, err
}

// Put puts each object by itself, so that it can be broken off in between.
func (b *tampered) Put(ctx context.Context, objects []store.Object) error {
	for _, o := range objects {
		if err := b.do("Put", func() error { return b.Backend.Put(ctx, []store.Object{o}) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *tampered) Swap(ctx context.Context, objects []store.Object) (ok bool, err error) {
	err = b.do("Swap", func() (err error) { ok, err = b.Backend.Swap(ctx, objects); return err })
	return ok, err
}

func (b *tampered) Delete(ctx context.Context, objects []store.Object) error {
	return b.do("Delete", func() error { return b.Backend.Delete(ctx, objects) })
}

func (b *tampered) Announce(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return b.do("Announce", func() error { return b.Backend.Announce(ctx, key, value, ttl) })
}

// objects returns all objects of a backend by their keys.
func objects(t testing.TB, b store.Backend) map[string]store.Object {
	t.Helper()
	listed, err := b.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range listed {
		keys = append(keys, o.Key)
	}
	got, err := b.Get(t.Context(), keys...)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]store.Object{}
	for _, o := range got {
		all[o.Key] = o
	}
	return all
}

// keys returns the sorted keys of a backend's objects with a prefix.
func keys(t testing.TB, b store.Backend, prefix string) []string {
	t.Helper()
	listed, err := b.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, o := range listed {
		all = append(all, o.Key)
	}
	return all
}

// memory returns a store with a release for each age.
func memory(t testing.TB, ages ...int) *storetest.Memory {
	t.Helper()
	m := &storetest.Memory{}
	for _, age := range ages {
		push(t, m, policies(t, age, 1), store.Meta{By: "ann", Message: fmt.Sprint("age ", age)})
	}
	return m
}

func sum(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}

func mapsKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
