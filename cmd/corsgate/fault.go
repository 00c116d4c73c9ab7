package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
)

// How the command reports an error, by age's rules: the prefix "corsgate: ", lower case,
// no full stop; then hints that say what to try next, each on a line.

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // findings, or something that did not work
	exitUsage   = 2 // a command line that cannot be carried out
	exitLost    = 3 // somebody else has pushed to the store in between
	// exitUnreachable is for a store that cannot be used now, or an Envoy that cannot be asked.
	exitUnreachable = 4
	// exitInterrupted is for work that a signal has ended early. It is the code that shells
	// use for Ctrl-C: 128 and the number of SIGINT.
	exitInterrupted = 130
)

// reported is the error of a command that has already printed what is wrong. Its value is
// the exit code.
type reported int

// Error names the exit code.
func (r reported) Error() string { return fmt.Sprintf("exit code %d", int(r)) }

// errFindings is for findings that have already been printed.
const errFindings = reported(exitFailure)

// errUndecided is for a verdict that is not known. What is missing has been printed.
const errUndecided = reported(exitUsage)

// fault is an error with its exit code, and with what to try next.
type fault struct {
	err   error
	code  int
	hints []string
}

// Error returns the text of the error without its hints.
func (f *fault) Error() string { return f.err.Error() }

// Unwrap returns the error in f.
func (f *fault) Unwrap() error { return f.err }

// hinted returns err, a failure, with what to try next.
func hinted(err error, hints ...string) error {
	return &fault{err: err, code: exitFailure, hints: hints}
}

// misused returns the fault of a command line that cannot be carried out.
func misused(hint, format string, args ...any) error {
	return &fault{err: fmt.Errorf(format, args...), code: exitUsage, hints: []string{hint}}
}

// interrupted returns err, or plain words if a signal was the cause.
func interrupted(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return &fault{err: errors.New("interrupted, nothing is left behind"), code: exitInterrupted}
}

// markFailures makes every error of a command's own work a failure. All other errors are
// cobra's, and mean a wrong command line.
func markFailures(cmd *cobra.Command) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return asFault(work(cmd, args), exitFailure)
		}
	}
	for _, sub := range cmd.Commands() {
		markFailures(sub)
	}
}

// asFault returns err as a fault. If err is not a fault yet, it gets code and hints.
func asFault(err error, code int, hints ...string) error {
	if _, is := errors.AsType[*fault](err); is || err == nil {
		return err
	}
	return &fault{err: err, code: code, hints: hints}
}

// report prints err, an error of the command, and returns its exit code.
func report(w io.Writer, command string, err error) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[reported](err); ok {
		return int(code)
	}
	f, _ := errors.AsType[*fault](asFault(err, exitUsage))
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(w, "corsgate: %s\n", printable.Text(line))
		}
	}
	hints := f.hints
	if len(hints) == 0 && f.code == exitUsage {
		hints = []string{"see '" + command + " --help'"}
	}
	for _, hint := range hints {
		fmt.Fprintf(w, "corsgate: hint: %s\n", printable.Text(hint))
	}
	return f.code
}
