package state

import (
	"bufio"
	"bytes"
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
// with all that was kept with it.
func startHash(t *testing.T, path string, hashes []string) string {
	t.Helper()
	d := open(t, path)
	defer func() { must(t, d.Close()) }()
	r, err := d.Read(t.Context())
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

// TestEachFlippedByte damages one generation, of which the other stands, and both.
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
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= byte(1 + i%255)
			must(t, os.WriteFile(file, bad, 0o600))
			if hash := startHash(t, path, hashes); which == 1 && hash != hashes[3] {
				t.Fatalf("byte %d of the generation before: read %s", i, hash)
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
	contains(t, logTo(t, path), "level=WARN", "the end of the last known good policies cannot be read")
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
		"an unknown frame":  {frames(frame('x', nil), whole, committed), "no whole set"},
		"a short file":      {frames(frame(kindFile, []byte{200, 1}), committed), "no whole set"},
		"a file, no sum":    {frames(frame(kindFile, []byte{1, 'a', 0}), committed), "no whole set"},
		"no JSON":           {frames(whole, frame(kindCommit, []byte("{"))), "no whole set"},
		"no zstd":           {frames(frame(kindFile, append(p.file(live.File{Name: file.Name}, files[file.Name]), "junk"...)), committed), "not what was written"},
		"another content":   {frames(frame(kindFile, p.file(live.File{Name: file.Name, Data: []byte("policies: [] ")}, files[file.Name])), committed), "not what was written"},
		"more than a file":  {frames(frame(kindFile, p.file(bomb, bombs[bomb.Name])), frame(kindCommit, []byte(`{"files":"`+sumOfAll(bombs)+`"}`))), "not what was written"},
		"a length too long": {magic + "f\xff\xff\xff\xff" + strings.Repeat("x", 100), "no whole set"},
	} {
		_, err := readContent(strings.NewReader(c.text), int64(len(c.text)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := readContent(strings.NewReader(""), maxGeneration+1); err == nil || !strings.Contains(err.Error(), "more than") {
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
		c, err := readContent(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		again, err := sums(c.files)
		if len(c.files) > 0 && (err != nil || sumOfAll(again) != c.commit.Files) {
			t.Errorf("read %d files that no commit has: %v", len(c.files), err)
		}
	})
}
