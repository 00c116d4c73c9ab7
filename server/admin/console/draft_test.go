package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
)

// drafts are texts to paste.
const (
	closedWithMore = "policies:\n- name: closed\n  hosts: [closed.test]\n  deniedRequests: block\n  cors: {allowOrigins: [\"https://app.test\", \"https://new.test\"], allowCredentials: true}\n"
	broken         = "policies:\n- name: closed\n  cors:\n    allowOrigins: [\"https://app.test/\"]\n"
	overlapping    = "policies:\n- name: twin\n  hosts: [closed.test]\n  cors: {allowOrigins: [\"https://other.test\"]}\n"
)

func TestADraftIsComparedWithWhatServes(t *testing.T) {
	l := newLab(t, specs...)
	hash := l.set.Hash()
	l.decide(get("https://new.test", "closed.test", "/recorded"))
	resp, body := l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "scope": "added"}, "", "")
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%d", resp.StatusCode)
	}
	wants(t, textOf(t, body), "1 recorded decision among them", "widens origins closed https://new.test gains", "widens recorded closed https://new.test", "GET closed.test/recorded from https://new.test : request_blocked , now request_allowed")
	if l.set.Hash() != hash {
		t.Error("something else serves")
	}
	_, body = l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "scope": "all"}, "", "")
	wants(t, textOf(t, body), "loses read", "public, now none")
	const gone = "3 policies that serve are not in the text, and would be gone. If the text is one file of several, choose below that it stands for some policies"
	if before, _, _ := strings.Cut(textOf(t, body), "What would change"); !strings.Contains(before, gone) {
		t.Errorf("%q is not before the changes:\n%s", gone, before)
	}
	if _, body = l.post(t, "/console/draft", map[string]string{"text": closedWithMore}, "", "", "Accept: application/json"); !strings.Contains(body, `"gone": 3`) {
		t.Error(body)
	}
	_, body = l.post(t, "/console/draft", map[string]string{"scope": "added", "log": ""}, "text-file", strings.ReplaceAll(closedWithMore, `, "https://new.test"`, ""))
	wants(t, textOf(t, body), "No decision changes.")
	if strings.Contains(body, "would be gone") {
		t.Error("a text that is added removes policies")
	}
}

func TestADraftSaysWhatIsWrongAtItsPlace(t *testing.T) {
	l := newLab(t, specs...)
	_, body := l.post(t, "/console/draft", map[string]string{"text": broken}, "", "")
	wants(t, textOf(t, body), "pasted.yaml:4:20 error origin-", `allowOrigins: ["https://app.test/"] error from column 20`)
	_, body = l.post(t, "/console/draft", map[string]string{"text": strings.Repeat("# before\n", 3000) + broken + strings.Repeat("# after\n", 3000)}, "", "")
	wants(t, textOf(t, body), "pasted.yaml:3004:20 error origin-")
	if _, lines, _ := strings.Cut(body, "In the text"); strings.Count(lines, "<li") != 7 || !strings.Contains(lines, `<li value="3001">`) {
		t.Errorf("not the lines around the mistake:\n%s", lines[:min(len(lines), 2000)])
	}
	_, body = l.post(t, "/console/draft", map[string]string{"text": overlapping, "scope": "added"}, "", "")
	wants(t, textOf(t, body), "Together with what serves:", "closed")
	for text, want := range map[string]string{"": "Paste a policy file", "policies: []": "What would change"} {
		_, body = l.post(t, "/console/draft", map[string]string{"text": text}, "", "")
		wants(t, textOf(t, body), want)
	}
	if resp, body := newLab(t).post(t, "/console/draft", map[string]string{"text": overlapping}, "", ""); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "no policies yet") {
		t.Errorf("before the first load: %d", resp.StatusCode)
	}
}

func TestADraftIsAskedAndComparedWithALog(t *testing.T) {
	l := newLab(t, specs...)
	const log = `{"method":"GET","host":"closed.test","path":"/p","origin":"https://new.test"}
{"method":"GET","host":"closed.test","origin":"https://cut","clipped":true}

another line
`
	resp, body := l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "scope": "added", "log": log, "url": "closed.test", "origin": "https://new.test"}, "", "", "Accept: application/json")
	var d struct {
		Added             bool
		Replayed, Clipped int
		Unread            int
		Diff              policydiff.Report
		Report            struct{ Allowed bool }
	}
	if err := json.Unmarshal([]byte(body), &d); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v\n%s", resp.StatusCode, err, body)
	}
	if !d.Added || d.Replayed != 1 || d.Clipped != 1 || d.Unread != 1 || !d.Diff.Widens() || !d.Report.Allowed {
		t.Errorf("%s", body)
	}
	_, body = l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "scope": "added", "log": log}, "", "")
	wants(t, textOf(t, body), "1 line of the log is not a decision")
	resp, body = l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "url": "%", "origin": "x"}, "", "")
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestADraftHasTheFilesOfItsGroups(t *testing.T) {
	l := newLab(t, specs...)
	const grouped = "originGroups: {apps: {file: lists/apps.txt}}\npolicies:\n- name: closed\n  hosts: [closed.test]\n  cors: {allowOrigins: ['group:apps']}\n"
	_, body := l.post(t, "/console/draft", map[string]string{"text": grouped}, "", "")
	wants(t, textOf(t, body), "pasted.yaml:1:29 error file-unreadable", "lists/apps.txt", "choose it below, under “Files of its origin groups”", "Files of its origin groups all that")
	_, body = l.post(t, "/console/draft", nil, "text", grouped) // as a program sends it
	wants(t, textOf(t, body), "file-unreadable")
	for _, name := range []string{"apps.txt", "lists/apps.txt"} { // browsers tell the first, programs may tell the second
		resp, body := l.post(t, "/console/draft", map[string]string{"text": grouped}, "groups="+name, "https://listed.test\n")
		wants(t, textOf(t, body), "widens origins closed https://listed.test")
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	_, body = l.post(t, "/console/draft", map[string]string{"text": grouped}, "groups=apps.txt", "https://listed.test/path\n")
	wants(t, textOf(t, body), "lists/apps.txt:1:1 error origin-path")
	if strings.Contains(body, "In the text") {
		t.Error("a mistake of a group is shown in the text")
	}
	_, body = l.post(t, "/console/draft", map[string]string{"text": grouped}, "groups=pasted.yaml", "policies: []\n") // not instead of the text
	wants(t, textOf(t, body), "lists/apps.txt", "file-unreadable")
}

// TestADraftShowsTheFirstOfManyChanges removes many policies, and one of many origins.
func TestADraftShowsTheFirstOfManyChanges(t *testing.T) {
	l := newLab(t, append(manyPolicies(300), manyOrigins(30))...)
	_, body := l.post(t, "/console/draft", map[string]string{"text": "policies: []"}, "", "")
	if _, rows, _ := strings.Cut(body, `<caption>`); strings.Count(rows, `<th scope="row"`) != 200 {
		t.Errorf("%d changes are on the page", strings.Count(rows, `<th scope="row"`))
	}
	wants(t, textOf(t, body), "changes, what widens access first; the first 200 are here, and all in the JSON", "30 in all")
	var got struct{ Diff policydiff.Report }
	_, body = l.post(t, "/console/draft", map[string]string{"text": "policies: []"}, "", "", "Accept: application/json")
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Diff.Changes) < 301 {
		t.Errorf("%d changes are in the JSON, %v", len(got.Diff.Changes), err)
	}
}

func TestADraftIsNotComparedIfThatTakesTooMuch(t *testing.T) {
	l := newLab(t, manyOrigins(250_000))
	resp, body := l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "scope": "added"}, "", "", "Accept: application/json")
	if resp.StatusCode != http.StatusBadRequest || strings.Contains(body, `"diff"`) {
		t.Errorf("%d", resp.StatusCode)
	}
	wants(t, body, "have 500002 origins together, and more than 250000 are not compared here", "corsgate diff")
	l = newLab(t, manyPolicies(10_000)...)
	resp, body = l.post(t, "/console/draft", map[string]string{"text": closedWithMore}, "", "", "Accept: application/json")
	if resp.StatusCode != http.StatusBadRequest || strings.Contains(body, `"diff"`) {
		t.Errorf("%d", resp.StatusCode)
	}
	wants(t, body, "10001 policies change, and more than 10000 are not compared here", "corsgate diff")
	if resp, _ := l.post(t, "/console/draft", map[string]string{"text": closedWithMore, "scope": "added"}, "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("one of many changes: %d", resp.StatusCode)
	}
}

func TestADraftNamesAFewOfManyProblems(t *testing.T) {
	l := newLab(t, manyPolicies(300)...)
	var text strings.Builder
	text.WriteString("policies:\n")
	for i := range 300 {
		fmt.Fprintf(&text, "- {name: q%d, hosts: [p%[1]d.test], cors: {allowOrigins: ['https://app.test']}}\n", i)
	}
	_, body := l.post(t, "/console/draft", map[string]string{"text": text.String(), "scope": "added"}, "", "")
	page := textOf(t, body)
	wants(t, page, "Together with what serves: 250 others")
	if got := strings.Count(page, "Together with what serves:"); got != 51 {
		t.Errorf("%d are named", got)
	}
}

// manyPolicies are n policies of different hosts.
func manyPolicies(n int) (specs []policy.Spec) {
	for i := range n {
		name := fmt.Sprintf("p%d", i)
		specs = append(specs, policy.Spec{Name: name, Hosts: []string{name + ".test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
	}
	return specs
}

// manyOrigins is a policy of n origins.
func manyOrigins(n int) policy.Spec {
	s := policy.Spec{Name: "many", Hosts: []string{"many.test"}}
	for i := range n {
		s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("https://o%d.test", i))
	}
	return s
}
