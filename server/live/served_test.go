package live_test

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/live"
)

// TestServed wants what serves, not what a refused load had.
func TestServed(t *testing.T) {
	src := &memory{content: policyFile(1)}
	r := &live.Reloader{Source: src, Store: &policy.Store{}}
	if set := r.Served(); set != nil {
		t.Errorf("before a load: %v", set.Specs())
	}
	for _, step := range []struct {
		name, content string
		maxAge        int
	}{
		{"the first load", policyFile(1), 1},
		{"the same content", policyFile(1), 1},
		{"a refused load", brokenFile, 1},
		{"another load", policyFile(2), 2},
	} {
		src.set(step.content)
		err := r.Load(t.Context())
		specs := r.Served().Specs()
		if len(specs) != 1 || *specs[0].CORS.MaxAge != step.maxAge {
			t.Errorf("%s: %+v %v", step.name, specs, err)
		}
	}
}
