package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// run executes the command line args and returns the exit code of the process: 0 if all
// went well, 1 for findings and failures, 2 for a wrong command line, 3 if somebody else
// has pushed in between, 4 if a store, or what doctor asks, cannot be used, 130 if a signal
// has ended the work. When ctx has ended, it returns once all that it started has ended, too.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return report(stderr, cmd.CommandPath(), err)
}

// newRoot returns the command with all its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "corsgate",
		Short: "The CORS policy service for Envoy",
		Long: `corsgate decides for Envoy what a cross-origin request may do: it answers preflights
and says which CORS headers a response gets, from policies that may be changed while
it runs. It compiles them into Envoy's own filters, and answers what these cannot
decide, or every question, over gRPC (ext_proc or ext_authz).

Every flag --some-flag may also be given as the environment variable
CORSGATE_SOME_FLAG; the flag wins. Only the demo and import ignore these variables.

Exit codes: 0 if all went well, 1 for findings and failures, 2 for a wrong command
line, 3 if somebody else has pushed to a store in between, 4 if a store cannot be used
or an Envoy cannot be asked, 130 for a demo, an import, or work on a store, that a
signal ended before it was done.`,
		Example: `  corsgate demo                                    # an Envoy, a policy, and what to try
  corsgate check policies/                         # are the policies right?
  corsgate serve --policies policies/ --ecds       # deliver them to Envoys
  corsgate envoy-config --upstream 127.0.0.1:8080  # Envoy's side`,
		Version:       readBuild().String(),
		SilenceErrors: true, // report prints them
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n") // as 'corsgate version' prints it
	root.AddCommand(
		newServe(),
		newCheck(),
		newExplain(),
		newTest(),
		newDiff(),
		newImport(),
		newExport(),
		newDoctor(),
		newEnvoyConfig(),
		newPush(),
		newHistory(),
		newRollback(),
		newStatus(),
		newPull(),
		newGC(),
		newRestore(),
		newDemo(),
		newHealth(),
		newSchema(),
		newMan(),
		newVersion(),
	)
	root.SetFlagErrorFunc(plainFlagError)
	bindEnvironment(root)
	markFailures(root)
	completeChoices(root)
	return root
}
