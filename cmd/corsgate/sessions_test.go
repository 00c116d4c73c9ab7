package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/shell"
)

// TestDocumentedSessionsAreTrue runs each "$ corsgate" line of the documents' console
// blocks where a policies folder is, and wants what stands below it.
func TestDocumentedSessionsAreTrue(t *testing.T) {
	policies, err := filepath.Abs(filepath.Join(root, "envoy", "policies"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := snippets(t, "console")
	folder := t.TempDir()
	if err := os.Symlink(policies, filepath.Join(folder, "policies")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(folder)
	for _, block := range blocks {
		for session := range strings.SplitSeq("\n"+strings.TrimSuffix(block, "\n"), "\n$ ") {
			if session != "" {
				runSession(t, session)
			}
		}
	}
}

// runSession runs a command line and compares what it prints. A line "..." stands
// for any lines.
func runSession(t *testing.T, session string) {
	t.Helper()
	command, want, _ := strings.Cut(session, "\n")
	args, err := shell.Fields(command, nil)
	if err != nil || args[0] != "corsgate" {
		t.Fatalf("%s: %v", command, err)
	}
	var out, errs output
	run(t.Context(), args[1:], nil, &out, &errs)
	if got := strings.TrimSuffix(out.String()+errs.String(), "\n"); !shows(want, got) {
		t.Errorf("%s prints\n%s\nand the document says\n%s", command, got, want)
	}
}

// leftOut is the end of a line that a document leaves out, in a quoted pattern.
var leftOut = regexp.MustCompile(`(?m)(\S)\\.\\.\\.$`)

// shows reports whether a document's text is what was printed. A line "..." stands
// for any lines, and "..." at the end of a line for the rest of it.
func shows(said, printed string) bool {
	pattern := leftOut.ReplaceAllString(regexp.QuoteMeta(said), "$1.*")
	pattern = strings.ReplaceAll("\n"+pattern, "\n"+regexp.QuoteMeta("..."), "(?:\n.*)*?")
	return regexp.MustCompile("^" + pattern + "$").MatchString("\n" + printed)
}
