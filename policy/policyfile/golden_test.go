package policyfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what Load returns into the golden files")

// TestGolden runs the cases of testdata: policy files, and in "want" what Load
// says of them, or the specs as JSON if it accepts them.
func TestGolden(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := &archive.Files[len(archive.Files)-1]
			if want.Name != "want" {
				t.Fatalf("the last file is %q, not want", want.Name)
			}
			got := golden(loadWithin(new(Loader), filesOf(archive), "dir", limitsOf(t, archive)))
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("- wanted, + got; run with -update to accept\n%s", diff)
			}
		})
	}
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	return files
}

// cutLine names a file that ends without a newline, which an archive cannot have.
var cutLine = regexp.MustCompile(`(?m)^no final newline in (\S+)$`)

// numbered is a character or a byte that a reader would not see: a golden file
// has its number.
var numbered = regexp.MustCompile(`<(U\+|0x)([0-9A-F]+)>`)

func unnumbered(text []byte) []byte {
	return numbered.ReplaceAllFunc(text, func(mark []byte) []byte {
		m := numbered.FindSubmatch(mark)
		n, err := strconv.ParseUint(string(m[2]), 16, 32)
		switch {
		case err != nil:
			panic(err)
		case string(m[1]) == "0x":
			return []byte{byte(n)}
		}
		return utf8.AppendRune(nil, rune(n))
	})
}

func filesOf(archive *txtar.Archive) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, f := range archive.Files {
		if f.Name != "want" {
			fsys[f.Name] = &fstest.MapFile{Data: unnumbered(f.Data)}
		}
	}
	for _, m := range cutLine.FindAllStringSubmatch(string(archive.Comment), -1) {
		file := fsys[m[1]]
		file.Data = bytes.TrimSuffix(file.Data, []byte("\n"))
	}
	return fsys
}

var limitLine = regexp.MustCompile(`(?m)^limit (\w+) (\d+)$`)

// limitsOf returns the bounds, lowered by lines "limit NAME N" of the comment.
func limitsOf(t *testing.T, archive *txtar.Archive) limits {
	t.Helper()
	lim := bounds()
	for _, m := range limitLine.FindAllStringSubmatch(string(archive.Comment), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		switch m[1] {
		case "policyFile":
			lim.policyFile = int64(n)
		case "groupFile":
			lim.groupFile = int64(n)
		case "nodes":
			lim.nodes = n
		case "aliased":
			lim.aliased = n
		case "origins":
			lim.origins = n
		case "regexes":
			lim.regexes = n
		case "findings":
			lim.findings = n
		default:
			t.Fatalf("no limit %q", m[1])
		}
	}
	return lim
}

func golden(r Result) string {
	var b strings.Builder
	for _, d := range r.Diagnostics {
		fmt.Fprintln(&b, d)
	}
	if r.Policies == nil {
		return b.String()
	}
	for _, s := range r.Policies.Specs() {
		text, err := json.Marshal(s)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}
