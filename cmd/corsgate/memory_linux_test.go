package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// What a load takes beside the set that serves, as server/README.md says.
const (
	loadMiB     = 384 // for policy files
	originBytes = 400
	memoryRow   = "%d MiB for each 500,000 words, lists and mappings, twice the size of the largest file of origins, and %d bytes an origin"
)

// serveMiB is enough for a service of a single policy, and for what little more a
// load has than origins.
const serveMiB = 60

// offered is what replaces good policies while they serve.
type offered struct {
	policies string
	list     string // origins.txt
	origins  int
	code     string // of a mistake that is told; empty: it is accepted
}

// container returns the size of a container that survives the load. Where there
// are origins, all else is small.
func (o offered) container() int {
	if o.origins == 0 {
		return serveMiB + loadMiB
	}
	return 2*serveMiB + (2*len(o.list)+originBytes*o.origins)>>20
}

func TestALoadKeepsToItsMemory(t *testing.T) {
	if row := fmt.Sprintf(memoryRow, loadMiB, originBytes); !strings.Contains(document(t, aboutService), row) {
		t.Errorf("%s does not say %q", aboutService, row)
	}
	const (
		many = policyfile.MaxNodes - 1000
		n    = 200_000
		// A policy whose origins are those of a file.
		listed  = "originGroups: {all: {file: origins.txt}}\npolicies:\n- name: api\n  cors: {allowOrigins: ['group:all']}\n"
		regexes = "policies:\n- name: api\n  dangerously: [origin-regex]\n  cors:\n    allowOriginRegexes:\n"
	)
	binary := corsgatetest.Build(t)
	for name, o := range map[string]offered{
		"entries that are no policies":        {code: "yaml-type", policies: "policies: [" + strings.Repeat("a,", many/2) + "a]"},
		"more of them than can be parsed":     {code: "yaml-nodes", policies: "policies: [" + strings.Repeat("a,", policyfile.MaxPolicyFile/2-10) + "a]"},
		"methods of one letter":               {code: "yaml-nodes", policies: "policies:\n- name: a\n  cors: {allowMethods: [" + strings.Repeat("a,", policyfile.MaxPolicyFile/2-100) + "a]}"},
		"mappings in brackets":                {code: "unknown-field", policies: "policies: [{" + strings.Repeat("a: b,", many/4) + "a: b}]"},
		"unknown fields":                      {code: "unknown-field", policies: "policies:\n- name: a\n" + repeated("  f%d:\n", many/2)},
		"policies without origins":            {code: "origins-missing", policies: "policies:\n" + repeated("- name: a%d\n", many/3)},
		"regexes that repeat more than fits":  {code: "regexes-too-big", policies: regexes + strings.Repeat("    - '"+strings.Repeat(".{1000}", 2000)+"'\n", 20)},
		"regexes that repeat as much as fits": {policies: regexes + repeated("    - 'https://x%d([a-c]?){300}\\.example\\.com'\n", 1000)},
		"policies that overlap":               {code: "policy-overlap", policies: "policies:\n" + repeated("- {name: p%d, cors: {allowOrigins: ['*']}}\n", many/16)},
		"tags of a long prefix":               {code: "yaml-tag-directive", policies: "%TAG !a! tag:" + strings.Repeat("x", 100_000) + "\n---\npolicies:\n" + strings.Repeat("- !a!a x\n", 20_000)},
		"a long name of many mistakes":        {code: "group-name", policies: "originGroups:\n  ? " + strings.Repeat("x", 500_000) + "\n  : [" + strings.Repeat("1,", 2000) + "1]\n"},
		"a group of many names": {
			code: "origin-trailing-slash", origins: n,
			policies: "originGroups:\n" + repeated("  g%d: {file: origins.txt}\n", 50_000), list: repeated("https://t%07d.example.com/\n", n),
		},
		"slashes at the end":     {code: "origin-trailing-slash", policies: listed, list: repeated("https://tenant-%07d.example.com/\n", n), origins: n},
		"groups in a group file": {code: "group-nested", policies: listed, list: repeated("group:%d\n", n), origins: n},
		"several mistakes an origin": {
			code: "insecure-origin", origins: n,
			policies: strings.Replace(listed, "{allow", "{allowCredentials: true, allow", 1), list: repeated("http://tenant-%07d.example.com:*\n", n),
		},
		"one origin again and again": {policies: listed, list: strings.Repeat("https://tenant.example.com\n", n), origins: n},
		"good origins":               {policies: listed, list: repeated("https://tenant-%07d.example.com\n", n), origins: n},
	} {
		t.Run(name, func(t *testing.T) { checkOffer(t, binary, o) })
	}
}

func repeated(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// checkOffer has a service load o while it serves good policies.
func checkOffer(t *testing.T, binary string, o offered) {
	dir := t.TempDir()
	policies := filepath.Join(dir, "cors.yaml")
	allowOnly(t, policies, "https://good.example")
	t.Setenv("GOMEMLIMIT", fmt.Sprintf("%dMiB", int(float64(o.container())*memoryShare))) // as in that container
	p := corsgatetest.Start(t, binary, "--policies", policies, "--poll-interval", "1h")
	replace(t, filepath.Join(dir, "origins.txt"), o.list)
	replace(t, policies, o.policies)
	resp, err := http.Post("http://"+p.Admin+"/-/reload", "", nil)
	if err != nil {
		t.Fatalf("the reload: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if refused := resp.StatusCode == http.StatusUnprocessableEntity; err != nil || refused != (o.code != "") || !strings.Contains(string(body), o.code) {
		t.Errorf("the reload is answered with %d, want the mistake %q: %v", resp.StatusCode, o.code, err)
	}
	if got, err := allowedFor(t.Context(), p.GRPC, "https://good.example"); o.code != "" && got != "https://good.example" {
		t.Errorf("after it the good policies allow %q: %v", got, err)
	}
	if peak := peakMiB(t, p.PID()); peak > o.container() {
		t.Errorf("the service had %d MiB, and a container of %d would have ended it", peak, o.container())
	}
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peakMiB returns the most memory that a process has ever had.
func peakMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := peakLine.FindSubmatch(text)
	if m == nil {
		t.Fatalf("no peak in %s", text)
	}
	kib, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}
