package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/state"
	"github.com/corsgate/corsgate/server/store"
)

// restoreFlags are the flags of restore.
type restoreFlags struct {
	publishFlags
	from, stateDir string
	lost           store.Lost
	force          bool
}

func newRestore() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Begin a new history of a store that has lost releases",
		Long: `Is for a store that has lost releases which instances have served: it was restored from
an older backup, is another one, or is damaged. Instances then report store_regressed
or what is damaged, and go on to serve what they have: they never go back by themselves.
This command begins a new history, an epoch, whose first release they follow.

Name the policies that are to serve: --from a file, a folder or another store, or
--state a copy of the --state-dir of an instance. The newest are right in most cases;
'corsgate status' and /status of an instance say what it serves. The epoch that was
lost is read from these, or from what the instances report; else name it.

It replaces what the store has without asking for its base, and prints what changes
compared with what the instances serve, if that is known. What the store has need not be
readable. Its history ends, and a rollback does not go back behind it; so a store that
has lost nothing is left alone without --force.

Exits 0 if the release serves, 1 if it is refused, 4 if the store cannot be used.`,
		Example: `  corsgate restore --store etcd://127.0.0.1:2379/edge --state /var/lib/corsgate
  corsgate restore --store etcd://127.0.0.1:2379/edge --from policies/
  corsgate restore --store etcd://127.0.0.1:2379/edge --from policies/ --epoch 0123456789abcdef0123456789abcdef --revision 812`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.from == "") == (f.stateDir == "") {
				return misused("name the policies: --from PATH, or --state DIR with what an instance has kept", "one of --from and --state is needed")
			}
			return f.with(func(b store.Backend) error { return f.restore(cmd, b) })
		},
	}
	f.define(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "`PATH` of the policy file or folder that is to serve")
	flags.StringVar(&f.stateDir, "state", "", "`DIR` that is the --state-dir of an instance, or a copy of it")
	flags.StringVar(&f.lost.Epoch, "epoch", "", "the `EPOCH` that was lost, if nothing else tells it")
	flags.Uint64Var(&f.lost.Revision, "revision", 0, "the highest `REV` of it that is known")
	flags.BoolVar(&f.force, "force", false, "also if the store has lost nothing that is known of")
	return cmd
}

// restore begins a new epoch.
func (f *restoreFlags) restore(cmd *cobra.Command, b store.Backend) error {
	name, from, served := cmp.Or(f.from, f.stateDir), live.Reader(nil), live.Release{}
	if f.from != "" {
		from = sourceOf(f.from)
	} else {
		kept, err := openKept(f.stateDir)
		if err != nil {
			return err
		}
		from, served = kept, kept.Served()
	}
	units, next, err := cutRelease(cmd.Context(), cmd.ErrOrStderr(), name, from)
	if err != nil {
		return err
	}
	fleet, err := readFleet(cmd.Context(), b, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	served = cmp.Or(served, next.release) // what is damaged may have served a later one than it has
	lost, err := f.findLost(&fleet, served)
	if err != nil {
		return err
	}
	p := f.publication(cmd, b, next.set)
	p.check = func(was *current) error {
		if err := f.checkNeeded(cmd.Context(), b, &fleet, was, served); err != nil {
			return err
		}
		was.compareWithServed(&fleet, next)
		return nil
	}
	p.make = func(ctx context.Context, meta store.Meta) (store.Pushed, error) {
		return store.Restore(ctx, b, units, lost, meta)
	}
	return p.run(cmd.Context())
}

// openKept reads the state of an instance, which may be running.
func openKept(folder string) (*state.Dir, error) {
	kept, err := state.OpenCopy(folder)
	if err != nil {
		return nil, hinted(fmt.Errorf("--state: %w", printable.Error(err)), "give the --state-dir of an instance, or a copy of it that this user may read; --from takes policy files")
	}
	return kept, nil
}

// checkNeeded refuses to end a history of which nothing was lost.
func (f *restoreFlags) checkNeeded(ctx context.Context, b store.Backend, fleet *store.Fleet, was *current, known live.Release) error {
	if f.force || was.damaged || was.release() == nil || len(fleet.Lost()) > 0 {
		return nil
	}
	if f.lost.Epoch != "" {
		known = live.Release{Epoch: f.lost.Epoch, Revision: f.lost.Revision}
	} else if f.stateDir == "" {
		known = live.Release{} // who gives the policies has not served them
	}
	standing, err := store.StandingOf(ctx, b, known)
	if err != nil || !standing.GoesOn(false) {
		return err
	}
	return hinted(fmt.Errorf("the store has lost nothing that is known of: it has revision %d, which goes on from all that instances serve", was.now.Revision),
		"'corsgate push' and 'corsgate rollback' change what serves, and keep the history",
		"if something was lost that no instance reports, add --force: the history and what a rollback goes back to end then")
}

// compareWithServed has what instances serve be compared if the store has lost it. It is
// known if all serve what is published.
func (c *current) compareWithServed(fleet *store.Fleet, next checked) {
	lost := fleet.Lost()
	if len(lost) == 0 {
		return
	}
	c.set, c.undecided = next.set, ""
	for _, i := range fleet.Instances {
		if i.Serves.Epoch != "" && i.Serves != next.release {
			c.set, c.undecided = nil, fmt.Sprintf("instances serve what the store has lost: %s serves revision %d", printable.Name(lost[0].Name), lost[0].Serves.Revision)
			return
		}
	}
}

// findLost returns the newest release that is known of the epoch that was lost: of the
// flags, of the policies, or of what instances serve.
func (f *restoreFlags) findLost(fleet *store.Fleet, known live.Release) (store.Lost, error) {
	lost := f.lost
	if lost.Epoch == "" {
		lost.Epoch = known.Epoch
	}
	served := newestLost(fleet)
	if lost.Epoch == "" && len(served) == 1 {
		for epoch := range served {
			lost.Epoch = epoch
		}
	}
	if lost.Epoch == "" {
		return lost, hinted(fmt.Errorf("it is not known which epoch was lost: the store has none, and the instances serve releases of %d", len(served)),
			"name the epoch and its highest revision with --epoch and --revision: /status of an instance shows them")
	}
	lost.Revision = max(lost.Revision, served[lost.Epoch])
	if known.Epoch == lost.Epoch {
		lost.Revision = max(lost.Revision, known.Revision)
	}
	return lost, nil
}

// newestLost returns the highest revision that an instance serves of each epoch of which
// the store does not have it any more. If it has all of them, what it has itself counts: that
// may be damaged without being lost.
func newestLost(fleet *store.Fleet) map[string]uint64 {
	newest := map[string]uint64{}
	for _, i := range fleet.Instances {
		if i.Serves.Epoch != "" && (fleet.Damaged != nil || !i.GoesOn()) {
			newest[i.Serves.Epoch] = max(newest[i.Serves.Epoch], i.Serves.Revision)
		}
	}
	if now := fleet.Now; len(newest) == 0 && now.Revision > 0 {
		newest[now.Epoch] = now.Revision
	}
	return newest
}
