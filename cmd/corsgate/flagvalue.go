package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/server/addr"
)

// taken says what flags take, instead of the errors of Go's parsers :: type -> words.
var taken = map[string]string{
	"bool": "true or false", "duration": "a time such as 30s or 5m", "int": "a whole number", "uint32": "a whole number, 0 or more", "uint64": "a whole number, 0 or more",
}

// plainValue says what f takes, if one of Go's parsers refused a value with err.
func plainValue(f *pflag.Flag, err error) error {
	if words := taken[f.Value.Type()]; words != "" {
		return errors.New("want " + words)
	}
	return err
}

// plainFlagError returns pflag's error about a flag without the words of Go's parsers.
func plainFlagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := invalid.GetFlag()
		return fmt.Errorf("invalid argument %q for \"--%s\" flag: %w", invalid.GetValue(), f.Name, plainValue(f, invalid.Unwrap()))
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedName() == "store" && cmd.Flags().Lookup("policies") != nil {
		return misused("write --policies URL: a store is one of the places that policies come from", "%s has no flag --store", cmd.CommandPath())
	}
	return err
}

// status is a flag that takes a status of HTTP; 0 means that it is not given.
type status int

// String returns the status.
func (s *status) String() string { return strconv.Itoa(int(*s)) }

// Type returns the flag's placeholder in the help.
func (s *status) Type() string { return "STATUS" }

// Set takes a status.
func (s *status) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || !explain.IsStatus(n) {
		return errors.New("want a status of HTTP, 100 to 999")
	}
	*s = status(n)
	return nil
}

// checkDuration reports a duration below least, which is 0 if 0 means "none", and
// otherwise 1.
func checkDuration(flag string, value, least time.Duration) error {
	switch {
	case value >= least:
		return nil
	case least > 0:
		return misused("write a duration above 0, such as 5s", "--%s %v is not above 0", flag, value)
	default:
		return misused("write 0 for none, or a duration such as 5s", "--%s %v is negative", flag, value)
	}
}

// checkListen reports a flag that is not an address.
func checkListen(flag, value string) error {
	if _, err := addr.Parse(value); err != nil {
		return asFault(fmt.Errorf("--%s: %w", flag, err), exitUsage)
	}
	return nil
}

// parseTCP returns the address of a flag that takes no Unix socket.
func parseTCP(flag, value string) (addr.Address, error) {
	a, err := addr.Parse(value)
	if err != nil || a.Path != "" {
		return a, misused("write it as HOST:PORT, such as 127.0.0.1:9002", "--%s %q is not a host and port", flag, value)
	}
	return a, nil
}
