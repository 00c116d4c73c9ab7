package policyfile

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var shownCode = regexp.MustCompile(`(?m)^\S+:\d+:\d+: (?:error|warning|note) \[([a-z-]+)\] `)

// Every code that the sources can emit has a golden case, and no case has one
// that they cannot.
func TestGoldenCasesCoverEveryCode(t *testing.T) {
	covered := map[string]bool{}
	for _, file := range goldenFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shownCode.FindAllStringSubmatch(string(data), -1) {
			covered[m[1]] = true
		}
	}
	emitted := emittedCodes(t)
	if len(emitted) < 50 {
		t.Fatalf("only %d codes found in the sources: the search is broken", len(emitted))
	}
	for _, code := range slices.Sorted(maps.Keys(emitted)) {
		if !covered[code] {
			t.Errorf("no golden case has %s", code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(covered)) {
		if !emitted[code] {
			t.Errorf("a golden case has %s, which the sources do not", code)
		}
	}
}

// emittedCodes reads the codes from the sources of this package and of policy.
func emittedCodes(t *testing.T) map[string]bool {
	t.Helper()
	codes := codeFinder{}
	for _, dir := range []string{".", ".."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, codes.visit)
		}
	}
	return codes
}

// codeFinder collects the texts that stand where a code does: an argument of
// what reports, a field or variable "code", and a result of that name.
type codeFinder map[string]bool

func (c codeFinder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		if slices.Contains([]string{"fail", "warn", "note", "refuse", "add", "bad"}, nameOf(n.Fun)) {
			for _, arg := range n.Args[:min(3, len(n.Args))] {
				c.add(arg)
			}
		}
	case *ast.KeyValueExpr:
		if nameOf(n.Key) == "Code" {
			c.add(n.Value)
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if strings.EqualFold(nameOf(to), "code") && i < len(n.Rhs) {
				c.add(n.Rhs[i])
			}
		}
	case *ast.FuncDecl:
		if returnsCode(n) {
			ast.Inspect(n.Body, c.visitReturn)
		}
	}
	return true
}

func (c codeFinder) visitReturn(n ast.Node) bool {
	if ret, ok := n.(*ast.ReturnStmt); ok && len(ret.Results) > 1 {
		c.add(ret.Results[0])
	}
	return true
}

func returnsCode(f *ast.FuncDecl) bool {
	results := f.Type.Results
	return results != nil && len(results.List) > 0 && len(results.List[0].Names) > 0 && results.List[0].Names[0].Name == "code"
}

func (c codeFinder) add(e ast.Expr) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	if text, err := strconv.Unquote(lit.Value); err == nil && isCode(text) {
		c[text] = true
	}
}

func isCode(s string) bool {
	return strings.Contains(s, "-") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
