package main

import (
	"io"
	"os"

	"github.com/corsgate/corsgate/policy/printable"
)

// painterFor returns the painter of what is written to w. Files and pipes get
// no colours, nor do those who set NO_COLOR (https://no-color.org) or whose
// terminal is dumb.
func painterFor(w io.Writer) printable.Painter {
	return printable.Painter{On: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}
