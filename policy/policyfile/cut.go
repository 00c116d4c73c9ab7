package policyfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// The kinds of a Unit.
const (
	UnitPolicy = "policy"
	UnitGroup  = "group"
)

// Unit is one policy or one origin group as a file of its own. The file of a policy is
// JSON with its fields as they were written; it names groups and does not have their
// members. The file of a group has one origin a line.
type Unit struct {
	// Kind is UnitPolicy or UnitGroup, and Name the name of the policy or the group.
	Kind, Name string
	// Data is the content of the file.
	Data []byte
}

// File returns the name of the unit's file.
func (u Unit) File() string {
	if u.Kind == UnitGroup {
		return groupFile(u.Name)
	}
	return u.Kind + "-" + u.Name + ".json"
}

func groupFile(name string) string { return UnitGroup + "-" + name + ".txt" }

// GroupsFile is the name of the file that declares the groups of units.
const GroupsFile = "origin-groups.json"

// Groups returns the content of GroupsFile. The units' files and this one are a folder
// that says what the units were cut from.
func Groups(units []Unit) []byte {
	type file struct {
		File string `json:"file"`
	}
	groups := map[string]file{}
	for _, u := range units {
		if u.Kind == UnitGroup {
			groups[u.Name] = file{groupFile(u.Name)}
		}
	}
	return canonical(map[string]any{"originGroups": groups})
}

// Cut loads as Load does, and returns the units of good policies, sorted by kind and
// name. The units of a folder of units are the same.
func Cut(fsys fs.FS, place string) ([]Unit, Result) {
	l := newLoader(fsys, place, bounds(), memory{})
	l.readFiles()
	written := l.units() // while the entries of all policies are there
	valid := l.judge(l.memos())
	l.checkUnused()
	r := Result{Diagnostics: l.found.arranged()}
	if r.HasErrors() {
		return nil, r
	}
	r.Policies, r.sources = valid, l.places()
	return written, r
}

func (l *loader) units() []Unit {
	units := make([]Unit, 0, len(l.policies)+len(l.named))
	for _, g := range l.named {
		units = append(units, Unit{Kind: UnitGroup, Name: g.name, Data: linesOf(g.texts)})
	}
	for _, p := range l.policies {
		spec := p.spec
		spec.CORS.AllowOrigins = make([]string, len(p.origins))
		for i, e := range p.origins {
			spec.CORS.AllowOrigins[i] = e.text
		}
		units = append(units, Unit{Kind: UnitPolicy, Name: spec.Name, Data: canonical(map[string]any{"policies": []policy.Spec{spec}})})
	}
	slices.SortFunc(units, func(a, b Unit) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)) })
	return units
}

func linesOf(members []string) []byte {
	var b bytes.Buffer
	for _, m := range members {
		b.WriteString(m)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// canonical returns v as JSON on one line. Policies that are accepted are printable ASCII.
func canonical(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a regex stays readable
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("marshal units: %v", err)) // they have texts, numbers and lists of them only
	}
	return b.Bytes()
}
