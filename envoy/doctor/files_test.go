package doctor_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
)

// TestFilterOfAFileIsRead reads a bootstrap whose filter is a file that somebody has changed.
func TestFilterOfAFileIsRead(t *testing.T) {
	const missing = "note [unreadable] envoy: the file of the filter corsgate was not read: "
	for _, test := range []struct {
		name   string
		change func(t *testing.T, path, text string)
		want   string // begins the only finding
	}{
		{"as it was written", func(*testing.T, string, string) {}, ""},
		{"edited", func(t *testing.T, path, text string) {
			write(t, path, strings.ReplaceAll(text, `app\\.example`, `evil\\.example`))
		}, "error [filter-out-of-date]"},
		{"of other policies", func(t *testing.T, path, _ string) {
			writeFilter(t, path, setOf(t, strings.ReplaceAll(policies, "https://app.example", "https://next.example")))
		}, "error [filter-out-of-date]"},
		{"no filter", func(t *testing.T, path, _ string) { write(t, path, `{"version_info": "1", "resources": []}`) }, "error [filter-not-delivered] " + chain + ", filter corsgate: the filter corsgate has not been delivered by its file: it has no filter of that name"},
		{"another name", func(t *testing.T, path, text string) {
			write(t, path, strings.ReplaceAll(text, `"corsgate"`, `"other"`))
		}, "error [filter-not-delivered]"},
		{"no resources", func(t *testing.T, path, _ string) { write(t, path, "not json") }, "error [filter-not-delivered] " + chain + ", filter corsgate: the filter corsgate has not been delivered by its file: it has no list of resources"},
		{"no JSON", func(t *testing.T, path, _ string) { write(t, path, "{hunter2") }, "error [filter-not-delivered] " + chain + ", filter corsgate: the filter corsgate has not been delivered by its file: it is neither JSON nor YAML"},
		{"empty", func(t *testing.T, path, _ string) { write(t, path, "") }, "error [filter-not-delivered]"},
		{"missing", func(_ *testing.T, path, _ string) { _ = os.Remove(path) }, missing},
		{"a folder", func(_ *testing.T, path, _ string) { _ = os.Remove(path); _ = os.Mkdir(path, 0o700) }, missing},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, set, path := fromFiles, setOf(t, policies), filepath.Join(t.TempDir(), "corsgate.json")
			c.Compiled.Folder = filepath.Dir(path)
			writeFilter(t, path, set)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			test.change(t, path, string(before))
			b := written(t, c)
			r := examine(t, doctor.Input{Config: encode(t, b), Policies: set, ReadFile: os.ReadFile})
			if got := text(r); (test.want == "") != (got == "") || !strings.HasPrefix(got, test.want) || strings.Count(got, "\n") > 1 || strings.Contains(got, "hunter2") {
				t.Errorf("found %s, want %s", got, test.want)
			}
			find(b, "path_config_source")["path"] = path // the older field
			delete(find(b, "path_config_source"), "path_config_source")
			if got := text(examine(t, doctor.Input{Config: encode(t, b), Policies: set, ReadFile: os.ReadFile})); got != text(r) {
				t.Errorf("by the older field: found %s, and before %s", got, text(r))
			}
			if got := text(examine(t, doctor.Input{Config: encode(t, b)})); !strings.HasPrefix(got, missing+"no files are read") {
				t.Errorf("without files: found %s", got)
			}
		})
	}
}

func writeFilter(t *testing.T, path string, set *policy.Set) {
	t.Helper()
	c := fromFiles
	c.Service, c.Compiled.Folder = "127.0.0.1:9001", filepath.Dir(path)
	envoytest.WriteFilters(t, c, set)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOtherFilesOfABootstrapAreRead moves parts of a broken bootstrap into files.
func TestOtherFilesOfABootstrapAreRead(t *testing.T) {
	const types = "type.googleapis.com/envoy.config."
	files := map[string][]byte{}
	file := func(kind string, list ...any) object {
		var all []any
		for _, one := range list {
			with := envoytest.Clone(one.(object))
			with["@type"] = types + kind
			all = append(all, with)
		}
		files[kind] = encode(t, object{"resources": all})
		return object{"resource_api_version": "V3", "path_config_source": object{"path": kind}}
	}
	for name, move := range map[string]func(b object){
		"listeners and clusters": func(b object) {
			static := b["static_resources"].(object)
			b["dynamic_resources"] = object{"lds_config": file("listener.v3.Listener", static["listeners"].([]any)...), "cds_config": file("cluster.v3.Cluster", static["clusters"].([]any)[1:]...)}
			delete(static, "listeners")
			static["clusters"] = static["clusters"].([]any)[:1]
		},
		"routes": func(b object) {
			m := envoytest.Manager(b)
			m["rds"] = object{"route_config_name": "traffic", "config_source": file("route.v3.RouteConfiguration", m["route_config"])}
			delete(m, "route_config")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := written(t, oneTrip)
			host(b)["response_headers_to_add"] = grants
			delete(cluster(b), "circuit_breakers")
			move(b)
			read := func(path string) ([]byte, error) { return files[path], nil }
			if got := codes(examine(t, doctor.Input{Config: encode(t, b), ReadFile: read})); !slices.Equal(got, []string{"cluster-limits", "cors-header-added"}) {
				t.Errorf("found %q", got)
			}
			broken := examine(t, doctor.Input{Config: encode(t, b), ReadFile: func(string) ([]byte, error) { return []byte("hunter2"), nil }})
			if !strings.Contains(text(broken), "note [unreadable] envoy: the file of ") || strings.Contains(text(broken), "hunter2") {
				t.Errorf("of a broken file: found %s", text(broken))
			}
		})
	}
}

// TestRoutesOfAServiceAreNoted has a bootstrap whose routes are not known.
func TestRoutesOfAServiceAreNoted(t *testing.T) {
	b := written(t, oneTrip)
	m := envoytest.Manager(b)
	delete(m, "route_config")
	m["rds"] = object{"route_config_name": "traffic", "config_source": object{"ads": object{}}}
	if got := text(examine(t, doctor.Input{Config: encode(t, b)})); got != "note [unreadable] "+chain+": the routes are not there, or not all of them\n" {
		t.Errorf("found %s", got)
	}
}

// TestFilterThatIsNotThereYetIsNoted has a bootstrap without the filter that the policies
// compile into.
func TestFilterThatIsNotThereYetIsNoted(t *testing.T) {
	for _, set := range []bool{false, true} {
		in := doctor.Input{Config: encode(t, written(t, delivered))}
		if set {
			in.Policies = setOf(t, policies)
		}
		if got := text(examine(t, in)); strings.HasPrefix(got, "note [filter-out-of-date]") != set || (got == "") == set {
			t.Errorf("with policies %v: found %s", set, got)
		}
	}
}

// TestFilesAreNotComparedWithWhatWasSent has a corsgate that has sent a filter of the same name
// to another Envoy.
func TestFilesAreNotComparedWithWhatWasSent(t *testing.T) {
	c, set, path := fromFiles, setOf(t, policies), filepath.Join(t.TempDir(), "corsgate.json")
	c.Compiled.Folder = filepath.Dir(path)
	writeFilter(t, path, set)
	status := `{"ready": true, "hash": "` + set.Hash() + `", "envoys": [{"node": "edge-2", "resources": [{"name": "corsgate", "version": "v9"}]}]}`
	b := written(t, c)
	delete(b, "node")
	if r := examine(t, doctor.Input{Config: encode(t, b), Status: []byte(status), Policies: set, ReadFile: os.ReadFile}); len(r.Findings) > 0 {
		t.Errorf("found %s", text(r))
	}
}

// TestCountersOfFilesAreNotOfAService has counters of filters that a service delivers, and of
// filters that are files.
func TestCountersOfFilesAreNotOfAService(t *testing.T) {
	for _, counter := range []string{"config_fail", "update_failure", "update_rejected", "config_conflict"} {
		for _, c := range []envoy.Config{delivered, {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Folder: "/var/lib/corsgate"}}} {
			stats := []byte("extension_config_discovery.http_filter.corsgate." + counter + ": 1\n")
			r := examine(t, doctor.Input{Config: encode(t, written(t, c)), Stats: stats})
			i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == "counter" || f.Code == "filter-refused" })
			if i < 0 {
				t.Errorf("%s: found %s", counter, text(r))
				continue
			}
			says := r.Findings[i].Seen + r.Findings[i].Write
			if isFile := c.Compiled.Folder != ""; strings.Contains(says, "file") != isFile || isFile && strings.Contains(says, "corsgate was not reached") || strings.Contains(says, "was not reached") && counter != "update_failure" {
				t.Errorf("%s of %+v: %s", counter, c.Compiled, says)
			}
		}
	}
}
