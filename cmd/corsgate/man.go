package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/corsgate/corsgate/policy/printable"
)

func newMan() *cobra.Command {
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Long: `Writes a manual page for each command into DIR, and prints their names. It makes DIR if
that does not exist. The same binary always writes the same bytes.`,
		Example: `  corsgate man ~/.local/share/man/man1 && man corsgate-check`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused("name the folder: corsgate man DIR", "%s given, and man writes to 1", printable.Counted(len(args), "folder", "folders"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := writeManual(cmd.Root(), args[0])
			if err != nil {
				return hinted(err, "name a folder that you may write to")
			}
			if format.value == "json" {
				return writeJSON(cmd.OutOrStdout(), map[string][]string{"pages": pages})
			}
			for _, page := range pages {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), page); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().Var(format, "format", "how to print the names")
	return cmd
}

// writeManual writes the pages of root and its subcommands into a folder, and
// returns their names, sorted, as messages show them.
func writeManual(root *cobra.Command, folder string) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("manual: %w", printable.Error(err))
	}
	root.DisableAutoGenTag = true // it has today's date
	header := &doc.GenManHeader{Section: "1", Source: "corsgate " + readBuild().Version, Manual: "corsgate", Date: buildDate()}
	if err := doc.GenManTree(root, header, folder); err != nil {
		return nil, fmt.Errorf("manual: %w", printable.Error(err))
	}
	pages, err := fs.Glob(os.DirFS(folder), root.Name()+"*.1")
	slices.Sort(pages)
	for i, page := range pages {
		pages[i] = printable.Name(filepath.Join(folder, page))
	}
	return pages, err
}

// buildDate returns the date of the commit that this binary was built from,
// or the epoch if the build knew none: never today's.
func buildDate() *time.Time {
	date, err := time.Parse(time.RFC3339, readBuild().Time)
	if err != nil {
		date = time.Unix(0, 0).UTC()
	}
	return &date
}
