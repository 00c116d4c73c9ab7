package printable_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy/printable"
)

func TestANameIsQuotedIfItIsNotPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"":                      "",
		"policies/a b.yaml":     "policies/a b.yaml",
		"bücher.yaml":           "bücher.yaml",
		"本/🔒.yaml":              "本/🔒.yaml",
		`C:\a "b".yaml`:         `C:\a "b".yaml`,
		"\ufffd":                "\ufffd",
		"a\n.yaml":              `"a\n.yaml"`,
		"a\x1b[31m\".yaml":      `"a\x1b[31m\".yaml"`,
		"\x7f":                  `"\x7f"`,
		"\u009b2J":              `"\u009b2J"`, // a terminal's CSI in one character
		"a\u202egpj.yaml":       `"a\u202egpj.yaml"`,
		"a\u2066b":              `"a\u2066b"`,
		"a\u200bb":              `"a\u200bb"`,
		"a\u2028b":              `"a\u2028b"`,
		"a\u00a0b":              `"a\u00a0b"`,
		"a\U000e0041.yaml":      `"a\U000e0041.yaml"`, // a tag character, which nobody sees
		"\xff.yaml":             `"\xff.yaml"`,
		"bücher\u202e/\xfe.yml": `"bücher\u202e/\xfe.yml"`,
	} {
		if got := printable.Name(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestAValueIsQuotedIfQuotingChangesIt(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "a b, ü": "a b, ü", `a"b`: `"a\"b"`, `a\b`: `"a\\b"`, "a\n": `"a\n"`, "\u202e": `"\u202e"`,
	} {
		if got := printable.Value(value); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestAListIsReadAsItWasMeant(t *testing.T) {
	values := []string{"https://a.test", "*", "", `a"b\c`, "a: b, c]", "ü\u202e\U000e0041\x1b\n"}
	var got []string
	if err := yaml.Unmarshal([]byte("["+printable.List(values)+"]"), &got); err != nil || !slices.Equal(got, values) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0 entries", 1: "1 entry", 2: "2 entries"} {
		if got := printable.Counted(n, "entry", "entries"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTextIsEscapedWhereItIsNotPrintable(t *testing.T) {
	for text, want := range map[string]string{
		`no "such" ü`:            `no "such" ü`,
		"a\tb\n\x1b[0m\u202e\"":  `a\tb\n\x1b[0m\u202e"`,
		"\xff\ufffd\u009b\u00e9": `\xff` + "\ufffd" + `\u009bé`,
	} {
		if got := printable.Text(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestJSONSaysTheSameWithoutWhatIsNotPrintable(t *testing.T) {
	value := "ü \x7f \u009b \u202e \U000e0041 \n\x1b\""
	text, err := json.MarshalIndent(map[string]string{"a": value}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got := printable.JSON(text)
	if want := "{\n\t\"a\": \"ü " + `\u007f \u009b \u202e \udb40\udc41 \n\u001b\"` + "\"\n}"; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var back map[string]string
	if err := json.Unmarshal(got, &back); err != nil || back["a"] != value {
		t.Errorf("%q, %v", back["a"], err)
	}
}

func TestAnErrorShowsItsName(t *testing.T) {
	_, err := os.Stat("no\nsuch\x1b")
	shown := printable.Error(err)
	if want := `stat "no\nsuch\x1b": no such file or directory`; shown.Error() != want || !errors.Is(shown, fs.ErrNotExist) {
		t.Errorf("got %v, want %s", shown, want)
	}
	if got := printable.Error(nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}
