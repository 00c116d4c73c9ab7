package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// noArguments refuses arguments. An argument may be meant as the value of a flag that needs
// none, and that takes a value only after "=".
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see '" + cmd.CommandPath() + " --help'"
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.NoOptDefVal != "" && (f.Value.Type() != "bool" || f.Value.Set(args[0]) == nil) {
			hint = fmt.Sprintf("if it is the value of --%s, write --%s=%s", f.Name, f.Name, args[0])
		}
	})
	return misused(hint, "%q is an argument, and %s takes none", args[0], cmd.CommandPath())
}

// someArguments refuses a command line without arguments, and says what is missing.
func someArguments(hint, missing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misused(hint, "%s", missing)
		}
		return nil
	}
}
