package envoy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/policytest"
)

// writeFilters compiles a set for c and writes the filters into its folder.
func writeFilters(t *testing.T, c envoy.Config, set *policy.Set) *notrip.Result {
	t.Helper()
	res, err := c.Compile(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := envoy.WriteFilters(c.Compiled.Folder, res); err != nil {
		t.Fatal(err)
	}
	return res
}

// caseSet has the policies of all case files.
func caseSet(t *testing.T) *policy.Set {
	t.Helper()
	files, err := cases.Files()
	if err != nil {
		t.Fatal(err)
	}
	set, err := cases.Compile(files...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestWrittenFiltersAreValid reads the files back strictly: each has the filter of
// its name, and the version is the hash of the filter's bytes.
func TestWrittenFiltersAreValid(t *testing.T) {
	set := caseSet(t)
	for name, options := range map[string]envoy.Compiled{
		"by default":       {},
		"with all options": {Shards: 16, Ports: []uint16{8443}, NamedPolicies: true, PolicyNames: true, Reply: notrip.ByLua},
	} {
		for _, service := range []string{"127.0.0.1:9001", ""} {
			t.Run(name+" "+service, func(t *testing.T) {
				t.Parallel()
				c := compiled(func(c *envoy.Config) { c.Compiled, c.Service = options, service })
				c.Compiled.Folder = t.TempDir()
				res := writeFilters(t, c, set)
				if want := max(options.Shards, 1); len(res.Resources) != want {
					t.Errorf("%d resources, want %d", len(res.Resources), want)
				}
				for _, r := range res.Resources {
					checkFile(t, filepath.Join(c.Compiled.Folder, r.Name+".json"), r)
				}
			})
		}
	}
}

func checkFile(t *testing.T, path string, r notrip.Resource) {
	t.Helper()
	response := &discovery.DiscoveryResponse{}
	if err := decodeInto(read(t, path), response); err != nil {
		t.Fatal(err)
	}
	extension := &core.TypedExtensionConfig{}
	if err := response.GetResources()[0].UnmarshalTo(extension); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(r.Filter.GetValue())
	if version := hex.EncodeToString(hash[:]); version != r.Version || version != response.GetVersionInfo() {
		t.Errorf("%s: the versions are %s and %s, want %s", r.Name, r.Version, response.GetVersionInfo(), version)
	}
	filter, written := &composite.Composite{}, &composite.Composite{}
	if err := r.Filter.UnmarshalTo(filter); err != nil {
		t.Fatal(err)
	}
	if err := extension.GetTypedConfig().UnmarshalTo(written); err != nil || extension.GetName() != r.Name {
		t.Errorf("%s: %q, %v", r.Name, extension.GetName(), err)
	}
	if !proto.Equal(filter, written) {
		t.Errorf("%s: what is written differs", r.Name)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestFilesThatStayTheSameAreNotTouched writes policies of which one has changed:
// the file of its host is another one, and nothing else is.
func TestFilesThatStayTheSameAreNotTouched(t *testing.T) {
	c := compiled(func(c *envoy.Config) {
		c.Compiled.Folder, c.Compiled.Shards = filepath.Join(t.TempDir(), "made", "here"), 16
	})
	specs := make([]policy.Spec, 0, 20)
	for i := range 20 {
		name := string(rune('a' + i))
		specs = append(specs, policy.Spec{Name: name, Hosts: []string{name + ".test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}})
	}
	writeFilters(t, c, policytest.Compile(t, specs...))
	before := files(t, c.Compiled.Folder)
	specs[0].CORS.AllowOrigins = append(slices.Clone(specs[0].CORS.AllowOrigins), "https://next.example")
	writeFilters(t, c, policytest.Compile(t, specs...))
	after := files(t, c.Compiled.Folder)
	changed := 0
	for name, info := range before {
		if after[name] == nil {
			t.Errorf("%s is gone", name)
		} else if !os.SameFile(info, after[name]) {
			changed++
		}
	}
	if changed != 1 || len(after) != 16 {
		t.Errorf("%d of %d files are new, want 1 of 16", changed, len(after))
	}
}

func files(t *testing.T, folder string) map[string]os.FileInfo {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]os.FileInfo{}
	for _, e := range entries {
		if found[e.Name()], err = e.Info(); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestCompiledFilterAsksAsOneTrip compares the chain that asks to the filters of
// one-trip, whose decision the service takes it for. What a policy may block is
// refused with 403 instead.
func TestCompiledFilterAsksAsOneTrip(t *testing.T) {
	asking := map[envoy.FailureMode]string{}
	for _, fail := range []envoy.FailureMode{envoy.FailOpen, envoy.FailClosed} {
		asking[fail] = askingOfOneTrip(t, with(func(c *envoy.Config) { c.Fail, c.RouteName = fail, true }))
	}
	refusing := strings.Replace(asking[envoy.FailClosed], `"code":"ServiceUnavailable"`, `"code":"Forbidden"`, 1)
	for fail, oneTrip := range asking {
		c := compiled(func(c *envoy.Config) { c.Fail, c.RouteName = fail, true })
		for prefix, want := range map[string]string{"ask.": oneTrip, "ask_blocking.": refusing} {
			if diff := cmp.Diff(want, chainOf(t, c, prefix)); diff != "" {
				t.Errorf("%s: %s (-one-trip +no-trip): %s", fail, prefix, diff)
			}
		}
	}
}

// askingOfOneTrip returns the filters of one-trip that ask and apply, as JSON.
func askingOfOneTrip(t *testing.T, c envoy.Config) string {
	t.Helper()
	filters := manager(t, c).GetHttpFilters()
	decide, execute := &composite.Composite{}, &composite.ExecuteFilterAction{}
	if err := filters[0].GetTypedConfig().UnmarshalTo(decide); err != nil {
		t.Fatal(err)
	}
	action := decide.GetMatcher().GetMatcherList().GetMatchers()[0].GetOnMatch().GetAction()
	if err := action.GetTypedConfig().UnmarshalTo(execute); err != nil {
		t.Fatal(err)
	}
	apply := &core.TypedExtensionConfig{Name: filters[1].GetName(), TypedConfig: filters[1].GetTypedConfig()}
	return asJSON(t, append(execute.GetFilterChain().GetTypedConfig(), apply))
}

// chainOf returns the filters of the chain whose name begins so.
func chainOf(t *testing.T, c envoy.Config, prefix string) string {
	t.Helper()
	block := policy.Spec{Name: "block", Hosts: []string{"a.test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}, DeniedRequests: policy.DeniedBlock}
	res, err := c.Compile(policytest.Compile(t, block))
	if err != nil {
		t.Fatal(err)
	}
	filter := &composite.Composite{}
	if err := res.Resources[0].Filter.UnmarshalTo(filter); err != nil {
		t.Fatal(err)
	}
	for name, chain := range filter.GetNamedFilterChains() {
		if strings.HasPrefix(name, prefix) {
			return asJSON(t, chain.GetTypedConfig())
		}
	}
	t.Fatalf("no chain %s", prefix)
	return ""
}

func asJSON(t *testing.T, filters []*core.TypedExtensionConfig) string {
	t.Helper()
	doc, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&composite.FilterChainConfiguration{TypedConfig: filters})
	if err != nil {
		t.Fatal(err)
	}
	var v any
	unmarshal(t, doc, &v)
	sorted, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}
