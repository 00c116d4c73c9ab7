package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBuildLeavingsStayOutOfTheImagesBuild holds .dockerignore, whose patterns
// match at the root alone, to .gitignore, whose patterns match everywhere.
func TestBuildLeavingsStayOutOfTheImagesBuild(t *testing.T) {
	docker := ignored(t, ".dockerignore")
	for _, pattern := range ignored(t, ".gitignore") {
		want := strings.TrimSuffix(pattern, "/")
		if !strings.HasPrefix(want, "/") {
			want = "**/" + want
		}
		if !slices.Contains(docker, want) {
			t.Errorf(".dockerignore has no %s, as .gitignore has %s", want, pattern)
		}
	}
}

// ignored returns the patterns of a file at the root.
func ignored(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	patterns := strings.Fields(withoutComments(string(text)))
	if len(patterns) == 0 {
		t.Fatalf("%s has no pattern", name)
	}
	return patterns
}

func withoutComments(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
	return strings.Join(lines, "\n")
}
