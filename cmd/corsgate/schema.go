package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/policyfile"
)

func newSchema() *cobra.Command {
	format := oneOf("json")
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the policy file's JSON Schema, for editors",
		Long: `Prints the JSON Schema (2020-12) of a policy file. Editors complete and check policies
with it; those with the YAML language server find it by a line in the file:

  # yaml-language-server: $schema=corsgate.schema.json

The schema describes the form of a file. Only 'corsgate check' finds other mistakes,
such as policies that overlap.`,
		Example: "  corsgate schema > corsgate.schema.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), policyfile.Schema())
			return err
		},
	}
	cmd.Flags().Var(format, "format", "how to print it; a schema is JSON")
	return cmd
}
