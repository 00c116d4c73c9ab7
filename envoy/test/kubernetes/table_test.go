//go:build linux

package kubernetes

import (
	"strings"
	"testing"
)

// readme has the table of the variants.
const readme = "../../kubernetes/README.md"

// table returns the rows of the table, by the text of their first column.
func table(t *testing.T) map[string]cells {
	t.Helper()
	_, text, found := strings.Cut(read(t, readme), "\n| variant |")
	if !found {
		t.Fatalf("%s has no table of variants", readme)
	}
	text, _, _ = strings.Cut("| variant |"+text, "\n\n")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	heads := row(lines[0])
	rows := map[string]cells{}
	for _, line := range lines[2:] {
		c := cells{}
		for i, text := range row(line)[1:] {
			c[heads[i+1]] = text
		}
		rows[row(line)[0]] = c
	}
	return rows
}

// row returns the texts of a row.
func row(line string) (texts []string) {
	for text := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		texts = append(texts, strings.TrimSpace(text))
	}
	return texts
}

// documented returns a row of the table.
func documented(t *testing.T, name string) cells {
	t.Helper()
	c, ok := table(t)[name]
	if !ok {
		t.Fatalf("%s has no row %q", readme, name)
	}
	return c
}
