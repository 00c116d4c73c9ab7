package envoy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/cases"
)

// TestCasesKnowTheProfiles holds package cases, which may not read the table of
// profiles, to it.
func TestCasesKnowTheProfiles(t *testing.T) {
	asked := map[cases.Profile]bool{cases.Decide: true}
	for _, f := range profiles {
		asked[cases.Profile(f.Profile)] = f.EveryRequest && !f.Compiled // which notes nothing of them
	}
	got := map[cases.Profile]bool{}
	for _, p := range cases.Profiles() {
		got[p] = cases.Case{}.Asked(p)
	}
	if diff := cmp.Diff(asked, got); diff != "" {
		t.Errorf("who is asked without an Origin (-profiles +cases): %s", diff)
	}
}

func TestTheDocumentSaysWhatProfilesAre(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := strings.Join(strings.Fields(strings.ReplaceAll(string(text), "`", "")), " ")
	for _, f := range profiles {
		says := regexp.MustCompile(`- \*\*` + string(f.Profile) + `\*\*(, recommended)?: ` + regexp.QuoteMeta(f.Summary) + `[.,]`)
		if !says.MatchString(readme) {
			t.Errorf("README.md does not say of %s: %s", f.Profile, f.Summary)
		}
	}
}
