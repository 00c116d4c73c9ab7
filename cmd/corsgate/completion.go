package main

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completeChoices lets shells complete the values of flags with closed lists,
// for cmd and its subcommands.
func completeChoices(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		c, ok := f.Value.(*choice)
		if !ok {
			return
		}
		words := slices.DeleteFunc(slices.Clone(c.allowed), func(word string) bool { return word == "" })
		// The only error is a second registration of the same flag.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	})
	for _, sub := range cmd.Commands() {
		completeChoices(sub)
	}
}
