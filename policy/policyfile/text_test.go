package policyfile

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

// ignorable are the characters that programs need not show: the property
// Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt.
var ignorable = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0xad, 0xad, 1}, {0x34f, 0x34f, 1}, {0x61c, 0x61c, 1}, {0x115f, 0x1160, 1}, {0x17b4, 0x17b5, 1}, {0x180b, 0x180f, 1},
		{0x200b, 0x200f, 1}, {0x202a, 0x202e, 1}, {0x2060, 0x206f, 1}, {0x3164, 0x3164, 1}, {0xfe00, 0xfe0f, 1}, {0xfeff, 0xfeff, 1},
		{0xffa0, 0xffa0, 1}, {0xfff0, 0xfff8, 1},
	},
	R32: []unicode.Range32{{0x1bca0, 0x1bca3, 1}, {0x1d173, 0x1d17a, 1}, {0xe0000, 0xe0fff, 1}},
}

// All characters of Unicode, in the middle of a line: what can be seen is fine,
// and nothing else.
func TestCheckTextTakesWhatAReaderSees(t *testing.T) {
	taken, refused := 0, 0
	for r := range rune(unicode.MaxRune + 1) {
		blank := strings.ContainsRune("\u2800\U0001d159\U00013441\U00013442\U00016fe4", r) // drawn without ink
		seen := (unicode.IsPrint(r) || r == '\t' || r == '\n') && !unicode.Is(ignorable, r) && !blank
		hidden := (unicode.In(r, ignorable, unicode.Cc, unicode.Cf, unicode.Z) || blank) && !seen
		found := CheckText("", []byte("a"+string(r)+"b"))
		switch {
		case unicode.Is(unicode.Cs, r):
			continue // no UTF-8 has it
		case seen && len(found) > 0:
			t.Errorf("%U is refused: %v", r, found)
		case hidden && (len(found) != 1 || found[0].Code != "hidden-character" || found[0].Line != 1 || found[0].Column != 2):
			t.Errorf("%U: got %v", r, found)
		case seen:
			taken++
		case hidden:
			refused++
		}
	}
	if taken < 140_000 || refused < 4000 {
		t.Errorf("only %d taken and %d refused", taken, refused)
	}
}

func TestCheckTextTakesAFileOfAnySystem(t *testing.T) {
	for _, text := range []string{"", "a\n", "a\r\n\r\n\tb\r\n", "\ufeffa", "# für 例え, дом, בית, बात, e\u0301, \U0001f600, \u26a0\ufe0f, \ufffd\n"} {
		if found := CheckText("", []byte(text)); found != nil {
			t.Errorf("%q: %v", text, found)
		}
	}
}

// Lines and columns are those of an editor, to which only a line feed ends a
// line.
func TestCheckTextPlacesWhatItFinds(t *testing.T) {
	for text, want := range map[string][]string{
		"\u26a0\ufe0f\ufe0f":        {"1:3 U+FE0F"},
		"a\r\nb\r\né\u200b\t\u200b": {"3:2 U+200B", "3:4 U+200B"},
		"\ufeff\ufeff":              {"1:1 U+FEFF"},
		"\ufeffa\n\ufeff":           {"2:1 U+FEFF"},
		"a\rb\rc\r":                 {"1:2 U+000D", "1:4 U+000D", "1:6 U+000D"},
		"\r\r\n":                    {"1:1 U+000D"},
		"a\u0085b\u2028\n\u2029":    {"1:2 U+0085", "1:4 U+2028", "2:1 U+2029"},
		"例\U000e0041\n\x00\x7f":     {"1:2 U+E0041", "2:1 U+0000", "2:2 U+007F"},
		"a: 1\nbé: \xff\xfe":        {"2:5 0xFF", "2:6 0xFE"},
		"\xc3":                      {"1:1 0xC3"},
		"\xed\xa0\x80":              {"1:1 0xED", "1:2 0xA0", "1:3 0x80"}, // a lone surrogate
	} {
		var got []string
		for _, d := range CheckText("p.yaml", []byte(text)) {
			place, _, _ := strings.Cut(strings.TrimPrefix(d.String(), "p.yaml:"), ": ")
			got = append(got, place+" "+d.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// What PowerShell's ">" writes, and relatives.
func TestCheckTextSaysThatAFileIsUTF16(t *testing.T) {
	for _, text := range []string{"\xff\xfea\x00\n\x00", "\xfe\xff\x00a\x00\n", "a\x00b\x00", "\x00a\x00b", "\xff\xfe\x8b\x4f"} {
		found := CheckText("p.yaml", []byte(text))
		if len(found) != 1 || found[0].String() != "p.yaml:1:1: error [text-encoding] the file is UTF-16 (save it as UTF-8)" {
			t.Errorf("%q: %v", text, found)
		}
	}
	for _, text := range []string{"\xff", "a\x00", "\x00\x00\x00\x00", "ab\x00\x00"} {
		if found := CheckText("p.yaml", []byte(text)); len(found) == 0 || found[0].Reason == "the file is UTF-16" {
			t.Errorf("%q: %v", text, found)
		}
	}
}

func TestCheckTextFindsABoundedNumber(t *testing.T) {
	if found := CheckText("", []byte(strings.Repeat("\u2028\xff", MaxDiagnostics))); len(found) != MaxDiagnostics {
		t.Errorf("found %d", len(found))
	}
}

// Whatever takes a character for the end of a line, no origin comes out of a
// comment.
func TestLoadGrantsNothingThatStandsInAComment(t *testing.T) {
	const refused = "error [hidden-character]"
	for _, end := range []string{"\r", "\v", "\f", "\x1c", "\u0085", "\u2028", "\u2029"} {
		hidden := "# good" + end + "    - https://evil.example\n"
		for name, r := range map[string]Result{
			"policy file": Load(files("p.yaml", "policies:\n- name: a\n  cors:\n    allowOrigins:\n    - https://a.example\n    "+hidden), ""),
			"group file": Load(files("p.yaml", "originGroups: {g: {file: g.txt}}\npolicies: [{name: a, cors: {allowOrigins: ['group:g']}}]",
				"g.txt", "https://a.example\n"+strings.ReplaceAll(hidden, "    - ", "")), ""),
		} {
			if r.Policies != nil || len(r.Diagnostics) != 1 || !strings.Contains(r.Diagnostics[0].String(), refused) {
				t.Errorf("%s with %q: %v", name, end, r.Diagnostics)
			}
		}
	}
}

func BenchmarkCheckText(b *testing.B) {
	text := []byte(strings.Repeat("https://tenant-0123.customers.example.com\n", 100_000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		CheckText("", text)
	}
}
