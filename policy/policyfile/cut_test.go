package policyfile

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/corsgate/corsgate/policy"
)

// folderOf returns the folder of units.
func folderOf(units []Unit) fstest.MapFS {
	fsys := fstest.MapFS{GroupsFile: {Data: Groups(units)}}
	for _, u := range units {
		fsys[u.File()] = &fstest.MapFile{Data: u.Data}
	}
	return fsys
}

// byName returns specs sorted by their names.
func byName(specs []policy.Spec) []policy.Spec {
	return slices.SortedFunc(slices.Values(specs), func(a, b policy.Spec) int { return strings.Compare(a.Name, b.Name) })
}

// expectCut cuts policies, and holds the folder of the units to them: it has the same
// specs and the same kinds of diagnostics, and is cut into the same units.
func expectCut(t *testing.T, fsys fs.FS) []Unit {
	t.Helper()
	units, r := Cut(fsys, "")
	loaded := Load(fsys, "")
	if !reflect.DeepEqual(r.Diagnostics, loaded.Diagnostics) {
		t.Errorf("Cut says %v, and Load %v", r.Diagnostics, loaded.Diagnostics)
	}
	if r.HasErrors() {
		if units != nil || r.Policies != nil {
			t.Error("units beside errors")
		}
		return nil
	}
	if r.Policies.Hash() != loaded.Policies.Hash() {
		t.Error("Cut judges other policies than Load")
	}
	again, back := Cut(folderOf(units), "")
	if back.HasErrors() {
		t.Fatalf("the folder of the units is refused: %v", back.Diagnostics)
	}
	if got, want := byName(back.Policies.Specs()), byName(r.Policies.Specs()); !reflect.DeepEqual(got, want) {
		t.Errorf("the folder of the units says\n%+v\nwant\n%+v", got, want)
	}
	if !reflect.DeepEqual(again, units) {
		t.Errorf("the units are cut into\n%s\nwant\n%s", textOf(again), textOf(units))
	}
	if got, want := codes(back), codes(r); !slices.Equal(got, want) {
		t.Errorf("the folder of the units has the diagnostics %q, want %q", got, want)
	}
	sameDecisions(t, r.Policies, back.Policies)
	return units
}

// codes returns the codes of diagnostics, each once, since a file that two groups name has
// its diagnostics once; without those that are about files.
func codes(r Result) []string {
	var all []string
	for _, d := range r.Diagnostics {
		if d.Code != "group-no-final-newline" && d.Code != "diagnostics-limit" {
			all = append(all, d.Code)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func textOf(units []Unit) string {
	var b strings.Builder
	for _, u := range units {
		fmt.Fprintf(&b, "-- %s --\n%s", u.File(), u.Data)
	}
	return b.String()
}

// sameDecisions asks both for each host and origin that a policy names, and more.
func sameDecisions(t *testing.T, a, b *policy.Valid) {
	t.Helper()
	one, other := policy.Compile(a), policy.Compile(b)
	for _, s := range a.Specs() {
		hosts := append(slices.Clone(s.Hosts), "elsewhere.example.net")
		origins := append(slices.Clone(s.CORS.AllowOrigins), "https://evil.example.net", "null", "")
		for _, host := range hosts[:min(len(hosts), 5)] {
			for _, origin := range origins[:min(len(origins), 20)] {
				req := policy.Request{
					Method: "OPTIONS", Authority: strings.ReplaceAll(host, "*", "x"), Path: "/" + strings.TrimPrefix(strings.Join(s.Paths, ""), "/"),
					Origin: strings.ReplaceAll(origin, "*", "x"), RequestMethod: "PUT",
				}
				if got, want := other.Decide(&req), one.Decide(&req); got.Reason != want.Reason || got.Policy != want.Policy {
					t.Errorf("%+v: %s of %s, want %s of %s", req, got.Reason, got.Policy, want.Reason, want.Policy)
				}
			}
		}
	}
}

func TestCutSaysTheSame(t *testing.T) {
	for version, dir := range samples(t) {
		t.Run(version, func(t *testing.T) { expectCut(t, os.DirFS(dir)) })
	}
	for _, file := range goldenFiles(t) {
		t.Run(file, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			expectCut(t, filesOf(archive))
		})
	}
}

func TestUnitsAreAsTheyWereWritten(t *testing.T) {
	units := expectCut(t, files("b.yaml", `
originGroups: {apps: [https://b.example.com, https://a.example.com], none: [], tenants: {file: t.txt}}
policies:
- {name: web, hosts: [w.example.com], paths: [/a/, "/stra%C3%9Fe"], cors: {allowOrigins: [group:apps, 'https://c.example.com', "group:tenants"], maxAge: 10m}, mode: enforce}
- name: api
  cors: {allowOriginRegexes: ['https://[a-z<>&]+\.example\.com'], allowMethods: []}
  dangerously: [origin-regex]
`, "t.txt", "# comment\nhttps://t.example.com # more"))
	want := `-- group-apps.txt --
https://b.example.com
https://a.example.com
-- group-none.txt --
-- group-tenants.txt --
https://t.example.com
-- policy-api.json --
{"policies":[{"name":"api","cors":{"allowOrigins":[],"allowOriginRegexes":["https://[a-z<>&]+\\.example\\.com"]},"dangerously":["origin-regex"]}]}
-- policy-web.json --
{"policies":[{"name":"web","hosts":["w.example.com"],"paths":["/a/","/stra%C3%9Fe"],"cors":{"allowOrigins":["group:apps","https://c.example.com","group:tenants"],"maxAge":600},"mode":"enforce"}]}
`
	if got := textOf(units); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := string(Groups(units)), `{"originGroups":{"apps":{"file":"group-apps.txt"},"none":{"file":"group-none.txt"},"tenants":{"file":"group-tenants.txt"}}}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestCutSaysTheSameOfAnySet makes sets of groups and policies up.
func TestCutSaysTheSameOfAnySet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	cut := 0
	for range 300 {
		if expectCut(t, files("p.yaml", anySet(random), "sub/g.txt", "https://g.example.com\nhttps://*.g.example.com\n")) != nil {
			cut++
		}
		if t.Failed() {
			return
		}
	}
	if cut < 100 {
		t.Errorf("only %d sets are good", cut)
	}
}

func anySet(random *rand.Rand) string {
	var b strings.Builder
	any := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	some := func(texts ...string) string {
		random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		return strings.Join(texts[:1+random.IntN(len(texts))], ", ")
	}
	b.WriteString("originGroups:\n  a: [" + some("'https://a.example.com'", "'https://*.a.example.com'", "http://localhost:3000") + "]\n")
	b.WriteString("  b: " + any("{file: sub/g.txt}", "[]", "['https://b-*.example.com']") + "\n  c: {file: sub/g.txt}\npolicies:\n")
	for i := range 1 + random.IntN(4) {
		fmt.Fprintf(&b, "- name: %s%d\n  hosts: [%s]\n", any("p", "q", "a-b"), i, some(fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("'*.h%d.example.com'", i)))
		if random.IntN(2) == 0 {
			b.WriteString("  paths: [" + some("/v1", "/v2/x", `"/\u00e4"`, "/a%2Fb/") + "]\n")
		}
		b.WriteString("  cors:\n    allowOrigins: [" + some("group:a", "group:b", "group:c", "'https://x.example.com'", "'https://*.y.example.com:*'", "\"group:a\"") + "]\n")
		b.WriteString("    " + any("allowMethods: [PUT, DELETE]", "allowMethods: ['*']", "allowHeaders: [x-a, Content-Type]", "maxAge: 0", "maxAge: \"1h\"", "allowCredentials: true", "exposeHeaders: []") + "\n")
		b.WriteString("  " + any("mode: shadow", "mode: off", "debug: true", "preflightStatus: 200", "deniedRequests: block", "preflightLists: requested", "unmatchedPreflights: forward", "upstreamHeaders: defer", "dangerously: [insecure-origins]") + "\n")
	}
	return b.String()
}

// TestUnitsHaveWhatTheyNameAlone is about a change of one policy, which is to be one
// other unit.
func TestUnitsHaveWhatTheyNameAlone(t *testing.T) {
	text := func(age int) fstest.MapFS {
		return files("p.yaml", fmt.Sprintf("originGroups: {g: ['https://a.example.com']}\npolicies:\n- {name: a, hosts: [a.example.com], cors: {allowOrigins: [group:g], maxAge: %d}}\n- {name: b, hosts: [b.example.com], cors: {allowOrigins: [group:g]}}\n", age))
	}
	one, other := expectCut(t, text(1)), expectCut(t, text(2))
	for i := range one {
		if same := bytes.Equal(one[i].Data, other[i].Data); same == (one[i].File() == "policy-a.json") {
			t.Errorf("%s is the same: %t", one[i].File(), same)
		}
	}
}
