package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/corsgate/corsgate/server/disk"
	"github.com/corsgate/corsgate/server/live"
)

// The names in a state folder.
const (
	lockName  = "lock"
	nextName  = "next"             // the generation that is being written
	namePlain = "good-%016d.state" // of a generation, by its number
)

// generationName is what namePlain makes.
var generationName = regexp.MustCompile(`^good-[0-9]{16}\.state$`)

// slack is how much a generation may grow beside its own size.
const slack = 64 << 10

// generations returns the names of all generations, the newest first.
func generations(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if generationName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// number returns the number in a generation's name.
func number(name string) (n uint64) {
	_, _ = fmt.Sscanf(name, namePlain, &n) // it has one
	return n
}

// readGeneration is readContent of a file.
func readGeneration(path string) (*content, *commit, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > maxGeneration {
		return nil, nil, fmt.Errorf("it has %d bytes, more than %d", info.Size(), int64(maxGeneration))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	return readContent(data)
}

// writer writes sets to a folder. It is used by one goroutine.
type writer struct {
	dir    string
	packer *packer
	have   *content // what is in the folder, without its files; nil: nothing
	name   string   // of the generation that has it; empty: none
	served live.Release
	newest uint64 // the highest number of a generation

	// A generation is only added to by the process that began it, and not after an
	// error: what follows its last commit may be damaged.
	out        *os.File // nil: the next set begins a generation
	base, size int64    // of out, at its begin and now
}

// store brings a set to the disk, unless it is there. It reports whether it was not. lost
// tells that the store has lost what has served.
func (w *writer) store(r *live.Reading, lost bool) (stored bool, err error) {
	files, err := sums(r.Files)
	if err != nil {
		return false, err
	}
	next := &content{sums: files, commit: commit{At: time.Now().UTC(), Release: r.Release, Served: r.Release, Lost: lost}}
	if r.Release.Epoch == "" {
		next.Served = w.served
	}
	if w.have.same(next) {
		return false, nil
	}
	next.Files = sumOfAll(files)
	return true, w.write(r.Files, next)
}

// same reports whether next says nothing else than what is there.
func (c *content) same(next *content) bool {
	return c != nil && c.Release == next.Release && c.Served == next.Served && c.Lost == next.Lost && maps.Equal(c.sums, next.sums)
}

// storeLoss notes whether the store has lost what has served. That is rare, so that the set
// is read again.
func (w *writer) storeLoss(lost bool) error {
	set, _, err := readGeneration(filepath.Join(w.dir, w.name))
	if err != nil {
		return err
	}
	if set.Files != w.have.Files {
		return errors.New("the last set is not there any more")
	}
	next := &content{commit: w.have.commit, sums: w.have.sums}
	next.Served, next.Lost = w.served, lost
	return w.write(set.files, next)
}

// write writes a set, in the generation that it goes on with, or in a new one.
func (w *writer) write(files []live.File, next *content) (err error) {
	if w.out == nil || w.size > 2*w.base+slack {
		err = w.begin(files, next)
	} else if err = w.add(files, next); err != nil {
		err = errors.Join(err, w.close())
	}
	if err == nil {
		w.have, w.served = next, next.Served
	}
	return err
}

// begin begins a generation, which is the newest once it is whole.
func (w *writer) begin(files []live.File, next *content) error {
	if err := w.close(); err != nil {
		return err
	}
	temporary := filepath.Join(w.dir, nextName)
	out, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	name := fmt.Sprintf(namePlain, w.newest+1)
	w.out, w.size = out, 0
	err = w.frames(magic, files, nil, next)
	if err == nil {
		err = os.Rename(temporary, filepath.Join(w.dir, name))
	}
	if err == nil {
		err = disk.SyncFolder(w.dir)
	}
	if err != nil {
		_ = os.Remove(temporary) // it is overwritten else
		return errors.Join(err, w.close())
	}
	before := w.name
	w.base, w.name, w.newest = w.size, name, w.newest+1
	w.prune(before)
	return nil
}

// add adds what differs between two sets to the generation.
func (w *writer) add(files []live.File, next *content) error {
	var changed []live.File
	for _, f := range files {
		if s, known := w.have.sums[f.Name]; !known || s != next.sums[f.Name] {
			changed = append(changed, f)
		}
	}
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(w.have.sums)) {
		if _, known := next.sums[name]; !known {
			gone = append(gone, name)
		}
	}
	return w.frames("", changed, gone, next)
}

// frames writes and synchronises the frames of a set.
func (w *writer) frames(begin string, changed []live.File, gone []string, next *content) error {
	end, err := json.Marshal(next.commit)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w.out)
	_, _ = buffered.WriteString(begin) // whose error comes again
	to := &frameWriter{to: buffered}
	for _, f := range changed {
		to.write(kindFile, w.packer.file(f, next.sums[f.Name]))
	}
	for _, name := range gone {
		to.write(kindRemoved, []byte(name))
	}
	to.write(kindCommit, end)
	w.size += int64(len(begin)) + to.size
	return errors.Join(to.err, buffered.Flush(), w.out.Sync())
}

// prune removes all generations but the newest and the one before. What cannot be
// removed now is removed later.
func (w *writer) prune(before string) {
	names, _ := generations(w.dir)
	for _, name := range names {
		if name != w.name && name != before {
			_ = os.Remove(filepath.Join(w.dir, name))
		}
	}
}

// close ends the generation.
func (w *writer) close() error {
	if w.out == nil {
		return nil
	}
	out := w.out
	w.out = nil
	return out.Close()
}
