package fields_test

import (
	"reflect"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

func parse(t *testing.T, text string) tree.Node {
	t.Helper()
	docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)})
	if err != nil || len(docs) != 1 {
		t.Fatal(text, err)
	}
	return docs[0]
}

// told returns the fidelities of what was told.
func told(r fields.Report) (all []source.Fidelity) {
	for _, f := range r.Findings {
		all = append(all, f.Fidelity)
	}
	return all
}

func TestMaxAge(t *testing.T) {
	for _, c := range []struct {
		text string
		unit fields.Unit
		want int // -9 if there is none
		told []source.Fidelity
	}{
		{"600", fields.Seconds, 600, nil},
		{`"600"`, fields.Seconds, 600, nil},
		{"10m", fields.Duration, 600, nil},
		{"0", fields.Duration, 0, nil},
		{"0s", fields.Seconds, 0, nil},
		{"600", fields.Duration, 600, []source.Fidelity{source.Differs}},
		{"10m", fields.Seconds, 600, []source.Fidelity{source.Differs}},
		{"1.5", fields.Seconds, 1, []source.Fidelity{source.Clamped}},
		{"-1", fields.Seconds, -1, nil},
		{"soon", fields.Seconds, -9, []source.Fidelity{source.Decide}},
		{"1e99", fields.Seconds, -9, []source.Fidelity{source.Decide}},
		{".nan", fields.Seconds, -9, []source.Fidelity{source.Decide}},
		{"[1]", fields.Seconds, -9, []source.Fidelity{source.Decide}},
		{"null", fields.Seconds, -9, nil},
	} {
		var r fields.Report
		got := r.MaxAge(parse(t, "a: "+c.text).Field("a"), c.unit)
		seconds := -9
		if got != nil {
			seconds = got.Seconds
		}
		if seconds != c.want || !reflect.DeepEqual(told(r), c.told) {
			t.Errorf("%s: %d, told %v; want %d, told %v", c.text, seconds, told(r), c.want, c.told)
		}
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string][]string{
		"[a, 1, true]":     {"a", "1", "true"},
		"[a, [b], {c: d}]": {"a"},
		"a, b,":            {"a", "b"},
		"{a: b}":           nil,
		"null":             nil,
	} {
		var r fields.Report
		var got []string
		for _, entry := range r.Texts(parse(t, "a: "+text).Field("a")) {
			got = append(got, entry.Text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if silent := len(r.Findings) == 0; silent != (text == "[a, 1, true]" || text == "null") {
			t.Errorf("%s: told %v", text, r.Findings)
		}
	}
}

func TestMeant(t *testing.T) {
	for entry, want := range map[string][]string{
		"www.example.com":                        {"https://www.example.com", "http://www.example.com"},
		"*.example.com":                          {"https://*.example.com", "http://*.example.com"},
		"https://www.example.com/":               {"https://www.example.com"},
		"https://a.example, https://b.example/x": {"https://a.example", "https://b.example"},
		"localhost:3000":                         {"http://localhost:3000"},
		`https://[a-z]+\.example\.com`:           nil,
	} {
		if got := fields.Meant(entry); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", entry, got, want)
		}
	}
}

func TestKnown(t *testing.T) {
	r := fields.Report{System: "Contour"}
	r.Known(parse(t, "{allowOrigin: a, allow-origins: b, allowed_origin: c, AllowOrigin: d, allowOrigni: e, other: f}"), "allowOrigin")
	for i, f := range r.Findings {
		want := `did you mean "allowOrigin"?`
		if i == 4 {
			want = ""
		}
		if f.Fidelity != source.Decide || f.Hint != want {
			t.Errorf("%+v, want the hint %q", f, want)
		}
	}
	if len(r.Findings) != 5 {
		t.Errorf("%d findings, want 5", len(r.Findings))
	}
}
