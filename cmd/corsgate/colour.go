package main

import (
	"io"
	"os"
)

// painter colours words for people at a terminal; the zero painter colours
// nothing.
type painter struct{ on bool }

// painterFor returns the painter of what is written to w. Files and pipes get
// no colours, nor do those who set NO_COLOR (https://no-color.org) or whose
// terminal is dumb.
func painterFor(w io.Writer) painter {
	return painter{on: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p painter) red(s string) string    { return p.paint("31", s) }
func (p painter) green(s string) string  { return p.paint("32", s) }
func (p painter) yellow(s string) string { return p.paint("33", s) }

// paint writes s in a colour (ECMA-48, section 8.3.117).
func (p painter) paint(colour, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}
