package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// maxReads bounds how often a load reads a source that changes while it does.
const maxReads = 5

// A load tries that long, and that often, while there is no set to serve and
// the source changes while it is read.
const (
	firstPatience = 5 * time.Second
	firstPause    = 100 * time.Millisecond
)

var errChanging = errors.New("the files change while they are read: reload when they are written, or write beside them and rename")

// LoadError says why a load was refused.
type LoadError struct {
	// Diagnostics are the mistakes, and warnings, in the policy files, sorted
	// by place. It is empty when Err tells all.
	Diagnostics []policyfile.Diagnostic
	// Err is why the files could not be judged at all, or nil.
	Err error
}

// Error returns Err, or the diagnostics, one a line.
func (e *LoadError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	lines := make([]string, 0, len(e.Diagnostics))
	for _, d := range e.Diagnostics {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns Err.
func (e *LoadError) Unwrap() error { return e.Err }

// message returns the error on one line; the diagnostics stand beside it.
func (e *LoadError) message() string {
	if e.Err != nil {
		line, _, _ := strings.Cut(e.Err.Error(), "\n") // without a panic's stack
		return line
	}
	errors := 0
	for _, d := range e.Diagnostics {
		if d.Level == policy.Error {
			errors++
		}
	}
	if errors == 1 {
		return "the policies have an error"
	}
	return fmt.Sprintf("the policies have %d errors", errors)
}

// Check judges what src holds now, as a load does, and serves none of it. The
// diagnostics of the result are warnings and notes when the error is nil; the error
// is a *LoadError.
func Check(ctx context.Context, src Source) (res policyfile.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &LoadError{Err: fmt.Errorf("loading the policies panicked, please report it: %v\n%s", v, debug.Stack())}
		}
	}()
	for range maxReads {
		fsys, place, err := src.Snapshot(ctx)
		if err != nil {
			return res, &LoadError{Err: fmt.Errorf("read the policies: %w", err)}
		}
		res = policyfile.Load(fsys, place)
		if unchanged(ctx, fsys) {
			return judged(res)
		}
	}
	return policyfile.Result{}, &LoadError{Err: errChanging}
}

func judged(res policyfile.Result) (policyfile.Result, error) {
	if res.HasErrors() {
		return res, &LoadError{Diagnostics: res.Diagnostics}
	}
	return res, nil
}

// read judges what r's source holds now, as Check does. If there is nothing to
// serve yet, it has patience with a source that changes while it is read.
func (r *Reloader) read(ctx context.Context) (policyfile.Result, error) {
	end := time.Now().Add(firstPatience)
	for {
		res, err := Check(ctx, r.Source)
		if !errors.Is(err, errChanging) || r.Status().Ready || time.Now().After(end) {
			return res, err
		}
		select {
		case <-ctx.Done():
			return res, err
		case <-time.After(firstPause):
		}
	}
}

// unchanged is true if nobody can tell: then the source watches.
func unchanged(ctx context.Context, fsys fs.FS) bool {
	v, ok := fsys.(verifier)
	return !ok || v.Unchanged(ctx)
}

// prepare compiles what is valid and has the sinks prepare the set. The error is a
// *LoadError.
func prepare(valid *policy.Valid, sinks []Sink) (set *policy.Set, commit func(), err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &LoadError{Err: fmt.Errorf("compiling the policies panicked, please report it: %v\n%s", v, debug.Stack())}
		}
	}()
	set = policy.Compile(valid)
	commit, err = prepareAll(sinks, set)
	if err != nil {
		return nil, nil, &LoadError{Err: fmt.Errorf("serve the policies: %w", err)}
	}
	return set, commit, nil
}
