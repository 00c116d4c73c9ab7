package cases

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// LoadCase is a policy file and what loading it must say.
type LoadCase struct {
	// Name is a sentence, unique in its file, and Why says where its rule stands.
	Name, Why string
	// Line is where the entry begins in its file.
	Line int
	// Errors has for each wanted error its code or a part of its text; empty:
	// the file loads. Warnings has such for warnings and notes, which may be more.
	Errors, Warnings []string

	texts map[string][]byte // :: policy file and group files
}

// Diff loads the policies and returns one line for each difference.
func (l LoadCase) Diff() []string {
	fsys, err := folder(l.texts)
	if err != nil {
		return []string{err.Error()}
	}
	loaded := policyfile.Load(fsys, "")
	errors, warnings := byLevel(loaded.Diagnostics)
	lines := append(missing("error", l.Errors, errors), missing("warning", l.Warnings, warnings)...)
	for _, d := range errors {
		if !anyNames(l.Errors, d) {
			lines = append(lines, fmt.Sprintf("unwanted: %s", d))
		}
	}
	return lines
}

func byLevel(all []policyfile.Diagnostic) (errors, warnings []policyfile.Diagnostic) {
	for _, d := range all {
		if d.Level == policy.Error {
			errors = append(errors, d)
		} else {
			warnings = append(warnings, d)
		}
	}
	return errors, warnings
}

// missing returns a line for each of wanted that none of got is.
func missing(what string, wanted []string, got []policyfile.Diagnostic) []string {
	var lines []string
	for _, want := range wanted {
		found := false
		for _, d := range got {
			found = found || names(want, d)
		}
		if !found {
			lines = append(lines, fmt.Sprintf("no %s %q", what, want))
		}
	}
	return lines
}

func anyNames(wanted []string, d policyfile.Diagnostic) bool {
	for _, want := range wanted {
		if names(want, d) {
			return true
		}
	}
	return false
}

// names reports whether want is the code of d or a part of its text.
func names(want string, d policyfile.Diagnostic) bool {
	return want == d.Code || strings.Contains(d.String(), want)
}
