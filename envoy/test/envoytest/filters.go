package envoytest

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
)

// Set returns the policies of a folder.
func Set(t testing.TB, folder string) *policy.Set {
	t.Helper()
	res := policyfile.Load(os.DirFS(folder), "")
	if res.HasErrors() {
		t.Fatal(res.Diagnostics)
	}
	return policy.Compile(res.Policies)
}

// WriteFilters compiles the set for no-trip and writes the filters where c's Envoy
// finds them.
func WriteFilters(t testing.TB, c envoy.Config, set *policy.Set) {
	t.Helper()
	filters, err := c.Compile(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := envoy.WriteFilters(c.Compiled.Folder, filters); err != nil {
		t.Fatal(err)
	}
}

// ReplaceFilter is WriteFilters for one filter that changes while the Envoy runs. It
// waits until each of Envoy's workers has it.
func (r *Running) ReplaceFilter(t testing.TB, c envoy.Config, set *policy.Set) {
	t.Helper()
	before := r.reloads(t)
	WriteFilters(t, c, set)
	servertest.Await(t, "the new filter", func() bool { return r.reloads(t) > before })
}

// reloads counts when all workers have a new filter.
func (r *Running) reloads(t testing.TB) int {
	t.Helper()
	return r.Stat(t, "extension_config_discovery.http_filter.corsgate.config_reload")
}

// Stat returns one of Envoy's counters.
func (r *Running) Stat(t testing.TB, name string) int {
	t.Helper()
	resp, err := http.Get("http://" + r.Admin + "/stats?filter=" + url.QueryEscape("^"+regexp.QuoteMeta(name)+"$"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, value, found := strings.Cut(string(text), ": ")
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if !found || err != nil {
		t.Fatalf("no counter %s in %q", name, text)
	}
	return n
}
