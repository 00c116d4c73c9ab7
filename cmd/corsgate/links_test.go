package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinksLeadSomewhere follows each relative link of the documents to its file and
// its heading. It goes to no network.
func TestLinksLeadSomewhere(t *testing.T) {
	followed := 0
	for _, name := range documents(t) {
		for _, to := range links(document(t, name)) {
			if strings.Contains(to, "://") {
				continue
			}
			followed++
			if err := follow(t, name, to); err != nil {
				t.Errorf("%s links to %s: %v", name, to, err)
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links", followed)
	}
}

// fence is a code block, and code within a line.
var fence = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]+`")

// link is the target of a link or a picture; its text may go on in the next line.
var link = regexp.MustCompile(`\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]\(([^()\s]+)\)`)

// links returns the targets of a document's links.
func links(text string) (targets []string) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// follow finds the file and the heading that a document links to.
func follow(t *testing.T, from, to string) error {
	t.Helper()
	path, anchor, _ := strings.Cut(to, "#")
	file := from
	if path != "" {
		file = filepath.Join(filepath.Dir(from), path)
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil || anchor == "" {
		return err
	}
	if !anchors(document(t, file))[anchor] {
		return fmt.Errorf("%s has no such heading", file)
	}
	return nil
}

// heading is a line that begins a section.
var heading = regexp.MustCompile(`(?m)^#+ (.+)$`)

// anchors returns the names by which a document's sections are linked to, as GitHub
// makes them: in lower case, a hyphen for each space, no other punctuation.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}

func TestLinksAndAnchorsAreFound(t *testing.T) {
	text := "# What is no-trip?\n\n![a picture](a.svg) [two\nwords](b.md#c) [`code`](d.md)\n\n```sh\n# no heading\n[x](y)\n```\n"
	if got := fmt.Sprint(links(text)); got != "[a.svg b.md#c d.md]" {
		t.Errorf("links: %s", got)
	}
	if got := fmt.Sprint(anchors(text)); got != "map[what-is-no-trip:true]" {
		t.Errorf("anchors: %s", got)
	}
}
