package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/store"
)

func newHistory() *cobra.Command {
	var f storeFlags
	var most int
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the releases of a store",
		Long: `Prints a line for each release, the newest first; that is the one that serves:

  REV  TIME  WHO  +ADDED ~CHANGED -REMOVED  MESSAGE

What was added, changed and removed are policies and groups; JSON names them.
It does not list releases that 'corsgate gc' has deleted, or those before a restore.`,
		Example: `  corsgate history --store etcd://127.0.0.1:2379/edge
  corsgate history --store etcd://127.0.0.1:2379/edge --most 1 --format json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 0 {
				return misused("write 0 for all, or a number such as 10", "--most %d is negative", most)
			}
			return f.with(func(b store.Backend) error {
				releases, err := store.History(cmd.Context(), b, most)
				if err != nil {
					return err
				}
				if f.format.value == "json" {
					return writeJSON(cmd.OutOrStdout(), map[string][]store.Info{"releases": releases})
				}
				return printHistory(cmd.OutOrStdout(), releases)
			})
		},
	}
	f.define(cmd, "the releases")
	cmd.Flags().IntVar(&most, "most", 0, "how many are listed; 0 means all")
	return cmd
}

func printHistory(out io.Writer, releases []store.Info) error {
	for _, r := range releases {
		_, err := fmt.Fprintf(out, "%d  %s  %s  +%d ~%d -%d  %s\n", r.Revision, r.At.Format(time.RFC3339), shownOr(r.By, "-"),
			len(r.Added), len(r.Changed), len(r.Removed), shownOr(r.Message, "-"))
		if err != nil {
			return err
		}
	}
	return nil
}

// shownOr returns a text of somebody else's as a terminal may have it, or none
// for an empty text.
func shownOr(text, none string) string {
	if text == "" {
		return none
	}
	return printable.Text(text)
}
