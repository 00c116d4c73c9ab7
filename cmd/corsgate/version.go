package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build says what this binary was built from, as its JSON does.
type build struct {
	// Version is the module's version, "(devel)" if it has none.
	Version string `json:"version"`
	// Revision and Time are those of the commit. Modified says that the work tree had other
	// changes. They are empty if the build had no repository.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	// Go, OS and Arch are the toolchain's version and the target's.
	Go   string `json:"go"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
}

// readBuild returns what the Go toolchain stamped into this binary.
func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String returns the build on one line.
func (b build) String() string {
	s := "corsgate " + b.Version
	if b.Revision != "" {
		s += fmt.Sprintf(" (%.12s, %s)", b.Revision, b.Time)
	}
	return fmt.Sprintf("%s %s %s/%s", s, b.Go, b.OS, b.Arch)
}

func newVersion() *cobra.Command {
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and what it was built from",
		Example: "  corsgate version --format json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format.value == "json" {
				return writeJSON(cmd.OutOrStdout(), readBuild())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), readBuild())
			return err
		},
	}
	cmd.Flags().Var(format, "format", "how to print it")
	return cmd
}
