package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// long returns a store with checkpoints, and what its last release has.
func long(t testing.TB) (*storetest.Memory, []policyfile.Unit) {
	t.Helper()
	m, last := &storetest.Memory{}, []policyfile.Unit(nil)
	for i := range 104 {
		last = policies(t, slices.Repeat([]int{i}, 3+i%5)...)
		push(t, m, last, store.Meta{})
	}
	return m, last
}

func read(t testing.TB, s *store.Source) live.Reading {
	t.Helper()
	r, err := s.Read(servertest.Context(t))
	if err != nil || r.HasErrors() {
		t.Fatalf("Read: %v, %v", r.Diagnostics, err)
	}
	return r
}

func TestAColdStartReadsACheckpoint(t *testing.T) {
	m, last := long(t)
	b := &tampered{Backend: m}
	r := read(t, &store.Source{Backend: b})
	if content(r.Files) != contentOf(last) || r.Release.Revision != 104 {
		t.Errorf("read revision %d with\n%s", r.Release.Revision, content(r.Files))
	}
	if n := len(b.calls); n > 20 {
		t.Errorf("a start makes %d calls: %v", n, b.calls)
	}
	for _, key := range keys(t, m, "w/log/")[:99] {
		remove(t, m, key)
	}
	if r := read(t, &store.Source{Backend: m}); content(r.Files) != contentOf(last) {
		t.Error("without the records before a checkpoint something else is read")
	}
	expectContent(t, m, 101, policies(t, slices.Repeat([]int{100}, 3)...))
	push(t, m, policies(t, 1), store.Meta{})
}

func remove(t testing.TB, b store.Backend, key string) {
	t.Helper()
	if err := b.Delete(t.Context(), []store.Object{{Key: key}}); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, b store.Backend, key string, value []byte) {
	t.Helper()
	if err := b.Put(t.Context(), []store.Object{{Key: key, Value: value}}); err != nil {
		t.Fatal(err)
	}
}

// TestACheckpointThatIsOfNoUseIsPassedOver has others before it.
func TestACheckpointThatIsOfNoUseIsPassedOver(t *testing.T) {
	whole, last := long(t)
	for name, damage := range map[string]func(m *storetest.Memory, index, older string){
		"another one's": func(m *storetest.Memory, index, older string) { put(t, m, index, objects(t, m)[older].Value) },
		"of other units": func(m *storetest.Memory, index, _ string) {
			edit(t, m, index, func(o map[string]any) { o["lists"] = nil })
		},
		"of missing units": func(m *storetest.Memory, index, _ string) {
			edit(t, m, index, func(o map[string]any) { o["lists"] = []string{sum(nil)} })
		},
		"newer": func(m *storetest.Memory, index, _ string) { edit(t, m, index, func(o map[string]any) { o["v"] = 2 }) },
		"empty": func(m *storetest.Memory, index, _ string) { put(t, m, index, nil) },
	} {
		m := whole.Copy()
		var indices []string
		for _, key := range keys(t, m, "c/") {
			if strings.HasSuffix(key, "/index") {
				indices = append(indices, key)
			}
		}
		if len(indices) != 2 {
			t.Fatalf("the store has the checkpoints %q", indices)
		}
		damage(m, indices[1], indices[0])
		if r := read(t, &store.Source{Backend: m}); content(r.Files) != contentOf(last) {
			t.Errorf("%s: read something else", name)
		}
		for _, key := range keys(t, m, "w/log/")[:60] {
			remove(t, m, key)
		}
		_, err := (&store.Source{Backend: m}).Read(t.Context())
		expectCode(t, name+", and there is no way around", err, store.CodeCheckpoint)
	}
}

// TestManyUnitsComeFromACheckpoint is about more units than are read each by itself.
func TestManyUnitsComeFromACheckpoint(t *testing.T) {
	m := &storetest.Memory{}
	for i := range 49 {
		push(t, m, policies(t, i), store.Meta{})
	}
	ages := make([]int, 600)
	for i := range ages {
		ages[i] = i
	}
	// What is small would come with the record.
	large := policyfile.Unit{Kind: policyfile.UnitGroup, Name: "large", Data: []byte(incompressible(20_000))}
	many := append(policies(t, ages...), large)
	push(t, m, many, store.Meta{})
	if r := read(t, &store.Source{Backend: m}); content(r.Files) != contentOf(many) {
		t.Error("read something else")
	}
	// Nor does it matter if a pack is lost, or is another one.
	packs := keys(t, m, "c/")
	pack := objects(t, m)[packs[0]].Value
	pack[len(pack)-20] ^= 1
	put(t, m, packs[0], pack)
	if r := read(t, &store.Source{Backend: m}); content(r.Files) != contentOf(many) {
		t.Error("with a broken pack something else is read")
	}
	remove(t, m, packs[0])
	if r := read(t, &store.Source{Backend: m}); content(r.Files) != contentOf(many) {
		t.Error("without a pack something else is read")
	}
}

// TestEachBitIsRefusedOrChangesNothing flips bits of each kind of object, and has them
// read by an instance that starts and by one that has the release before.
func TestEachBitIsRefusedOrChangesNothing(t *testing.T) {
	whole, last := long(t)
	before := whole.Copy()
	last = append(last, policies(t, 7, 7, 7, 7, 7, 7, 7, 7, 7)[6:]...)
	slices.SortFunc(last, func(a, b policyfile.Unit) int { return strings.Compare(a.Kind+a.Name, b.Kind+b.Name) })
	last = slices.CompactFunc(last, func(a, b policyfile.Unit) bool { return a.Kind == b.Kind && a.Name == b.Name })
	push(t, whole, last, store.Meta{})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	refused, same := 0, 0
	all := objects(t, whole)
	for _, key := range slices.Sorted(mapsKeys(all)) {
		flips := 1
		if strings.HasPrefix(key, "w/log/") && key < "w/log/0000000000000100" {
			continue // nobody reads it
		}
		if key == "w/target" || strings.HasPrefix(key, "w/log/0000000000000105") || strings.HasSuffix(key, "/index") {
			flips = 40
		}
		for range flips {
			value := bytes.Clone(all[key].Value)
			bit := random.IntN(8 * len(value))
			value[bit/8] ^= 1 << (bit % 8)
			cold, warm := &store.Source{Backend: whole}, &store.Source{Backend: &storetest.Losable{Backend: before}}
			read(t, warm)
			warm.Backend.(*storetest.Losable).Backend = whole
			put(t, whole, key, value)
			for name, s := range map[string]*store.Source{"an instance that starts": cold, "an instance that follows": warm} {
				r, err := s.Read(servertest.Context(t))
				switch {
				case err != nil && slices.Contains(store.Codes(), codeOf(err)):
					refused++
				case err != nil:
					t.Errorf("bit %d of %s: %s says %v, which is no fault", bit, key, name, err)
				case content(r.Files) != contentOf(last):
					t.Errorf("bit %d of %s: %s reads something else", bit, key, name)
				default:
					same++
				}
			}
		}
		put(t, whole, key, all[key].Value)
	}
	if refused < 50 || same < 50 {
		t.Errorf("%d flips were refused, and %d changed nothing", refused, same)
	}
}

// edit changes an object that is JSON.
func edit(t testing.TB, b store.Backend, key string, change func(map[string]any)) {
	t.Helper()
	got, err := b.Get(t.Context(), key)
	if err != nil || len(got) == 0 {
		t.Fatalf("Get of %s: %v, %v", key, got, err)
	}
	var object map[string]any
	if err := json.Unmarshal(got[0].Value, &object); err != nil {
		t.Fatal(err)
	}
	change(object)
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, key, text)
}

// forge changes the record that serves, and has the target name what comes of it.
func forge(t testing.TB, b store.Backend, change func(record map[string]any)) {
	t.Helper()
	records := keys(t, b, "w/log/")
	last := records[len(records)-1]
	edit(t, b, last, change)
	got, err := b.Get(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	hash := sum(got[0].Value)
	var record struct{ Rev uint64 }
	if err := json.Unmarshal(got[0].Value, &record); err != nil {
		t.Fatal(err)
	}
	put(t, b, fmt.Sprintf("w/log/%016d-%s", record.Rev, hash[:16]), got[0].Value)
	edit(t, b, "w/target", func(target map[string]any) {
		target["stable"] = map[string]any{"rev": record.Rev, "hash": hash}
	})
}

// TestFaults damages a store that an instance has read once, with one more release since.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		damage   func(t *testing.T, m *storetest.Memory)
		want     string // code
		cold     string // code of who has not read before, if want is CodeRegressed
		onlyCold bool   // who has read before needs nothing of it
	}{
		"nothing": {damage: func(*testing.T, *storetest.Memory) {}},
		"no target": {
			damage: func(t *testing.T, m *storetest.Memory) { remove(t, m, "w/target") },
			want:   store.CodeRegressed, cold: store.CodeEmpty,
		},
		"a target that is not JSON": {
			damage: func(t *testing.T, m *storetest.Memory) { put(t, m, "w/target", []byte("{")) }, want: store.CodeTarget,
		},
		"an empty target": {
			damage: func(t *testing.T, m *storetest.Memory) { put(t, m, "w/target", nil) }, want: store.CodeTarget,
		},
		"a target without a release": {
			damage: func(t *testing.T, m *storetest.Memory) {
				edit(t, m, "w/target", func(o map[string]any) { delete(o, "stable") })
			}, want: store.CodeTarget,
		},
		"a newer target": {
			damage: func(t *testing.T, m *storetest.Memory) {
				edit(t, m, "w/target", func(o map[string]any) { o["v"] = 2; o["stable"] = "elsewhere" })
			}, want: store.CodeVersion,
		},
		"a target with more": {
			damage: func(t *testing.T, m *storetest.Memory) {
				edit(t, m, "w/target", func(o map[string]any) { o["next"] = map[string]any{"rev": 9}; o["percent"] = 10 })
			},
		},
		"a target with a revision of another record": {
			damage: func(t *testing.T, m *storetest.Memory) {
				edit(t, m, "w/target", func(o map[string]any) { o["stable"].(map[string]any)["rev"] = 7 })
			}, want: store.CodeRecordMissing,
		},
		"no record": {
			damage: func(t *testing.T, m *storetest.Memory) { remove(t, m, keys(t, m, "w/log/")[2]) }, want: store.CodeRecordMissing,
		},
		"no record in between": {
			damage: func(t *testing.T, m *storetest.Memory) { remove(t, m, keys(t, m, "w/log/")[1]) }, onlyCold: true, want: store.CodeRecordMissing,
		},
		"another record": {
			damage: func(t *testing.T, m *storetest.Memory) {
				edit(t, m, keys(t, m, "w/log/")[2], func(o map[string]any) { o["by"] = "eve" })
			}, want: store.CodeRecord,
		},
		"a newer record": {
			damage: func(t *testing.T, m *storetest.Memory) { forge(t, m, func(o map[string]any) { o["v"] = 2 }) }, want: store.CodeVersion,
		},
		"a record with more": {
			damage: func(t *testing.T, m *storetest.Memory) { forge(t, m, func(o map[string]any) { o["sig"] = "x" }) },
		},
		"a record of another epoch": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) { o["epoch"] = strings.Repeat("0", 32) })
			}, want: store.CodeRecord,
		},
		"a record of an older parent": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) { o["parent"].(map[string]any)["rev"] = 1 })
			}, want: store.CodeRecord,
		},
		"a record with a name that is a path": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) { o["put"].([]any)[0].(map[string]any)["name"] = "../p" })
			}, want: store.CodeRecord,
		},
		"a record with another root": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) { o["root"] = strings.Repeat("0", 64) })
			}, want: store.CodeRoot,
		},
		"a record with another count": {
			damage: func(t *testing.T, m *storetest.Memory) { forge(t, m, func(o map[string]any) { o["count"] = 7 }) }, want: store.CodeRoot,
		},
		"a record with other units": {
			damage: func(t *testing.T, m *storetest.Memory) { forge(t, m, func(o map[string]any) { delete(o, "put") }) }, want: store.CodeRoot,
		},
		"a record with other units inline": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) {
					for hash := range o["inline"].(map[string]any) {
						o["inline"].(map[string]any)[hash] = []byte("else")
					}
				})
			}, want: store.CodeUnit,
		},
		"another unit": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) { delete(o, "inline") })
				all := objects(t, m)
				for key := range all {
					if strings.HasPrefix(key, "u/") {
						put(t, m, key, all[keys(t, m, "u/")[0]].Value)
					}
				}
			}, want: store.CodeUnit,
		},
		"no unit": {
			damage: func(t *testing.T, m *storetest.Memory) {
				forge(t, m, func(o map[string]any) { delete(o, "inline") })
				for _, key := range keys(t, m, "u/") {
					remove(t, m, key)
				}
			}, want: store.CodeUnitMissing,
		},
		"the release before": {
			damage: func(t *testing.T, m *storetest.Memory) {
				edit(t, m, "w/target", func(o map[string]any) {
					record := strings.TrimPrefix(keys(t, m, "w/log/")[0], "w/log/")
					got, _ := m.Get(t.Context(), "w/log/"+record)
					o["stable"] = map[string]any{"rev": 1, "hash": sum(got[0].Value)}
				})
			}, want: store.CodeRegressed, cold: "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory(t, 1, 2)
			s := &store.Source{Backend: m}
			read(t, s)
			push(t, m, policies(t, 3, 4, 5), store.Meta{})
			c.damage(t, m)
			_, err := s.Read(t.Context())
			if c.onlyCold {
				expectCode(t, "who has read before", err, "")
			} else {
				expectCode(t, "who has read before", err, c.want)
			}
			if c.want == store.CodeRegressed {
				c.want = c.cold
			}
			_, err = (&store.Source{Backend: m}).Read(t.Context())
			expectCode(t, "who has not", err, c.want)
			_, err = store.Pull(t.Context(), m, 0)
			expectCode(t, "Pull", err, c.want)
		})
	}
}

// TestAStoreThatHasLostReleasesIsNotFollowed until it is restored.
func TestAStoreThatHasLostReleasesIsNotFollowed(t *testing.T) {
	backup := memory(t, 1, 2)
	now := backup.Copy()
	b := &storetest.Losable{Backend: now}
	s := &store.Source{Backend: b}
	push(t, now, policies(t, 3, 1), store.Meta{})
	push(t, now, policies(t, 4, 1), store.Meta{})
	served := read(t, s)
	b.Backend = backup
	refused := func(what, want string) {
		t.Helper()
		again := &store.Source{Backend: b, Served: served.Release}
		for who, s := range map[string]*store.Source{"who follows": s, "who starts again": again} {
			_, err := s.Read(t.Context())
			expectCode(t, who+", "+what, err, store.CodeRegressed)
			if err != nil && (!strings.Contains(err.Error(), "corsgate restore") || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, %s: %v, want %q and what to do", who, what, err, want)
			}
		}
	}
	refused("an older revision", "revision 2, and 4 was read")
	push(t, backup, policies(t, 5, 1), store.Meta{})
	push(t, backup, policies(t, 6, 1), store.Meta{})
	refused("another one of the same revision", "another revision 4")
	push(t, backup, policies(t, 7, 1), store.Meta{})
	refused("a history with another one of the same revision", "another revision 4")
	other := memory(t, 1, 2, 3, 4, 5, 6)
	b.Backend = other
	refused("another store", "another history")
	b.Backend = memory(t)
	refused("an empty store", "nothing, and revision 4 was read")
	unrelated := memory(t, 1)
	if _, err := store.Restore(t.Context(), unrelated, policies(t, 2), store.Lost{Epoch: strings.Repeat("e", 32), Revision: 9}, store.Meta{}); err != nil {
		t.Fatal(err)
	}
	b.Backend = unrelated
	refused("another store that was restored", "another history")

	lost := store.Lost{Epoch: served.Release.Epoch, Revision: served.Release.Revision}
	for name, m := range map[string]*storetest.Memory{"the older store": backup, "another store": other, "an empty store": memory(t)} {
		b.Backend = m
		before, _ := store.Current(t.Context(), m)
		p, err := store.Restore(t.Context(), m, policies(t, 4, 1), lost, store.Meta{By: "ann"})
		if err != nil || p.Revision <= max(served.Release.Revision, before.Revision) || p.Epoch == served.Release.Epoch {
			t.Errorf("Restore of %s: %+v, %v", name, p, err)
		}
		follower := &store.Source{Backend: &storetest.Losable{Backend: now}}
		read(t, follower)
		follower.Backend.(*storetest.Losable).Backend = m
		if r := read(t, follower); r.Release.Epoch != p.Epoch || r.Release.Replaces != lost.Epoch || content(r.Files) != contentOf(policies(t, 4, 1)) {
			t.Errorf("%s: read %+v, want what was restored", name, r.Release)
		}
		push(t, m, policies(t, 9, 1), store.Meta{})
		if r := read(t, follower); r.Release.Revision != p.Revision+1 || r.Release.Replaces != lost.Epoch {
			t.Errorf("%s: read %+v, want the release after what was restored", name, r.Release)
		}
		again := &store.Source{Backend: m, Served: served.Release}
		read(t, again)
		_, err = (&store.Source{Backend: now, Served: read(t, again).Release}).Read(t.Context())
		expectCode(t, "the epoch before", err, store.CodeRegressed)
		// Who comes late follows too, and who has what the store had before.
		late := &store.Source{Backend: &storetest.Losable{Backend: now}}
		read(t, late)
		late.Backend.(*storetest.Losable).Backend = m
		read(t, late)
		stranger := &store.Source{Backend: &storetest.Losable{Backend: memory(t, 1)}}
		read(t, stranger)
		stranger.Backend.(*storetest.Losable).Backend = m
		_, err = stranger.Read(t.Context())
		expectCode(t, name+", which does not restore what somebody has", err, store.CodeRegressed)
	}
	if _, err := store.Restore(t.Context(), now, policies(t, 1), store.Lost{Epoch: "x"}, store.Meta{}); err == nil || !strings.Contains(err.Error(), "not an epoch") {
		t.Errorf("Restore of no epoch: %v", err)
	}
}

// TestAStoreThatIsBrokenCanBeRestored is about what a push cannot follow.
func TestAStoreThatIsBrokenCanBeRestored(t *testing.T) {
	for name, damage := range map[string]func(m *storetest.Memory){
		"no record":  func(m *storetest.Memory) { remove(t, m, keys(t, m, "w/log/")[1]) },
		"no target":  func(m *storetest.Memory) { remove(t, m, "w/target") },
		"bad target": func(m *storetest.Memory) { put(t, m, "w/target", []byte("x")) },
		"no units": func(m *storetest.Memory) {
			for _, key := range keys(t, m, "u/") {
				remove(t, m, key)
			}
		},
	} {
		m := memory(t, 1, 2)
		s := &store.Source{Backend: m}
		served := read(t, s)
		damage(m)
		lost := store.Lost{Epoch: served.Release.Epoch, Revision: served.Release.Revision}
		if _, err := store.Restore(t.Context(), m, policies(t, 2, 1), lost, store.Meta{}); err != nil {
			t.Errorf("%s: Restore: %v", name, err)
			continue
		}
		if r := read(t, s); r.Release.Revision != 3 || r.Release.Epoch == served.Release.Epoch {
			t.Errorf("%s: read %+v", name, r.Release)
		}
		if r := read(t, &store.Source{Backend: m}); content(r.Files) != contentOf(policies(t, 2, 1)) {
			t.Errorf("%s: who starts reads something else", name)
		}
	}
	newer := memory(t, 1)
	edit(t, newer, "w/target", func(o map[string]any) { o["v"] = 2 })
	_, err := store.Restore(t.Context(), newer, policies(t, 1), store.Lost{Epoch: strings.Repeat("0", 32)}, store.Meta{})
	expectCode(t, "Restore of a newer store", err, store.CodeVersion)
}

// TestWhoIsFarBehindFollows is about records that were collected, and about more of
// them than are read in a row.
func TestWhoIsFarBehindFollows(t *testing.T) {
	m := memory(t, 1)
	s := &store.Source{Backend: m}
	read(t, s)
	behind := &store.Source{Backend: m}
	read(t, behind)
	for i := range 120 {
		push(t, m, policies(t, 10+i, 1), store.Meta{})
	}
	if _, err := store.GC(t.Context(), m, 2, false); err != nil {
		t.Fatal(err)
	}
	if r := read(t, s); r.Release.Revision != 121 {
		t.Errorf("read revision %d", r.Release.Revision)
	}
	// A store that has another record of the revision that was read is another one.
	put(t, m, "w/log/0000000000000001-0123456789abcdef", nil)
	_, err := behind.Read(t.Context())
	expectCode(t, "another history", err, store.CodeRegressed)
}
