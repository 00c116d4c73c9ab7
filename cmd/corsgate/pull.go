package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// pulled is what pull has written, as its JSON says it.
type pulled struct {
	Release store.Info `json:"release"`
	// Files are the names of the files, sorted.
	Files []string `json:"files"`
}

// pullFlags are the flags of pull.
type pullFlags struct {
	storeFlags
	revision uint64
	folder   string
}

func newPull() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Write a release of a store into a folder",
		Long: `Writes the policies of a release as files, which every command takes as PATH: one file a
policy, and one an origin group. They say what was pushed, not how its files were
written. Each is checked against the hashes of the release.

DIR is made if it is not there; else it has to be empty.`,
		Example: `  corsgate pull --store etcd://127.0.0.1:2379/edge --out served/
  corsgate pull --store etcd://127.0.0.1:2379/edge --rev 40 --out old/ && corsgate diff old/ policies/`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.folder == "" {
				return misused("name the folder: corsgate pull --out DIR", "no --out given")
			}
			return f.with(func(b store.Backend) error { return f.pull(cmd.Context(), cmd.OutOrStdout(), b) })
		},
	}
	f.define(cmd, "what was written")
	cmd.Flags().Uint64Var(&f.revision, "rev", 0, "`REV` to write; the one that serves by default")
	cmd.Flags().StringVar(&f.folder, "out", "", "`DIR` to write it into; required")
	return cmd
}

// pull writes a release into the folder, and prints what it has written.
func (f *pullFlags) pull(ctx context.Context, out io.Writer, b store.Backend) error {
	release, err := store.Pull(ctx, b, f.revision)
	if err != nil {
		return err
	}
	if err := writeFolder(f.folder, release.Files); err != nil {
		return hinted(printable.Error(err), "name a new or empty folder, that you may write to, with --out DIR")
	}
	p := pulled{Release: release.Info}
	for _, file := range release.Files {
		p.Files = append(p.Files, file.Name)
	}
	if f.format.value == "json" {
		return writeJSON(out, p)
	}
	_, err = fmt.Fprintf(out, "revision %d is in %s: %s\n", release.Revision, printable.Name(f.folder),
		printable.Counted(release.Units, "policy or group", "policies and groups"))
	return err
}

// writeFolder writes files into a folder that has none.
func writeFolder(folder string, files []live.File) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if entries, err := fs.ReadDir(root.FS(), "."); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty", printable.Name(folder)))
	}
	for _, file := range files {
		if err := root.WriteFile(file.Name, file.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
