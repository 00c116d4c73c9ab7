package policyfile

import (
	"bytes"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// CheckText returns an error for each character of a file that a reader does not see, or
// sees as something else: what it hides would take effect unnoticed. These are the
// characters that Unicode calls a space, a control, a format, or ignorable, and the few that
// are drawn without ink. As in editors, only a line feed ends a line. Letters of any script
// are allowed, and so is a byte order mark at the beginning. It returns at most
// MaxDiagnostics.
func CheckText(file string, text []byte) []Diagnostic {
	if isUTF16(text) {
		return []Diagnostic{{File: file, Line: 1, Column: 1, Code: "text-encoding", Reason: "the file is UTF-16", Hint: "save it as UTF-8"}}
	}
	var found []Diagnostic
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	line, start := 1, 0 // of the line: its number, and where its first character stands
	before := rune(0)   // the character before
	for i := 0; i < len(text) && len(found) < MaxDiagnostics; {
		if c := text[i]; c < utf8.RuneSelf && isPlain(text, i) {
			i, before = i+1, rune(c)
			if c == '\n' {
				line, start = line+1, i
			}
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		d := Diagnostic{File: file, Line: line, Column: i - start + 1}
		switch reason, hint := whyHidden(r); {
		case isEmoji(before, r):
		case r == utf8.RuneError && size == 1:
			d.Code, d.Value, d.Reason, d.Hint = "text-encoding", fmt.Sprintf("0x%02X", text[i]), "the file is not UTF-8 here", "save the file as UTF-8"
			found = append(found, d)
		case reason != "":
			d.Code, d.Value, d.Reason, d.Hint = "hidden-character", fmt.Sprintf("U+%04X", r), reason, hint
			found = append(found, d)
		}
		i, before = i+size, r
		start += size - 1 // columns count characters
	}
	return found
}

// byteOrderMark may begin a file.
const byteOrderMark = "\ufeff"

// isUTF16 reports whether text begins with UTF-16's byte order mark, or with two
// ASCII characters in UTF-16.
func isUTF16(text []byte) bool {
	if len(text) < 4 {
		return false
	}
	a, b, c, d := text[0] == 0, text[1] == 0, text[2] == 0, text[3] == 0
	mark := string(text[:2])
	return mark == "\xff\xfe" || mark == "\xfe\xff" || a == c && b == d && a != b
}

// blanks are the characters without ink that Unicode does not call spaces: a
// Braille pattern without dots, a note without head, and what only keeps room in
// two scripts.
var blanks = []rune{0x2800, 0x1d159, 0x13441, 0x13442, 0x16fe4}

// isPlain reports whether the ASCII character at i is printable, a tab, or a part of the end
// of a line.
func isPlain(text []byte, i int) bool {
	switch c := text[i]; c {
	case '\t', '\n':
		return true
	case '\r':
		return i+1 < len(text) && text[i+1] == '\n'
	default:
		return ' ' <= c && c <= '~'
	}
}

// isEmoji reports whether r only says how the symbol before it is drawn: "⚠️" is
// two characters.
func isEmoji(before, r rune) bool {
	return (r == '\ufe0e' || r == '\ufe0f') && unicode.Is(unicode.So, before)
}

// whyHidden says what a reader does not see of r, which is not plain. If r hides nothing,
// reason is empty.
func whyHidden(r rune) (reason, hint string) {
	switch {
	case r == '\r', r == '\u0085', unicode.In(r, unicode.Zl, unicode.Zp):
		return "some programs see the end of a line here, and others do not", "end lines with LF or CRLF"
	case unicode.Is(unicode.Zs, r), slices.Contains(blanks, r):
		return "this looks like a space and is not one", "write a space"
	case unicode.Is(unicode.Bidi_Control, r):
		return "this changes the direction in which text is shown, so that people read something else than corsgate", "remove it"
	case unicode.Is(unicode.Join_Control, r):
		return "this is invisible", "remove it, though words of some scripts and some emoji are written with it: it can hide text as well"
	case unicode.Is(unicode.Variation_Selector, r):
		return "this is invisible", "remove it; only behind an emoji it is fine"
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point):
		return "this is invisible, or changes how the text around it looks", "remove it"
	}
	return "", ""
}
