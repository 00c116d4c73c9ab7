package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// twoGenerations returns a folder with two sets in each of two generations, and the hashes of
// the sets.
func twoGenerations(t *testing.T) (path string, hashes []string) {
	path = t.TempDir()
	var sets []live.Reading
	for n := range 4 {
		r := reading(n+1, numbered(uint64(n+1)))
		sets, hashes = append(sets, r), append(hashes, r.Policies.Hash())
	}
	keep(t, path, sets[:2]...)
	keep(t, path, sets[2:]...)
	if names, err := generations(path); err != nil || len(names) != 2 {
		t.Fatalf("generations %q, %v", names, err)
	}
	return path, hashes
}

// startHash returns the hash of what a folder has, and fails if that is not one of hashes,
// with all that was kept with it. It is empty if nothing serves.
func startHash(t *testing.T, path string, hashes []string) string {
	t.Helper()
	d := open(t, path)
	defer func() { must(t, d.Close()) }()
	r, err := d.Read(t.Context())
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil || r.HasErrors() {
		t.Fatalf("Read: %v, %v", r.Diagnostics, err)
	}
	which := slices.Index(hashes, r.Policies.Hash())
	want := numbered(uint64(which + 1))
	if which < 0 || r.Release != want || d.Served() != want || time.Since(d.Kept()).Abs() > time.Hour {
		t.Fatalf("read %+v with %+v of %v, which is set %d", r.Release, d.Served(), d.Kept(), which)
	}
	return hashes[which]
}

// TestEachFlippedByte damages one generation, of which the other stands, and both. If the
// last commit can be read, nothing older serves.
func TestEachFlippedByte(t *testing.T) {
	path, hashes := twoGenerations(t)
	names, _ := generations(path)
	if text := logTo(t, path); text != "" {
		t.Errorf("two good generations: %s", text)
	}
	for which, name := range names {
		file := filepath.Join(path, name)
		good, err := os.ReadFile(file)
		must(t, err)
		last := bytes.LastIndex(good, []byte(commitBegin)) - headerSize
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= byte(1 + i%255)
			must(t, os.WriteFile(file, bad, 0o600))
			hash := startHash(t, path, hashes)
			if which == 1 && hash != hashes[3] {
				t.Fatalf("byte %d of the generation before: read %q", i, hash)
			}
			if which == 0 && i >= len(magic) && i < last && hash != "" && hash != hashes[3] {
				t.Fatalf("byte %d, before the last commit: read an older set", i)
			}
			if which == 0 && i > last && hash != hashes[2] {
				t.Fatalf("byte %d, of the last commit: read %q, want the set before", i, hash)
			}
		}
		must(t, os.WriteFile(file, good, 0o600))
	}
	for _, name := range names {
		must(t, os.WriteFile(filepath.Join(path, name), []byte(magic+"rubbish"), 0o600))
	}
	if hash, _ := kept(t, path); hash != "" {
		t.Errorf("read %s of nothing", hash)
	}
	contains(t, logTo(t, path), "level=ERROR", "cannot be read", names[0], names[1])
}

// TestWhatHasServedOutlivesDamage flips each bit behind the first of several sets.
func TestWhatHasServedOutlivesDamage(t *testing.T) {
	path := t.TempDir()
	keep(t, path, reading(1, numbered(1)), reading(2, numbered(2)), reading(3, numbered(3)), reading(4, numbered(4)))
	keep(t, path, reading(5, numbered(5)), reading(6, numbered(6)), reading(7, numbered(7)))
	file := newest(t, path)
	good, err := os.ReadFile(file)
	must(t, err)
	last := bytes.LastIndex(good, []byte(commitBegin)) - headerSize
	served, whole := 0, 0
	for i := len(magic); i < last; i += 3 {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		must(t, os.WriteFile(file, bad, 0o600))
		d := open(t, path)
		if d.Served() != numbered(7) {
			t.Fatalf("byte %d of %d: %+v has served", i, len(good), d.Served())
		}
		if _, err := d.Read(t.Context()); err == nil {
			whole++
		}
		served++
		must(t, d.Close())
	}
	if whole == 0 || whole == served {
		t.Errorf("of %d damaged generations, %d have the last set", served, whole)
	}
	must(t, os.WriteFile(file, append(bytes.Clone(good[:len(magic)+10]), good[len(magic)+11:]...), 0o600))
	contains(t, logTo(t, path), "level=ERROR", "do not serve", "revision=4", "served=7")
	c, err := OpenCopy(path)
	must(t, err)
	if r, err := c.Read(t.Context()); err != nil || r.Release != numbered(4) || c.Served() != numbered(7) {
		t.Errorf("a copy has %+v, %v, of which %+v has served", r.Release, err, c.Served())
	}
	// What has served is not forgotten by what is written behind.
	keep(t, path, reading(9, live.Release{}))
	if d := open(t, path); d.Served() != numbered(7) {
		t.Errorf("%+v has served", d.Served())
	}
}

// TestOtherFilesAreNoGenerations has files beside them that are called alike.
func TestOtherFilesAreNoGenerations(t *testing.T) {
	path := t.TempDir()
	keep(t, path, reading(1, numbered(1)))
	keep(t, path, reading(2, numbered(2)))
	good, err := os.ReadFile(newest(t, path))
	must(t, err)
	for _, name := range []string{"good-copy-of-monday00.state", "good-00000000000000x9.state", "good-+000000000000009.state", "good-99999999999999999.state", "good-0000000000000009.state~"} {
		must(t, os.WriteFile(filepath.Join(path, name), good, 0o600))
	}
	keep(t, path, reading(3, numbered(3)))
	if _, release := kept(t, path); release != numbered(3) || !strings.HasSuffix(newest(t, path), fmt.Sprintf(namePlain, 3)) {
		t.Errorf("kept %+v in %s", release, newest(t, path))
	}
}

// TestALossIsKept across starts, until another release serves.
func TestALossIsKept(t *testing.T) {
	path := t.TempDir()
	expect := func(want bool) {
		t.Helper()
		d := open(t, path)
		defer func() { must(t, d.Close()) }()
		if d.Lost() != want || d.Served() != numbered(2) {
			t.Errorf("lost: %v, served: %+v", d.Lost(), d.Served())
		}
		if r, err := d.Read(t.Context()); err != nil || r.Release != numbered(2) {
			t.Errorf("it has %+v, %v", r.Release, err)
		}
	}
	lose := func(before ...live.Reading) {
		t.Helper()
		d := open(t, path)
		for _, r := range before {
			d.Keep(r)
			d.write()
		}
		d.NoteLost()
		running(t, d)()
		if d.Failures() > 0 {
			t.Error("it was not written")
		}
	}
	lose() // an empty folder has lost nothing
	lose(reading(1, numbered(1)), reading(2, numbered(2)))
	expect(true)
	expect(true)
	keep(t, path, reading(2, numbered(2)))
	expect(false)
	lose()
	expect(true)
	keep(t, path, reading(2, numbered(2)))
	lose(reading(2, numbered(2)))
	expect(true)
}

// TestACopyIsOnlyRead has a folder that an instance uses, and one that has
// no state.
func TestACopyIsOnlyRead(t *testing.T) {
	path := t.TempDir()
	keep(t, path, reading(1, numbered(1)))
	open(t, path)
	c, err := OpenCopy(path)
	must(t, err)
	if r, err := c.Read(t.Context()); err != nil || r.Release != numbered(1) || c.Served() != numbered(1) {
		t.Errorf("it has %+v, %v", r.Release, err)
	}
	other := t.TempDir()
	if _, err := OpenCopy(other); err == nil || !strings.Contains(err.Error(), "no policies that an instance has kept") {
		t.Errorf("a folder without any: %v", err)
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) > 0 {
		t.Errorf("it has left %v, %v", entries, err)
	}
}

// TestEachTornWrite cuts the newest generation off at each length: a longer one never has
// an older set.
func TestEachTornWrite(t *testing.T) {
	path, hashes := twoGenerations(t)
	file := newest(t, path)
	good, err := os.ReadFile(file)
	must(t, err)
	last := 1 // what the generation before has
	for n := range len(good) + 1 {
		must(t, os.WriteFile(file, good[:n], 0o600))
		got := slices.Index(hashes, startHash(t, path, hashes))
		if got < last {
			t.Fatalf("with %d bytes it has set %d, and with fewer set %d", n, got, last)
		}
		last = got
	}
	if last != 3 {
		t.Errorf("whole, it has set %d", last)
	}
	must(t, os.WriteFile(file, good[:len(good)-1], 0o600))
	contains(t, logTo(t, path), "level=WARN", "last known good policies are not whole, a write was cut off")
}

// TestAfterATornWriteTheNextOneCounts writes behind what was cut off.
func TestAfterATornWriteTheNextOneCounts(t *testing.T) {
	path, hashes := twoGenerations(t)
	good, err := os.ReadFile(newest(t, path))
	must(t, err)
	must(t, os.WriteFile(newest(t, path), good[:len(good)-3], 0o600))
	last := reading(5, numbered(5))
	keep(t, path, last)
	if hash := startHash(t, path, append(hashes, last.Policies.Hash())); hash != last.Policies.Hash() {
		t.Errorf("read %s, want what was written at last", hash)
	}
}

// frames returns a generation of these frames.
func frames(list ...func(w *frameWriter)) string {
	var text bytes.Buffer
	text.WriteString(magic)
	w := &frameWriter{to: bufio.NewWriter(&text)}
	for _, write := range list {
		write(w)
	}
	_ = w.to.Flush()
	return text.String()
}

func frame(k kind, payload []byte) func(w *frameWriter) {
	return func(w *frameWriter) { w.write(k, payload) }
}

// TestWhatNobodyWrote has checksums that are right, and is refused all the same.
func TestWhatNobodyWrote(t *testing.T) {
	p, err := newPacker()
	must(t, err)
	file := live.File{Name: "p.yaml", Data: []byte("policies: []\n")}
	files, err := sums([]live.File{file})
	must(t, err)
	committed := frame(kindCommit, []byte(`{"files":"`+sumOfAll(files)+`"}`))
	bomb := live.File{Name: "p.yaml", Data: make([]byte, policyfile.MaxGroupFile+1)}
	bombs, err := sums([]live.File{bomb})
	must(t, err)
	whole := frame(kindFile, p.file(file, files[file.Name]))
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "not a state"},
		"another version":   {"corsgate state 2\n", "not a state"},
		"no set":            {frames(whole), "no whole set"},
		"good":              {frames(whole, committed), ""},
		"a set without it":  {frames(committed), "not those of its last set"},
		"an unknown frame":  {frames(frame('x', nil), whole, committed), ""},
		"a short file":      {frames(frame(kindFile, []byte{200, 1}), committed), "no whole set"},
		"a file, no sum":    {frames(frame(kindFile, []byte{1, 'a', 0}), committed), "no whole set"},
		"no JSON":           {frames(whole, frame(kindCommit, []byte("{"))), "no whole set"},
		"no zstd":           {frames(frame(kindFile, append(p.file(live.File{Name: file.Name}, files[file.Name]), "junk"...)), committed), "not what was written"},
		"another content":   {frames(frame(kindFile, p.file(live.File{Name: file.Name, Data: []byte("policies: [] ")}, files[file.Name])), committed), "not what was written"},
		"more than a file":  {frames(frame(kindFile, p.file(bomb, bombs[bomb.Name])), frame(kindCommit, []byte(`{"files":"`+sumOfAll(bombs)+`"}`))), "not what was written"},
		"a length too long": {magic + "f\xff\xff\xff\xff" + strings.Repeat("x", 100), "no whole set"},
	} {
		_, _, err := readContent([]byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	must(t, os.WriteFile(large, nil, 0o600))
	must(t, os.Truncate(large, maxGeneration+1))
	if _, _, err := readGeneration(large); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a generation of any size is read: %v", err)
	}
}

// FuzzReadContent holds what is read of any bytes to its own manifest.
func FuzzReadContent(f *testing.F) {
	path := f.TempDir()
	keep(f, path, reading(1, numbered(1)), reading(2, numbered(2)))
	good, err := os.ReadFile(newest(f, path))
	must(f, err)
	f.Add(good)
	f.Fuzz(func(t *testing.T, text []byte) {
		c, _, err := readContent(text)
		if err != nil {
			return
		}
		again, err := sums(c.files)
		if len(c.files) > 0 && (err != nil || sumOfAll(again) != c.commit.Files) {
			t.Errorf("read %d files that no commit has: %v", len(c.files), err)
		}
	})
}
