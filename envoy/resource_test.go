package envoy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// delivered is an Envoy that has the service deliver its filters, changed.
func delivered(change func(*envoy.Config)) envoy.Config {
	c := envoy.Config{Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true}}
	change(&c)
	return c
}

func TestResourceNamesAreReadBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		shard  int
		config func(*envoy.Config)
	}{
		{"corsgate", 0, func(*envoy.Config) {}},
		{"corsgate-0-of-2", 0, func(c *envoy.Config) { c.Compiled.Shards = 2 }},
		{"corsgate-255-of-256", 255, func(c *envoy.Config) { c.Compiled.Shards = 256 }},
		{"corsgate.ports-80-8443", 0, func(c *envoy.Config) { c.Compiled.Ports = []uint16{80, 8443} }},
		{"corsgate.timeout-60000ms", 0, func(c *envoy.Config) { c.MessageTimeout = time.Minute }},
		{"corsgate.named", 0, func(c *envoy.Config) { c.Compiled.NamedPolicies = true }},
		{"corsgate.policy-names", 0, func(c *envoy.Config) { c.Compiled.PolicyNames = true }},
		{"corsgate.lua", 0, func(c *envoy.Config) { c.Compiled.Reply = notrip.ByLua }},
		{"corsgate.closed", 0, func(c *envoy.Config) { c.Fail = envoy.FailClosed }},
		{"corsgate.route-name", 0, func(c *envoy.Config) { c.RouteName = true }},
		{"corsgate-3-of-16.ports-8443.timeout-250ms.named.policy-names.lua.closed.route-name", 3, func(c *envoy.Config) {
			c.Compiled = envoy.Compiled{ECDS: true, Shards: 16, Ports: []uint16{8443}, NamedPolicies: true, PolicyNames: true, Reply: notrip.ByLua}
			c.MessageTimeout, c.Fail, c.RouteName = 250*time.Millisecond, envoy.FailClosed, true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := delivered(c.config)
			if got := config.ResourceName(c.shard); got != c.name {
				t.Errorf("ResourceName: %s", got)
			}
			got, shard, err := envoy.ParseResourceName(c.name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(config, got); diff != "" || shard != c.shard {
				t.Errorf("read back: shard %d, (-want +got)\n%s", shard, diff)
			}
		})
	}
}

// TestTheSameFiltersHaveOneName writes what means the same in several ways.
func TestTheSameFiltersHaveOneName(t *testing.T) {
	c := delivered(func(c *envoy.Config) {
		c.Compiled.Shards, c.Compiled.Ports, c.Compiled.Reply = 1, []uint16{8443, 80, 8443}, notrip.ByAuthz
		c.MessageTimeout, c.Fail = envoy.DefaultMessageTimeout, envoy.FailOpen
	})
	if got := c.ResourceName(0); got != "corsgate.ports-80-8443" {
		t.Errorf("got %s", got)
	}
}

// TestTheLongestResourceNameIsRead has everything that a name can say.
func TestTheLongestResourceNameIsRead(t *testing.T) {
	c := delivered(func(c *envoy.Config) {
		c.Compiled.Shards, c.Compiled.NamedPolicies, c.Compiled.PolicyNames, c.Compiled.Reply = 256, true, true, notrip.ByLua
		c.MessageTimeout, c.Fail, c.RouteName = 59_999*time.Millisecond, envoy.FailClosed, true
		for port := range uint16(16) {
			c.Compiled.Ports = append(c.Compiled.Ports, 65_520+port)
		}
	})
	if _, _, err := envoy.ParseResourceName(c.ResourceName(255)); err != nil {
		t.Error(err)
	}
	c.Compiled.Ports = append(c.Compiled.Ports, 1)
	for what, err := range map[string]error{"Compile": compileNothing(t, c), "the name": parseName(c.ResourceName(0))} {
		if err == nil || !strings.Contains(err.Error(), "17 ports: write at most 16") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func parseName(name string) error {
	_, _, err := envoy.ParseResourceName(name)
	return err
}

func TestResourceNamesOfNothingAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"":                              `write corsgate, or corsgate-3-of-16, instead of ""`,
		"other":                         `instead of "other"`,
		"corsgate-3":                    `instead of "corsgate-3"`,
		"Corsgate":                      `instead of "Corsgate"`,
		"corsgate-0-of-1":               `write "corsgate"`,
		"corsgate-0-of-0":               "of 0 shards",
		"corsgate-16-of-16":             "of 16 shards, write 0 to 15",
		"corsgate-0-of-257":             "shards 257: write 1 to 256",
		"corsgate-03-of-16":             `write "corsgate-3-of-16"`,
		"corsgate-1000-of-2000":         `instead of "corsgate-1000-of-2000"`,
		"corsgate.":                     `the part "" is not known`,
		"corsgate.wasm":                 `the part "wasm" is not known: configure Envoy with the "corsgate envoy-config" of this version`,
		"corsgate.NAMED":                `the part "NAMED" is not known`,
		"corsgate.lua.named":            `write "corsgate.named.lua"`,
		"corsgate.lua.lua":              `write "corsgate.lua"`,
		"corsgate.ports-":               `port "": write 1 to 65535`,
		"corsgate.ports-0":              "port 0: write 1 to 65535",
		"corsgate.ports-65536":          `port "65536": write 1 to 65535`,
		"corsgate.ports-8443-80":        `write "corsgate.ports-80-8443"`,
		"corsgate.ports-80.ports-81":    `write "corsgate.ports-80-81"`,
		"corsgate.timeout-500ms":        `write "corsgate"`,
		"corsgate.timeout-1s":           `write "corsgate.timeout-1000ms"`,
		"corsgate.timeout-0ms":          `timeout "0ms": write milliseconds, such as 250ms`,
		"corsgate.timeout-x":            `timeout "x": write milliseconds`,
		"corsgate.timeout-1500us":       "message timeout 1.5ms: write whole milliseconds",
		"corsgate.timeout-90000ms":      "message timeout 1m30s: write 1ms to 1m",
		strings.Repeat("corsgate.", 40): "a resource name of 360 bytes: write at most 256",
	} {
		t.Run(name, func(t *testing.T) {
			if err := parseName(name); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		})
	}
}

// TestResourceNamesSayAllThatFiltersDependOn changes each field of a Config: if the
// filters differ then, so do their names.
func TestResourceNamesSayAllThatFiltersDependOn(t *testing.T) {
	// by are other values, and the fields of which no-trip takes none, or which only the
	// service knows.
	by := map[string]any{
		"Listen": "127.0.0.1:1", "Upstream": "127.0.0.1:2", "Service": "127.0.0.1:3", "Admin": "127.0.0.1:4",
		"Fail": envoy.FailClosed, "MessageTimeout": time.Second, "RouteName": true, "AllowCustomMethods": true, "MergeSlashes": true,
		"Compiled.Ports": []uint16{8443}, "Compiled.Shards": 2, "Compiled.NamedPolicies": true, "Compiled.PolicyNames": true, "Compiled.Reply": notrip.ByLua, "Compiled.Feed": uint32(1), "Compiled.Stats": true,
	}
	fixed := []string{"Profile", "MatchBy", "WithoutOrigin", "ManagedHosts", "Compiled.Folder", "Compiled.ECDS", "Compiled.Inline", "Compiled.Budget"}
	hosts := []string{"a.test", "b.test", "c.test", "d.test"} // which are not all in one shard
	set := policytest.Compile(t, policy.Spec{Name: "block", Hosts: hosts, CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}, DeniedRequests: policy.DeniedBlock})
	before := delivered(func(*envoy.Config) {})
	eachField(reflect.TypeFor[envoy.Config](), "", func(field string) {
		value, ok := by[field]
		if !ok {
			if !slices.Contains(fixed, field) {
				t.Errorf("%s: say here whether filters depend on it", field)
			}
			return
		}
		after := before
		v := reflect.ValueOf(&after).Elem()
		for name := range strings.SplitSeq(field, ".") {
			v = v.FieldByName(name)
		}
		v.Set(reflect.ValueOf(value))
		differ := firstVersion(t, before, set) != firstVersion(t, after, set)
		if renamed := before.ResourceName(0) != after.ResourceName(0); renamed != differ {
			t.Errorf("%s: the filter differs %v, its name %v", field, differ, renamed)
		}
	})
}

// eachField calls f for each field of a struct, and of those in it.
func eachField(of reflect.Type, prefix string, f func(name string)) {
	for i := range of.NumField() {
		if field := of.Field(i); field.Type.Kind() == reflect.Struct {
			eachField(field.Type, prefix+field.Name+".", f)
		} else {
			f(prefix + field.Name)
		}
	}
}

func firstVersion(t *testing.T, c envoy.Config, set *policy.Set) string {
	t.Helper()
	res, err := c.Compile(set)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := res.Resources[0].Name, c.ResourceName(0); got != want {
		t.Errorf("the resource is %s, want %s", got, want)
	}
	return res.Resources[0].Version
}

// TestEnvoyAsksForWhatTheServiceCompiles compares the names in the configuration to
// those of the filters.
func TestEnvoyAsksForWhatTheServiceCompiles(t *testing.T) {
	for _, shards := range []int{1, 3, 16} {
		c := with(func(c *envoy.Config) {
			c.Profile, c.Compiled = envoy.NoTrip, envoy.Compiled{ECDS: true, Shards: shards, Ports: []uint16{8443}}
		})
		var bootstrap any
		unmarshal(t, must(t)(c.JSON()), &bootstrap)
		asked := discovered(t, bootstrap)
		res, err := c.Compile(policytest.Compile(t))
		if err != nil {
			t.Fatal(err)
		}
		compiled := make([]string, 0, shards)
		for _, r := range res.Resources {
			compiled = append(compiled, r.Name)
		}
		slices.Sort(asked)
		slices.Sort(compiled)
		if !slices.Equal(asked, compiled) {
			t.Errorf("Envoy asks for %q, the service compiles %q", asked, compiled)
		}
	}
}

// discovered returns the names of what a configuration finds by discovery, which must
// be that of the service.
func discovered(t *testing.T, v any) (names []string) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			names = append(names, discovered(t, item)...)
		}
	case map[string]any:
		if by, ok := v["config_discovery"].(map[string]any); ok {
			names = append(names, v["name"].(string))
			source := by["config_source"].(map[string]any)
			if source["api_config_source"] == nil || source["path_config_source"] != nil || by["default_config"] == nil || by["apply_default_config_without_warming"] != true {
				t.Errorf("%s is found by %v", v["name"], source)
			}
		}
		for _, item := range v {
			names = append(names, discovered(t, item)...)
		}
	}
	return names
}
