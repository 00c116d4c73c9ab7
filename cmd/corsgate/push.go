package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// pushFlags are the flags of push.
type pushFlags struct {
	publishFlags
	base uint64
}

func newPush() *cobra.Command {
	var f pushFlags
	cmd := &cobra.Command{
		Use:   "push PATH",
		Short: "Have a fleet serve the policies of a file or folder",
		Long: `Makes the policies of PATH a release of a store, which all instances of 'corsgate serve
--policies URL' follow. Before, it checks them with the code that serve uses, and
prints what changes for pages as 'corsgate diff' does, compared with what the store
has the fleet serve. A release is what one path says, as for serve: all of it, and
nothing that was there before.

If somebody else pushes in between, nothing is pushed, and it says who that was. With
--base the push is refused unless that revision still serves; 0 is an empty store. It is
also refused if an instance serves a later revision: then the store has lost releases,
and 'corsgate restore' is right.

Exits 0 if the release serves, or it says what serves already; 1 if it is refused; 3 if
somebody else was faster; 4 if the store cannot be used.`,
		Example: `  corsgate push --store etcd://127.0.0.1:2379/edge -m "the new shop" policies/
  corsgate push --store store+file:///srv/corsgate/edge --dry-run policies/
  corsgate push --require-no-widening --base 41 policies/   # the store is in CORSGATE_STORE`,
		Args: func(_ *cobra.Command, paths []string) error {
			if len(paths) != 1 {
				return misused("name one policy file or folder: corsgate push PATH; a release is all that it says",
					"%s given, and 1 is pushed", printable.Counted(len(paths), "path", "paths"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, paths []string) error {
			return f.with(func(b store.Backend) error { return f.push(cmd, b, paths[0]) })
		},
	}
	f.define(cmd)
	cmd.Flags().Uint64Var(&f.base, "base", 0, "`REV` that has to serve until then")
	return cmd
}

// push publishes the policies of a file or folder.
func (f *pushFlags) push(cmd *cobra.Command, b store.Backend, path string) error {
	units, next, err := cutRelease(cmd.Context(), cmd.ErrOrStderr(), path, sourceOf(path))
	if err != nil {
		return err
	}
	p := f.publication(cmd, b, next.set)
	if cmd.Flags().Changed("base") {
		p.base = &f.base
	}
	if err := p.follow(cmd.Context()); err != nil {
		return err
	}
	p.make = func(ctx context.Context, meta store.Meta) (store.Pushed, error) {
		return store.Push(ctx, b, units, meta)
	}
	return p.run(cmd.Context())
}

// checked are policies that may be published.
type checked struct {
	set *policy.Set
	// release names them if they come from a store, or from what an instance has kept.
	release live.Release
}

// cutRelease judges policies as serve would, and cuts them into units. What is wrong with
// them it prints, as check does.
func cutRelease(ctx context.Context, stderr io.Writer, name string, from live.Reader) ([]policyfile.Unit, checked, error) {
	refused := fmt.Errorf("no good policies in %s, nothing was pushed", printable.Name(name))
	r, err := live.Check(ctx, from)
	if err != nil {
		return nil, checked{}, mendable(stderr, refusal(name, err), refused, exitFailure)
	}
	for _, d := range r.Diagnostics {
		fmt.Fprintln(stderr, d)
	}
	units, again, err := store.Cut(live.Folder(r.Files), name)
	if again.HasErrors() { // they were judged to have none
		return nil, checked{}, mendable(stderr, again.Diagnostics, refused, exitFailure)
	}
	return units, checked{policy.Compile(r.Policies), r.Release}, err
}
