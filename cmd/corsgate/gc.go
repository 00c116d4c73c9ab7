package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/store"
)

// defaultKeep is --keep's.
const defaultKeep = 200

// gcFlags are the flags of gc.
type gcFlags struct {
	storeFlags
	keep int
	dry  bool
}

func newGC() *cobra.Command {
	var f gcFlags
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Delete old releases from a store",
		Long: `Deletes the releases of a store but the newest ones, and what no release needs, such as
what a push has left that was broken off, and all of before a restore. What serves stays. Run it now and then, such
as once a day: it may run beside pushes, and deletes nothing while one is under way.

Exits 0 if that is done, 1 if a push may be under way, 4 if the store cannot be used.`,
		Example: `  corsgate gc --store etcd://127.0.0.1:2379/edge --dry-run
  corsgate gc --store etcd://127.0.0.1:2379/edge --keep 50`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.keep < 1 {
				return misused("write 1 or more: the release that serves is always kept", "--keep %d is not above 0", f.keep)
			}
			return f.with(func(b store.Backend) error { return f.collect(cmd.Context(), cmd.OutOrStdout(), b) })
		},
	}
	f.define(cmd, "what was deleted")
	cmd.Flags().IntVar(&f.keep, "keep", defaultKeep, "how many releases stay")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "count what would be deleted, and delete nothing")
	return cmd
}

// collect deletes what the flags say, and prints what it was.
func (f *gcFlags) collect(ctx context.Context, out io.Writer, b store.Backend) error {
	c, err := store.GC(ctx, b, f.keep, f.dry)
	if err != nil {
		return err
	}
	if f.format.value == "json" {
		err = writeJSON(out, struct {
			store.Collected
			DryRun bool `json:"dryRun"`
		}{c, f.dry})
	} else if !c.Pushing {
		_, err = fmt.Fprintln(out, collectedLine(c, f.dry))
	}
	if err == nil && c.Pushing {
		err = hinted(errors.New("a push is under way, or was broken off within the last hour: nothing was deleted"), "try again later")
	}
	return err
}

// collectedLine says what was deleted, or would be.
func collectedLine(c store.Collected, dry bool) string {
	done := "deleted"
	if dry {
		done = "dry run, to delete"
	}
	releases := printable.Counted(c.Records, "release", "releases")
	if c.Earlier > 0 {
		releases += fmt.Sprintf(" (%d of before a restore)", c.Earlier)
	}
	return fmt.Sprintf("%s: %s, %s of policies and groups, %s; revision %d is the oldest that stays", done,
		releases, printable.Counted(c.Units, "version", "versions"),
		printable.Counted(c.Checkpoints, "checkpoint", "checkpoints"), c.Kept)
}
