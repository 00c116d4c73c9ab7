package policyfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
)

// samples returns the folders of testdata/accepted: what each version accepts,
// by the version's name. CONTRIBUTING.md says what is promised of them.
func samples(t *testing.T) map[string]string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/accepted/v*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	all := map[string]string{}
	for _, dir := range dirs {
		all[filepath.Base(dir)] = dir
	}
	return all
}

// TestSamplesOfEachVersionAreAccepted loads what a version accepted. The file
// "want" has what it means, and is written once: -update makes a missing one.
func TestSamplesOfEachVersionAreAccepted(t *testing.T) {
	for version, dir := range samples(t) {
		t.Run(version, func(t *testing.T) {
			r := Load(os.DirFS(dir), dir)
			for _, d := range r.Diagnostics {
				if isError(d) {
					t.Error(d)
				}
			}
			got := golden(Result{Policies: r.Policies})
			file := filepath.Join(dir, "want")
			want, err := os.ReadFile(file)
			if *update && errors.Is(err, fs.ErrNotExist) {
				want, err = []byte(got), os.WriteFile(file, []byte(got), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the files no longer mean what they did: - wanted, + got\n%s", diff)
			}
		})
	}
}

// used are the words that policy files use: "policy.mode" for a field, and
// "policy.mode=shadow" for a value of it.
type used map[string]bool

func (u used) add(part string, v any) {
	fields, _ := v.(map[string]any)
	for field, value := range fields {
		field = part + "." + field
		u[field] = true
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, entry := range list {
			u[fmt.Sprint(field, "=", entry)] = true
		}
	}
}

func (u used) addFile(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	var doc map[string]any
	if err == nil {
		err = yaml.Load(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	u.add("", doc)
	policies, _ := doc["policies"].([]any)
	for _, p := range policies {
		u.add("policy", p)
		u.add("cors", p.(map[string]any)["cors"])
	}
	groups, _ := doc["originGroups"].(map[string]any)
	for _, g := range groups {
		u[fmt.Sprintf("group as %T", g)] = true
	}
}

func (u used) addOrigins(t *testing.T, specs []policy.Spec) {
	t.Helper()
	for _, s := range specs {
		for _, text := range s.CORS.AllowOrigins {
			p, err := policy.ParsePattern(text)
			if err != nil {
				t.Fatal(err)
			}
			u[fmt.Sprintf("form %d, any port %t", p.Form, p.Port == policy.AnyPort)] = true
		}
	}
}

// TestSamplesUseEverything holds the samples to the schema: each field, each
// word that a field may have, each opt-in and each form of an origin.
func TestSamplesUseEverything(t *testing.T) {
	u := used{}
	for _, dir := range samples(t) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if IsPolicyFile(f.Name()) {
				u.addFile(t, filepath.Join(dir, f.Name()))
			}
		}
		u.addOrigins(t, Load(os.DirFS(dir), dir).Policies.Specs())
	}
	for _, word := range everything(t) {
		if !u[word] {
			t.Errorf("no sample has %s", word)
		}
	}
}

// everything returns what samples are to use.
func everything(t *testing.T) []string {
	t.Helper()
	words := []string{"group as []interface {}", "group as map[string]interface {}"}
	for _, form := range []policy.Form{policy.FormExact, policy.FormLabel, policy.FormSubdomain, policy.FormAnyHost, policy.FormAny, policy.FormNull} {
		words = append(words, fmt.Sprintf("form %d, any port false", form))
		if form != policy.FormAny && form != policy.FormNull {
			words = append(words, fmt.Sprintf("form %d, any port true", form))
		}
	}
	for name, of := range parts(t) {
		for field, raw := range of.Properties {
			var p part
			if err := json.Unmarshal(raw, &p); err != nil {
				t.Fatal(err)
			}
			field = name + "." + field
			words = append(words, field)
			for _, value := range append(p.Enum, p.Items.Enum...) {
				words = append(words, fmt.Sprint(field, "=", value))
			}
		}
	}
	return words
}
