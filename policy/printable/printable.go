// Package printable makes what people read at a terminal. Text of somebody
// else's is made harmless, file names above all: nothing in it moves the cursor,
// begins a line, hides, or turns the direction of what stands around it. Text
// that is printable stays as it is.
package printable

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Name returns the name of a file as messages show it: quoted as in Go if it
// has a character that is not printable.
func Name(name string) string {
	if is(name) {
		return name
	}
	return strconv.Quote(name)
}

// Value returns a value of a request as messages show it: quoted as in Go if
// that changes it.
func Value(value string) string {
	if quoted := strconv.Quote(value); quoted != `"`+value+`"` {
		return quoted
	}
	return value
}

// List returns the values as a list of a policy file has them, between its
// brackets: YAML reads what Go quotes.
func List(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	return strings.Join(quoted, ", ")
}

// Counted returns n with the word for one or for several.
func Counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Error returns err, of a function of package os, with the file's name as
// messages show it.
func Error(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: pe.Op, Path: Name(pe.Path), Err: pe.Err}
	}
	return err
}

// Text returns a line of text with every character that is not printable
// escaped as in Go.
func Text(line string) string {
	return escape(line, 0, func(char string) string {
		quoted := strconv.Quote(char)
		return quoted[1 : len(quoted)-1]
	})
}

// JSON returns the same JSON with every character that is not printable
// escaped. Those that JSON escapes anyway are left alone.
func JSON(text []byte) []byte {
	return []byte(escape(string(text), ' ', func(char string) string {
		var b strings.Builder
		for _, unit := range utf16.Encode([]rune(char)) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
		return b.String()
	}))
}

// is reports whether all of s is printable.
func is(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}

// escape replaces the characters from least on, and bytes that are not UTF-8, that
// are not printable.
func escape(s string, least rune, escaped func(char string) string) string {
	if is(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		char := s[:n]
		if r >= least && !is(char) {
			char = escaped(char)
		}
		b.WriteString(char)
		s = s[n:]
	}
	return b.String()
}
