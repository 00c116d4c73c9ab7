package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
)

// eachCommand calls visit for all commands of the tree that do something.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Runnable() {
		visit(cmd)
	}
	for _, sub := range cmd.Commands() {
		eachCommand(sub, visit)
	}
}

func TestEveryCommandHasAHelpWithAnExampleOfItself(t *testing.T) {
	visited := 0
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		visited++
		path := strings.Fields(cmd.CommandPath())[1:]
		var out, errs output
		if code := run(t.Context(), append(path, "--help"), nil, &out, &errs); code != exitOK {
			t.Errorf("%s --help: exit code %d %s", cmd.CommandPath(), code, &errs)
		}
		_, examples, found := strings.Cut(out.String(), "\nExamples:\n")
		if !found || !strings.Contains(examples, cmd.CommandPath()+" ") && !strings.Contains(examples, cmd.CommandPath()+"\n") {
			t.Errorf("%s --help has no example:\n%s", cmd.CommandPath(), &out)
		}
		if strings.HasPrefix(out.String(), cmd.Short) && cmd.Name() != "version" {
			t.Errorf("%s --help says no more than its line in the list", cmd.CommandPath())
		}
	})
	if visited < 11 {
		t.Errorf("only %d commands", visited)
	}
}

func TestEveryCommandThatPrintsDoesSoForProgramsToo(t *testing.T) {
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.Name() == "serve" {
			return // it prints a log, as JSON wherever it is no terminal
		}
		f := cmd.Flags().Lookup("format")
		if f == nil {
			t.Errorf("%s has no --format", cmd.CommandPath())
			return
		}
		if err := f.Value.Set("json"); err != nil {
			t.Errorf("%s --format json: %v", cmd.CommandPath(), err)
		}
	})
}

func TestColoursAreWrittenOnlyWhereTheyAreOn(t *testing.T) {
	on, off := printable.Painter{On: true}, printable.Painter{}
	for _, c := range []struct{ got, want string }{
		{on.Red("a"), "\x1b[31ma\x1b[0m"}, {on.Green("a"), "\x1b[32ma\x1b[0m"}, {on.Yellow("a"), "\x1b[33ma\x1b[0m"},
		{off.Red("a"), "a"}, {off.Green("a"), "a"}, {off.Yellow("a"), "a"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if painterFor(&output{}).On {
		t.Error("what is no file is no terminal")
	}
}
