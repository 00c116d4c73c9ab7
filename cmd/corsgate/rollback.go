package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/server/store"
)

// rollbackFlags are the flags of rollback.
type rollbackFlags struct {
	publishFlags
	to uint64
}

func newRollback() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Have a fleet serve an earlier release again",
		Long: `Makes a new release that says what an earlier one said: the one before that which
serves, or that of --to. The history goes on, nothing in it is lost, and instances
never go back. It prints what changes for pages, as 'corsgate push' does.

Exits 0 if the release serves, or it says what serves already; 1 if it is refused; 3 if
somebody else was faster; 4 if the store cannot be used.`,
		Example: `  corsgate rollback --store etcd://127.0.0.1:2379/edge
  corsgate rollback --store etcd://127.0.0.1:2379/edge --to 40 -m "the shop is closed"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(func(b store.Backend) error { return f.rollback(cmd, b) })
		},
	}
	f.define(cmd)
	cmd.Flags().Uint64Var(&f.to, "to", 0, "`REV` whose policies are to serve; the one before that which serves by default")
	return cmd
}

// rollback publishes an earlier release again.
func (f *rollbackFlags) rollback(cmd *cobra.Command, b store.Backend) error {
	revision, err := earlier(cmd.Context(), b, f.to)
	if err != nil {
		return err
	}
	release, err := store.Pull(cmd.Context(), b, revision)
	if err != nil {
		return err
	}
	next, err := policiesOf(release, f.url)
	if err != nil {
		return hinted(err, "go back to another one with --to REV, or push what is right")
	}
	f.message = cmp.Or(f.message, fmt.Sprintf("rollback to revision %d", revision))
	p := f.publication(cmd, b, next)
	if err := p.follow(cmd.Context()); err != nil {
		return err
	}
	p.make = func(ctx context.Context, meta store.Meta) (store.Pushed, error) {
		return store.Rollback(ctx, b, revision, meta)
	}
	return p.run(cmd.Context())
}

// earlier returns the revision to go back to: to, or the one before that which serves.
func earlier(ctx context.Context, b store.Backend, to uint64) (uint64, error) {
	now, err := store.History(ctx, b, 2)
	switch {
	case err != nil || to != 0:
		return to, err
	case len(now) < 2 && now[0].Revision > 1:
		return now[0].Revision - 1, nil // of which it is told why it is not there
	case len(now) < 2:
		return 0, hinted(fmt.Errorf("there is no release before revision %d", now[0].Revision), "'corsgate push' has the fleet serve other policies")
	}
	return now[1].Revision, nil
}
