package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variable returns the environment variable of a flag: CORSGATE_GRPC_LISTEN of
// --grpc-listen.
func variable(flag string) string {
	return "CORSGATE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// withoutVariables is the annotation of a command without environment variables for its
// flags and its subcommands' flags, or of a flag without one. Its value says why.
const withoutVariables = "without-variables"

// bindEnvironment gives every flag of root and its subcommands an environment
// variable, and names it in the flag's help. A flag on the command line wins.
func bindEnvironment(root *cobra.Command) {
	nameVariables(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if !hasVariables(cmd) {
			return nil
		}
		var errs []error
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { errs = append(errs, fromEnvironment(f)) })
		return errors.Join(errs...)
	}
}

// nameVariables adds the variables to the help of cmd's flags and of its
// subcommands'.
func nameVariables(cmd *cobra.Command) {
	if !hasVariables(cmd) {
		return
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, without := f.Annotations[withoutVariables]; !without {
			f.Usage += " [$" + variable(f.Name) + "]"
		}
	})
	for _, sub := range cmd.Commands() {
		nameVariables(sub)
	}
}

func hasVariables(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if _, without := cmd.Annotations[withoutVariables]; without {
			return false
		}
	}
	return true
}

// fromEnvironment sets f from its variable, unless the command line has it. It ignores an
// empty variable, since container files often have some.
func fromEnvironment(f *pflag.Flag) error {
	value := os.Getenv(variable(f.Name))
	_, without := f.Annotations[withoutVariables]
	if f.Changed || value == "" || f.Name == "help" || without {
		return nil
	}
	if err := f.Value.Set(value); err != nil {
		return fmt.Errorf("environment variable %s: invalid value %q: %w", variable(f.Name), value, plainValue(f, err))
	}
	f.Changed = true
	return nil
}
