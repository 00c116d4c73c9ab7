//go:build unix

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/admin/console"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
)

// overviewOf returns what the console's first page says, as JSON or as a page.
func overviewOf(t *testing.T, address, accept string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(servertest.Context(t), http.MethodGet, "http://"+address+"/console/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the console answers %s, %v\n%s", resp.Status, err, body)
	}
	return string(body)
}

// fleetSeen is what the console says of a fleet.
type fleetSeen struct {
	Status   live.Status
	Instance string
	Fleet    *console.Fleet
	Unheard  string
}

func seenAt(t *testing.T, address string) (seen fleetSeen) {
	t.Helper()
	text := overviewOf(t, address, "application/json")
	if err := json.Unmarshal([]byte(text), &seen); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return seen
}

// allServe reports whether each of n instances serves a revision.
func (s *fleetSeen) allServe(n int, revision uint64) bool {
	if s.Fleet == nil || s.Fleet.Revision != revision || len(s.Fleet.Instances) != n {
		return false
	}
	for _, i := range s.Fleet.Instances {
		if !i.Serves || i.Revision != revision {
			return false
		}
	}
	return true
}

// TestTheConsoleShowsAFleet asks the consoles of two instances who pushed, and how the
// instances stand, while their etcd is stopped and comes back.
func TestTheConsoleShowsAFleet(t *testing.T) {
	c := etcdtest.Start(t, 1)
	f := &fleet{t: t, url: c.URL("edge"), policies: filepath.Join(t.TempDir(), "cors.yaml")}
	push := func(origin, by, message string) {
		allowOnly(t, f.policies, origin)
		f.corsgate(exitOK, "push", "--by", by, "-m", message, f.policies)
	}
	push("https://first.example", "alice", "the <first> one")
	var consoles []string
	for _, name := range []string{"gw-1", "gw-2"} {
		log := f.start(name)
		consoles = append(consoles, log.await(t, adminLine, log)[1])
	}
	show := func(revision uint64, by, message string) {
		t.Helper()
		for _, address := range consoles {
			var seen fleetSeen
			servertest.Await(t, address+" shows that both serve", func() bool {
				seen = seenAt(t, address)
				return seen.allServe(2, revision)
			})
			if seen.Fleet.By != by || seen.Fleet.Message != message || seen.Fleet.At.IsZero() || seen.Unheard != "" || seen.Status.Release.Revision != revision {
				t.Errorf("%s shows %+v of %+v", address, seen.Fleet, seen)
			}
		}
	}
	show(1, "alice", "the <first> one")
	for n, name := range []string{"gw-1", "gw-2"} {
		if text := overviewOf(t, consoles[n], "text/html"); seenAt(t, consoles[n]).Instance != name || !strings.Contains(text, "<title>Overview – "+name+" –") {
			t.Errorf("the console does not say that it is of %s\n%s", name, text)
		}
	}
	if text := overviewOf(t, consoles[0], "text/html"); !strings.Contains(text, "pushed by <b>alice</b>: the &lt;first&gt; one") {
		t.Errorf("the page does not say who pushed\n%s", text)
	}

	// Without the store the page says so, and what serves.
	c.Members[0].Kill()
	if seen := seenAt(t, consoles[0]); !strings.Contains(seen.Unheard, "connection refused; check its address") || seen.Fleet != nil || !seen.Status.Ready || seen.Status.Release.Revision != 1 {
		t.Errorf("without the store the console shows %+v", seen)
	}
	if text := overviewOf(t, consoles[1], "text/html"); !strings.Contains(text, "The store does not say how its instances stand") || !strings.Contains(text, "revision 1 of") {
		t.Errorf("without the store the page is\n%s", text)
	}

	c.Members[0].Start()
	c.Await()
	push("https://second.example", "bob", "the second one")
	show(2, "bob", "the second one")
}
