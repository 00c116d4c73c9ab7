package policyfile

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"sync"
)

// Loader loads policies again and again. It remembers what the files of the last good
// load say, and what the rules say of each policy: a file that has the same content,
// by its hash, is not parsed again, and what came of it is not judged again. All that it
// returns is as if it remembered nothing. The zero Loader is ready, and safe for
// concurrent use.
type Loader struct {
	mu    sync.Mutex
	place string // guarded by mu
	last  memory // guarded by mu
}

// Load is the function Load, for less if little has changed. Besides, fsys may have a
// method Sum, which returns the SHA-256 of a file's content: what is known by that is not
// read.
func (l *Loader) Load(fsys fs.FS, place string) Result {
	r, _ := l.load(never, fsys, place, bounds())
	return r
}

// LoadContext is Load, unless ctx ends before all files are read. Then no further one is,
// and the error says why ctx ended.
func (l *Loader) LoadContext(ctx context.Context, fsys fs.FS, place string) (Result, error) {
	return l.load(ctx.Err, fsys, place, bounds())
}

// never is for loads that nothing ends.
func never() error { return nil }

// load loads until ended says why not.
func (l *Loader) load(ended func() error, fsys fs.FS, place string, lim limits) (Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place != l.place {
		l.place, l.last = place, memory{} // what is remembered has it in its places
	}
	one := newLoader(fsys, place, lim, l.last)
	one.ended = ended
	one.readFiles()
	if err := ended(); err != nil {
		return Result{}, err
	}
	valid := one.judge(one.memos())
	one.checkUnused()
	r := Result{Diagnostics: one.found.arranged()}
	if !r.HasErrors() {
		r.Policies, r.sources, l.last = valid, one.places(), one.now
	}
	return r, nil
}

// memory is what files say, by their names.
type memory struct {
	files map[string]file
	lists map[string]*list
}

func newMemory() memory { return memory{files: map[string]file{}, lists: map[string]*list{}} }

// file is what a policy file says.
type file struct {
	sum      sum // of its content
	policies []*judged
	groups   []*group
}

// sum is a SHA-256. That of no content is zero.
type sum [sha256.Size]byte

type summer interface {
	Sum(name string) (sum [sha256.Size]byte, err error)
}

// read reads a file and returns the hash of its content. It need not read what has the
// hash have.
func (l *loader) read(name string, most int64, have sum) (data []byte, now sum, err error) {
	if err := l.ended(); err != nil {
		return nil, sum{}, err
	}
	if s, ok := l.fsys.(summer); ok && have != (sum{}) {
		if now, err := s.Sum(name); err == nil && now == have {
			return nil, have, nil
		}
	}
	if data, err = readBounded(l.fsys, name, most); err != nil {
		return nil, sum{}, err
	}
	return data, sha256.Sum256(data), nil
}
