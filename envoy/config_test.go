package envoy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy/policytest"
)

func TestValidateSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*envoy.Config)
		want   string
	}{
		{"no profile", func(c *envoy.Config) { c.Profile = "" }, `profile "": write one of ["no-trip" "one-trip" "two-phase" "ext-authz"]`},
		{"an unknown profile", func(c *envoy.Config) { c.Profile = "onetrip" }, `profile "onetrip"`},
		{"an unknown match", func(c *envoy.Config) { c.MatchBy = "path" }, `match-by "path": write one of ["matcher" "route"]`},
		{"an unknown failure mode", func(c *envoy.Config) { c.Fail = "ajar" }, `fail "ajar": write one of ["open" "closed"]`},
		{"an unknown word for no origin", func(c *envoy.Config) { c.WithoutOrigin = "keep" }, `without-origin "keep"`},
		{"no listener", func(c *envoy.Config) { c.Listen = "" }, `listen: "" is not an address: write HOST:PORT or unix:///PATH`},
		{"a listener without a port", func(c *envoy.Config) { c.Listen = "127.0.0.1" }, `listen: "127.0.0.1" is not an address`},
		{"a listener with a name", func(c *envoy.Config) { c.Listen = "localhost:10000" }, "write an IP address, such as 127.0.0.1:10000"},
		{"a listener without a host", func(c *envoy.Config) { c.Listen = ":10000" }, `listen: ":10000" has no host`},
		{"no upstream", func(c *envoy.Config) { c.Upstream = "" }, "upstream: "},
		{"an upstream with a scheme", func(c *envoy.Config) { c.Upstream = "http://127.0.0.1:8080" }, `upstream: "http://127.0.0.1:8080" is not an address`},
		{"a port that is no number", func(c *envoy.Config) { c.Upstream = "127.0.0.1:http" }, "has no port from 0 to 65535"},
		{"a port out of range", func(c *envoy.Config) { c.Upstream = "127.0.0.1:65536" }, "has no port from 0 to 65535"},
		{"a service on port 0", func(c *envoy.Config) { c.Service = "127.0.0.1:0" }, "has port 0: write the port that it listens on"},
		{"a relative socket", func(c *envoy.Config) { c.Service = "unix://corsgate.sock" }, "has no absolute path: write unix:///PATH"},
		{"a host that would end the YAML", func(c *envoy.Config) { c.Service = "a\"\n:9001" }, "not printable"},
		{"an admin with a name", func(c *envoy.Config) { c.Admin = "localhost:9901" }, `admin: "localhost:9901" is a name`},
		{"a managed host with a port", func(c *envoy.Config) { c.ManagedHosts = []string{"api.test:443"} }, `managed host "api.test:443": write a lower-case host name without a port`},
		{"a managed host with an inner star", func(c *envoy.Config) { c.ManagedHosts = []string{"a.*.test"} }, `managed host "a.*.test"`},
		{"every host as a managed one", func(c *envoy.Config) { c.ManagedHosts = []string{"*"} }, `managed host "*"`},
		{"a managed host twice", func(c *envoy.Config) { c.ManagedHosts = []string{"a.test", "a.test"} }, `managed host "a.test" is there twice`},
		{"managed hosts that are left", func(c *envoy.Config) { c.ManagedHosts, c.WithoutOrigin = []string{"a.test"}, envoy.WithoutOriginLeave },
			"managed hosts are those that without-origin strip holds for"},
		{"a negative timeout", func(c *envoy.Config) { c.MessageTimeout = -time.Second }, "message timeout -1s: write 1ms to 1m"},
		{"a timeout below a millisecond", func(c *envoy.Config) { c.MessageTimeout = time.Microsecond }, "message timeout 1µs"},
		{"a timeout that is too long", func(c *envoy.Config) { c.MessageTimeout = time.Hour }, "message timeout 1h0m0s"},
		{"a folder that is not absolute", compile(func(c *envoy.Config) { c.Compiled.Folder = "out" }), `folder "out": write the absolute path`},
		{"a folder for what is delivered", compile(func(c *envoy.Config) { c.Compiled.ECDS = true }), `folder "/etc/envoy/corsgate": the service delivers the filters, leave the folder out`},
		{"a delivery by nobody", compile(func(c *envoy.Config) { c.Compiled = envoy.Compiled{ECDS: true} }), `service: "" is not an address`},
		{"a timeout that no name has", compile(func(c *envoy.Config) {
			c.Compiled, c.Service, c.MessageTimeout = envoy.Compiled{ECDS: true}, "127.0.0.1:9001", 1500*time.Microsecond
		}), "message timeout 1.5ms: write whole milliseconds"},
		{"too many shards", compile(func(c *envoy.Config) { c.Compiled.Shards = 257 }), "shards 257: write 1 to 256"},
		{"a client's port 0", compile(func(c *envoy.Config) { c.Compiled.Ports = []uint16{8443, 0} }), "port 0: write 1 to 65535"},
		{"an unknown reply", compile(func(c *envoy.Config) { c.Compiled.Reply = "wasm" }), `reply "wasm": write one of ["ext-authz" "lua"]`},
		{"a compiled filter that routes enable", compile(func(c *envoy.Config) { c.MatchBy = envoy.ByRoute }), "match-by route: the compiled filter matches by itself"},
		{"managed hosts of a compiled filter", compile(func(c *envoy.Config) { c.ManagedHosts = []string{"a.test"} }), "the compiled filter knows the policies' hosts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := with(tc.change)
			err := c.Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
			if _, err := c.YAML(); err == nil {
				t.Error("YAML accepts it")
			}
		})
	}
}

func TestValidateSaysWhatIsWrongWithACompiledProfile(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*envoy.Config)
		want   string
	}{
		{"no folder", func(c *envoy.Config) { c.Compiled.Folder = "" }, `folder "": write the absolute path at which Envoy finds the filters`},
		{"a relative folder", func(c *envoy.Config) { c.Compiled.Folder = "filters" }, `folder "filters": write the absolute path`},
		{"less than no shards", func(c *envoy.Config) { c.Compiled.Shards = -1 }, "shards -1: write 1 to 256"},
		{"too many shards", func(c *envoy.Config) { c.Compiled.Shards = 257 }, "shards 257: write 1 to 256"},
		{"a match by route", func(c *envoy.Config) { c.MatchBy = envoy.ByRoute }, "match-by route: the compiled filter matches by itself, leave match-by out"},
		{"leaving what has no Origin", func(c *envoy.Config) { c.WithoutOrigin = envoy.WithoutOriginLeave }, "the compiled filter knows the policies' hosts, leave them out"},
		{"managed hosts", func(c *envoy.Config) { c.ManagedHosts = []string{"a.test"} }, "without-origin and managed hosts: the compiled filter knows"},
		{"port 0", func(c *envoy.Config) { c.Compiled.Ports = []uint16{443, 0} }, "port 0: write 1 to 65535"},
		{"an unknown reply", func(c *envoy.Config) { c.Compiled.Reply = "fault" }, `reply "fault": write one of ["ext-authz" "lua"]`},
		{"a service on port 0", func(c *envoy.Config) { c.Service = "127.0.0.1:0" }, "has port 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := compiled(tc.change)
			for what, err := range map[string]error{"Validate": c.Validate(), "Compile": compileNothing(t, c)} {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: got %v, want %q in it", what, err, tc.want)
				}
			}
		})
	}
	if err := compiled(func(c *envoy.Config) { c.Service = "" }).Validate(); err != nil {
		t.Errorf("without a service: %v", err)
	}
}

func compileNothing(t *testing.T, c envoy.Config) error {
	t.Helper()
	_, err := c.Compile(policytest.Compile(t))
	return err
}

func TestValidateReportsAllMistakes(t *testing.T) {
	err := envoy.Config{Profile: "x", Listen: "y", MessageTimeout: -1}.Validate()
	if got := len(strings.Split(err.Error(), "\n")); got != 5 {
		t.Errorf("%d mistakes, want 5 (profile, service, message timeout, listen, upstream): %v", got, err)
	}
}

// compile changes a Config of compiled policies.
func compile(change func(*envoy.Config)) func(*envoy.Config) {
	return func(c *envoy.Config) {
		*c = notripIn("/etc/envoy/corsgate", 1)
		change(c)
	}
}
