package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// No flag that refuses a value does so in the words of one of Go's parsers.
func TestFlagsSayWhatTheyTake(t *testing.T) {
	refused := 0
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			err := f.Value.Set("no such value")
			if err == nil {
				return
			}
			refused++
			if text := plainValue(f, err).Error(); !strings.HasPrefix(text, "want ") {
				t.Errorf("%s --%s: %s", cmd.CommandPath(), f.Name, text)
			}
		})
	})
	if refused < 20 {
		t.Errorf("only %d flags refuse a value", refused)
	}
}
