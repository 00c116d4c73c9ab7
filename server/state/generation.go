package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/server/disk"
	"github.com/corsgate/corsgate/server/live"
)

// The names in a state folder.
const (
	lockName   = "lock"
	nextName   = "next"             // the generation that is being written
	namePlain  = "good-%016d.state" // of a generation, by its number
	namePrefix = "good-"
	nameSuffix = ".state"
)

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
		if strings.HasPrefix(e.Name(), namePrefix) && strings.HasSuffix(e.Name(), nameSuffix) && len(e.Name()) == len(fmt.Sprintf(namePlain, 0)) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// number returns the number in a name; of another file's name it is 0.
func number(name string) (n uint64) {
	_, _ = fmt.Sscanf(name, namePlain, &n) // what has no number counts as the first
	return n
}

func readGeneration(path string) (*content, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return readContent(f, info.Size())
}

// writer writes sets to a folder. It is used by one goroutine.
type writer struct {
	dir    string
	packer *packer
	have   *content // what is in the folder, without its files; nil: nothing
	name   string   // of the generation that has it; empty: none
	newest uint64   // the highest number of a generation

	// A generation is only added to by the process that began it, and not after an
	// error: what follows its last commit may be damaged.
	out        *os.File // nil: the next set begins a generation
	base, size int64    // of out, at its begin and now
}

// store brings a set to the disk, unless it is there. It reports whether it was not.
func (w *writer) store(r *live.Reading) (stored bool, err error) {
	files, err := sums(r.Files)
	if err != nil {
		return false, err
	}
	if w.have.same(files, r.Release) {
		return false, nil
	}
	next := &content{sums: files, commit: commit{At: time.Now().UTC(), Release: r.Release, Files: sumOfAll(files)}}
	next.Served = r.Release
	if r.Release.Epoch == "" && w.have != nil {
		next.Served = w.have.Served
	}
	if w.out == nil || w.size > 2*w.base+slack {
		err = w.begin(r.Files, next)
	} else if err = w.add(r.Files, next); err != nil {
		err = errors.Join(err, w.close())
	}
	if err != nil {
		return false, err
	}
	w.have = next
	return true, nil
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
