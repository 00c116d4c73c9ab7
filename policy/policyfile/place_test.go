package policyfile_test

import (
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// TestPlacesOfFiles has a place of each kind, and a mistake in a file there.
func TestPlacesOfFiles(t *testing.T) {
	for place, want := range map[string]string{
		"":                                     "p.yaml",
		"policies/":                            "policies/p.yaml",
		"/etc//corsgate":                       "/etc/corsgate/p.yaml",
		"etcd://127.0.0.1:2379/edge":           "etcd://127.0.0.1:2379/edge/p.yaml",
		"etcds://a.example:1,b.example:1/edge": "etcds://a.example:1,b.example:1/edge/p.yaml",
		"store+file:///srv/corsgate/":          "store+file:///srv/corsgate/p.yaml",
	} {
		r := policyfile.Load(fstest.MapFS{"p.yaml": {Data: []byte("policies: 1\n")}}, place)
		if len(r.Diagnostics) == 0 || r.Diagnostics[0].File != want {
			t.Errorf("%q: %v, want a mistake in %s", place, r.Diagnostics, want)
		}
	}
}
