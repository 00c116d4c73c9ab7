package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
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
	p := publication{publishFlags: &f, backend: b, out: &out, note: &note, next: next, check: func(*current) error { return nil }}
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

// TestOldReportsAreWaitedFor has a store come back with reports of earlier.
func TestOldReportsAreWaitedFor(t *testing.T) {
	report := func(revision int, age time.Duration) []byte {
		return fmt.Appendf(nil, `{"v":1,"serves":{"epoch":"e","revision":%d},"at":%q}`, revision, time.Now().Add(-age).Format(time.RFC3339))
	}
	for name, c := range map[string]struct {
		age  time.Duration                 // of the report
		then func(m *storetest.Memory)     // what becomes of it
		want string                        // the revisions that are reported in the end
		took func(time.Duration) (ok bool) // how long that takes
	}{
		"a new one":        {time.Minute, func(*storetest.Memory) {}, "[4]", func(d time.Duration) bool { return d == 0 }},
		"it is renewed":    {time.Hour, func(m *storetest.Memory) { putReport(t, m, report(31, 0)) }, "[31]", func(d time.Duration) bool { return d > 9*time.Second && d < 11*time.Second }},
		"it ends":          {time.Hour, func(m *storetest.Memory) { _ = m.Delete(t.Context(), []store.Object{{Key: "i/now/gw-1"}}) }, "[]", func(d time.Duration) bool { return d > 9*time.Second && d < 11*time.Second }},
		"a clock is wrong": {time.Hour, func(*storetest.Memory) {}, "[4]", func(d time.Duration) bool { return d >= store.MaxOutdated && d < 2*store.MaxOutdated }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &storetest.Memory{}
				putReport(t, m, report(4, c.age))
				begun := time.Now()
				time.AfterFunc(10*time.Second, func() { c.then(m) })
				var note output
				fleet, err := readFleet(t.Context(), m, &note)
				revisions := []uint64{}
				for _, i := range fleet.Instances {
					revisions = append(revisions, i.Serves.Revision)
				}
				if took := time.Since(begun); err != nil || fmt.Sprint(revisions) != c.want || !c.took(took) {
					t.Errorf("after %v: %v, %v, want %s", took, revisions, err, c.want)
				}
				if told := strings.Contains(note.String(), "gw-1"); told != (c.age > time.Minute) {
					t.Errorf("it says %q", &note)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func putReport(t *testing.T, m *storetest.Memory, report []byte) {
	if err := m.Put(t.Context(), []store.Object{{Key: "i/now/gw-1", Value: report}}); err != nil {
		t.Error(err)
	}
}

// TestWhatIsRestoredIsComparedIfAllServeIt is about policies that an instance has kept.
func TestWhatIsRestoredIsComparedIfAllServeIt(t *testing.T) {
	_, set := unitsThatAllow(t, "https://kept.example")
	release := func(revision uint64) live.Release { return live.Release{Epoch: "e", Revision: revision} }
	serves := func(revision uint64, standing store.Standing) store.Instance {
		return store.Instance{Serves: release(revision), Standing: standing}
	}
	for name, c := range map[string]struct {
		instances []store.Instance
		want      bool // it is compared with what was kept
	}{
		"all serve it":    {[]store.Instance{serves(5, store.StandingAhead), serves(5, store.StandingAhead), {}}, true},
		"one has a later": {[]store.Instance{serves(5, store.StandingAhead), serves(6, store.StandingAhead)}, false},
		"one is behind":   {[]store.Instance{serves(5, store.StandingAhead), serves(4, store.StandingSame)}, false},
	} {
		was := current{undecided: "it is damaged"}
		was.compareWithServed(&store.Fleet{Instances: c.instances}, checked{set, release(5)})
		if compared := was.set == set && was.undecided == ""; compared != c.want || !compared && was.set != nil {
			t.Errorf("%s: compared %v, %q", name, compared, was.undecided)
		}
	}
	was := current{undecided: "it is damaged"}
	was.compareWithServed(&store.Fleet{Instances: []store.Instance{serves(5, store.StandingSame)}}, checked{set, release(5)})
	if was.set != nil || was.undecided != "it is damaged" {
		t.Errorf("what the store has is not lost: %+v", was)
	}
}
