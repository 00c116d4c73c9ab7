package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
	"github.com/corsgate/corsgate/policy/printable"
)

func TestTheDocumentShowsWhatDiffPrints(t *testing.T) {
	folder := t.TempDir()
	write := func(name, origins string) string {
		file := filepath.Join(folder, name)
		text := "policies: [{name: api, hosts: [api.example.com], paths: [/v1], cors: {allowOrigins: [" + origins + "]}}]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	old := write("old.yaml", "https://app.example.com")
	now := write("new.yaml", "https://app.example.com, https://x.example.com")
	var out, errs output
	if code := run(t.Context(), []string{"diff", old, now}, nil, &out, &errs); code != exitFailure {
		t.Errorf("exit code %d\n%s", code, &errs)
	}
	if !strings.Contains(document(t, aboutPolicy), "\n```\n"+out.String()+"```\n") {
		t.Errorf("%s does not show\n%s", aboutPolicy, &out)
	}
}

func TestDiffQuotesWhatATerminalWouldObey(t *testing.T) {
	const evil = "a\x1b[2J\nwidens"
	w := policydiff.Witness{Method: evil, Host: evil, Path: evil, Origin: evil, RequestMethod: evil, RequestHeaders: evil, Policy: evil}
	c := policydiff.Change{Examples: []string{evil}, Count: 1, Gained: []string{evil}, Lost: []string{evil}}
	got := witnessLine(w) + changeLine(printable.Painter{}, c)
	if strings.ContainsAny(got, "\x1b\n") || strings.Count(got, `a\x1b[2J\nwidens`) != 10 {
		t.Errorf("%q", got)
	}
}

func TestReplayAsksWhatWasRecordedAndNothingElse(t *testing.T) {
	name := filepath.Join(t.TempDir(), "decisions.jsonl")
	lines := `{"method":"GET","host":"a.test","origin":"https://b.test","sec_fetch_site":"none","upgrade":"websocket","protocol":"websocket"}
{"method":"GET","host":"a.test","origin":"https://cut","clipped":true}
`
	if err := os.WriteFile(name, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked []policy.Request
	n, clipped, err := replay(t.Context(), name, func(r policy.Request) { asked = append(asked, r) })
	if err != nil || n != 1 || clipped != 1 {
		t.Errorf("%d replayed, %d left out, %v; want 1 and 1", n, clipped, err)
	}
	want := []policy.Request{{Method: "GET", Authority: "a.test", Origin: "https://b.test", SecFetchSite: "none", Upgrade: "websocket", Protocol: "websocket"}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}
