package main

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// unitsThatAllow returns policies that allow an origin alone, and their units.
func unitsThatAllow(t *testing.T, origin string) ([]policyfile.Unit, *policy.Set) {
	t.Helper()
	text := "policies: [{name: api, hosts: [api.example], cors: {allowOrigins: ['" + origin + "']}}]\n"
	units, r, err := store.Cut(fstest.MapFS{"cors.yaml": {Data: []byte(text)}}, "")
	if err != nil || r.HasErrors() {
		t.Fatal(err, r.Diagnostics)
	}
	return units, policy.Compile(r.Policies)
}

// TestWhatWasComparedIsWhatIsReplaced has somebody push after the changes were shown.
func TestWhatWasComparedIsWhatIsReplaced(t *testing.T) {
	b := &store.Folder{Path: strings.TrimPrefix(fillStore(t), schemeFolder)}
	f := publishFlags{by: "alice", storeFlags: storeFlags{format: oneOf("text", "json")}}
	mine, next := unitsThatAllow(t, "https://mine.example")
	other, _ := unitsThatAllow(t, "https://other.example")
	var out, note output
	p := publication{publishFlags: &f, backend: b, out: &out, note: &note, next: next}
	p.make = func(ctx context.Context, meta store.Meta) (store.Pushed, error) {
		if _, err := store.Push(ctx, b, other, store.Meta{By: "bob"}); err != nil {
			t.Fatal(err)
		}
		return store.Push(ctx, b, mine, meta)
	}
	r, err := p.publish(t.Context())
	if c, lost := asConflict(err); !lost || c.Now.By != "bob" || c.Now.Revision != 3 {
		t.Errorf("the push comes to %v, and bob was faster", err)
	}
	if r.Outcome != outcomeLost || r.Release == nil || r.Release.By != "bob" || r.Diff == nil {
		t.Errorf("the report is %+v", r)
	}
	if strings.Contains(out.String(), "serves: ") {
		t.Errorf("it prints\n%s", &out)
	}
	now, err := store.Current(t.Context(), b)
	if err != nil || now.By != "bob" {
		t.Errorf("what serves is %+v, %v", now, err)
	}
}

// TestAReleaseThatThisVersionRefuses has a newer version push a field that this one does
// not know.
func TestAReleaseThatThisVersionRefuses(t *testing.T) {
	url := fillStore(t)
	b := &store.Folder{Path: strings.TrimPrefix(url, schemeFolder)}
	newer := []policyfile.Unit{{Kind: policyfile.UnitPolicy, Name: "api", Data: []byte(`{"policies":[{"name":"api","newer":1}]}` + "\n")}}
	if _, err := store.Push(t.Context(), b, newer, store.Meta{}); err != nil {
		t.Fatal(err)
	}
	const refused = "this version of corsgate refuses revision 3: "
	was, err := readCurrent(t.Context(), b, url)
	if err != nil || was.set != nil || was.now.Revision != 3 || !strings.HasPrefix(was.undecided, refused) {
		t.Errorf("what serves is %+v, %v", was, err)
	}
	var out, errs output
	if code := run(t.Context(), []string{"rollback", "--store", url, "--to", "2"}, nil, &out, &errs); code != exitOK {
		t.Fatalf("rollback exits %d: %s", code, &errs)
	}
	errs = output{}
	if code := run(t.Context(), []string{"rollback", "--store", url}, nil, &out, &errs); code != exitFailure ||
		!strings.Contains(errs.String(), refused) || !strings.Contains(errs.String(), "hint: go back to another one with --to REV") {
		t.Errorf("rollback exits %d: %s", code, &errs)
	}
}

func TestWhoIsAheadOfAStore(t *testing.T) {
	release := func(epoch string, revision uint64) live.Release {
		return live.Release{Epoch: epoch, Revision: revision}
	}
	for _, c := range []struct {
		name        string
		serves, now live.Release
		want        bool
	}{
		{"the same", release("a", 3), release("a", 3), false},
		{"an earlier one", release("a", 2), release("a", 3), false},
		{"a later one", release("a", 4), release("a", 3), true},
		{"the epoch before, which was restored", release("a", 4), release("b", 3), false},
		{"nothing", live.Release{}, release("a", 3), false},
		{"one, and the store is empty", release("a", 1), live.Release{}, true},
		{"nothing, and the store is empty", live.Release{}, live.Release{}, false},
	} {
		if got := isAhead(c.serves, c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
