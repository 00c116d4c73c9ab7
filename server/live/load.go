package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// LoadError says why a load was refused.
type LoadError struct {
	// Diagnostics are the mistakes in the policies, and warnings, sorted by place.
	// It is empty if Err says everything.
	Diagnostics []policyfile.Diagnostic
	// Err is why the policies could not be read, judged or served at all, or nil.
	Err error
}

// Error returns Err, or the diagnostics, each on a line.
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

// The codes of refusals that have no Fault.
const (
	CodePolicies   = "policies"   // mistakes in the policies
	CodeUnreadable = "unreadable" // the policies could not be read, compiled or served
)

// Code returns the code of the refusal: that of its Fault, or one of the constants.
func (e *LoadError) Code() string {
	if e.Err == nil {
		return CodePolicies
	}
	return cmp.Or(CodeOf(e.Err), CodeUnreadable)
}

// message returns the error on one line, without the diagnostics.
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

// Check judges what src has now, as a load does, but serves nothing. If the error is nil,
// the diagnostics of the result are warnings and notes. The error is a *LoadError.
func Check(ctx context.Context, src Reader) (res Reading, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &LoadError{Err: fmt.Errorf("loading the policies panicked, please report it: %v\n%s", v, debug.Stack())}
		}
	}()
	res, err = src.Read(ctx)
	switch {
	case err != nil:
		return Reading{}, &LoadError{Err: fmt.Errorf("read the policies: %w", err)}
	case res.HasErrors():
		return res, &LoadError{Diagnostics: res.Diagnostics}
	case res.Policies == nil:
		return res, &LoadError{Err: errors.New("the source gave neither policies nor errors, please report it")}
	}
	return res, nil
}

// prepare compiles valid policies, for the set that serves, and lets the sinks prepare the
// new one. The error is a *LoadError.
func prepare(serves *policy.Set, valid *policy.Valid, sinks []Sink) (set *policy.Set, commit func(), err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &LoadError{Err: fmt.Errorf("compiling or preparing the policies panicked, please report it: %v\n%s", v, debug.Stack())}
		}
	}()
	set = policy.CompileAfter(serves, valid)
	commit, err = prepareAll(sinks, set)
	if err != nil {
		return nil, nil, &LoadError{Err: fmt.Errorf("serve the policies: %w", err)}
	}
	return set, commit, nil
}
