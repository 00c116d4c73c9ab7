package policyfile

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestLoadSurvivesAliasesOfThemselves(t *testing.T) {
	for _, data := range []string{
		"policies: &a [*a]",
		"policies: &a\n- name: x\n  cors: {allowOrigins: *a}",
		"originGroups: &g {a: *g}",
		"&r {policies: *r, originGroups: *r}",
	} {
		if r := Load(files("p.yaml", data), ""); !r.HasErrors() {
			t.Errorf("%s: accepted as %+v", data, r.Policies.Specs())
		}
	}
}

// Written out, the aliases would be five million origins.
func TestLoadBoundsWhatAliasesStandFor(t *testing.T) {
	data := "policies:\n- &p {name: a, cors: {allowOrigins: [" + strings.Repeat("'https://a.example', ", 1000) + "]}}\n" + strings.Repeat("- *p\n", 5000)
	lim := bounds()
	lim.aliased, lim.findings = 20_000, 10*MaxDiagnostics*MaxDiagnostics
	r := loadWithin(new(Loader), files("p.yaml", data), "", lim)
	bounded := slices.IndexFunc(r.Diagnostics, func(d Diagnostic) bool { return d.Code == "yaml-aliases" })
	if bounded < 0 || r.Diagnostics[bounded].Line != 22 {
		t.Errorf("not refused at the alias that is too much: %v", r.Diagnostics[:1])
	}
}

// What aliases stand for is not copied before it is bounded.
func TestLoadKeepsLittleOfAliases(t *testing.T) {
	data := "policies:\n- &p {hosts: &h [" + strings.Repeat("a,", 20_000) + "]}\n" + strings.Repeat("- {hosts: *h}\n", 5000)
	lim := bounds()
	lim.aliased = 100_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := loadWithin(new(Loader), files("p.yaml", data), "", lim)
	runtime.ReadMemStats(&after)
	if !r.HasErrors() {
		t.Error("accepted")
	}
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 500 {
		t.Errorf("%d MiB for a file of %d KiB", mib, len(data)>>10)
	}
}
