package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"

	"github.com/corsgate/corsgate/policy/printable"
)

// writeJSON writes v as indented JSON.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(printable.JSON(text.Bytes()))
	return err
}

// painterFor returns the painter of what is written to w. Files and pipes get
// no colours, nor do those who set NO_COLOR (https://no-color.org) or whose
// terminal is dumb.
func painterFor(w io.Writer) printable.Painter {
	return printable.Painter{On: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// isTerminal reports whether w is a character device, which is a terminal for
// all that a command writes to.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
