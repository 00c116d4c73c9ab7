//go:build linux

package kubernetes

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/servertest"
)

// Where the processes listen. Nobody else does so in this network namespace.
const (
	serviceAddress  = "127.0.0.1:25501"
	upstreamAddress = "127.0.0.1:25502"
	envoyAddress    = "127.0.0.1:25530" // Envoy's own listener
)

// variant is a way in which an Envoy gets its decisions.
type variant struct {
	// row is its name: a row of the table in envoy/kubernetes/README.md, if it is tried against that.
	row string
	// served tells that corsgate runs. Otherwise the policies stand in the object.
	served bool
	// args are those of envoy-config, beside what names the Envoy.
	args []string
}

// delivered tells that corsgate delivers the compiled policies.
func (v variant) delivered() bool { return v.served && !slices.Contains(v.args, "--profile") }

// site is an Envoy of a control plane with the demo's upstream behind it, and corsgate if it
// is asked.
type site struct {
	edge
	binary, policies string
	// target are the arguments of envoy-config that name the Envoy.
	target []string
	// apply has the control plane run objects instead of the last ones; remove has it run none.
	apply  func(objects string)
	remove func()
}

// newSite runs all but the control plane and its Envoy.
func newSite(t *testing.T, served bool, target ...string) *site {
	t.Helper()
	s := &site{edge: edge{url: "http://127.0.0.1:25500", host: "api.test", guarded: "guarded.test"}, target: target}
	s.binary, s.policies = corsgatetest.Build(t), demoPolicies(t)
	if served {
		s.serve(t, "--grpc-listen", serviceAddress)
	}
	start(t, exec.Command(s.binary, "demo", "upstream", "--listen", upstreamAddress))
	return s
}

// serve runs corsgate with these arguments and those that every site has.
func (s *site) serve(t *testing.T, args ...string) {
	t.Helper()
	s.corsgate = corsgatetest.Start(t, s.binary, append(args, "--policies", s.policies, "--ecds", "--poll-interval", "100ms")...)
}

// demoPolicies copies the demo's policies, to be edited.
func demoPolicies(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policies.yaml")
	corsgatetest.WritePolicies(t, path, read(t, "../../policies/demo.yaml"))
	return path
}

// manifest returns the objects of a variant, as the command prints them.
func (s *site) manifest(t *testing.T, v variant) string {
	t.Helper()
	source := []string{"--policies", s.policies}
	if v.served {
		source = []string{"--message-timeout", "1m"} // a busy machine answers late
	}
	return manifestOf(t, s.binary, slices.Concat(s.target, source, v.args)...)
}

// manifestOf returns what the command prints.
func manifestOf(t *testing.T, binary string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"envoy-config"}, args...)...).Output()
	if err != nil {
		t.Fatalf("envoy-config %v: %v", args, err)
	}
	return string(out)
}

// awaitDecisions waits until Envoy decides as the variant says.
func (s *site) awaitDecisions(t *testing.T, v variant) {
	t.Helper()
	servertest.Await(t, "the answer to a preflight", func() bool {
		a := ask(t, s.url, preflight(s.host, known))
		return a.status == 204 && a.allowed == known
	})
	if v.delivered() {
		s.delivered(t)
	}
}

// every lists the edges of the Gateway's listeners, with the hosts that they serve.
var every = []struct{ url, host string }{
	{"http://127.0.0.1:25500", "api.test"},
	{"http://127.0.0.1:25500", "second.test"},
	{"http://127.0.0.1:25500", native},
	{"http://127.0.0.1:25510", "api.test"},
	{"https://127.0.0.1:25520", "api.test"},
	{"https://127.0.0.1:25520", "second.test"},
}

// try tries all that the table says of a variant, an edit of the policies, and that nothing
// is left of it once its objects are removed, even if corsgate has gone before them.
func (v variant) try(t *testing.T, startSite func(*testing.T, variant) *site) {
	t.Helper()
	s := startSite(t, v)
	for _, one := range every {
		e := edge{url: one.url}
		e.demo(t, one.host)
	}
	s.examine(t)
	s.neighbour(t, v.row)
	s.edit(t, v)
	s.check(t, v.row)
	if !strings.Contains(dump(t), "corsgate") {
		t.Error("Envoy's configuration does not name corsgate")
	}
	s.remove()
	s.untouched(t)
}

// examine holds that the doctor complains of nothing but a route that has CORS of its own.
func (s *site) examine(t *testing.T) {
	t.Helper()
	args := []string{"doctor", "--envoy", "http://" + envoyAddress, "--policies", s.policies, "--format", "json",
		"--service-cluster", "outbound|25501||decisions.edge.local"} // that of Istio's own API, whose name does not tell
	if s.corsgate != nil {
		args = append(args, "--admin", "http://"+s.corsgate.Admin)
	}
	out, err := exec.CommandContext(t.Context(), s.binary, args...).Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("doctor: %v", err)
	}
	var r doctor.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		itsOwn := f.Code == "native-cors" && strings.Contains(f.Place.Route+f.Place.VirtualHost, "native")
		if f.Level != policy.Note && !itsOwn {
			t.Errorf("%v [%s] %v: %s", f.Level, f.Code, f.Place, f.What)
		}
	}
}

// edit grants another origin, and takes it back.
func (s *site) edit(t *testing.T, v variant) {
	t.Helper()
	const another = "https://another.example"
	before := read(t, s.policies)
	for _, tc := range []struct {
		policies string
		status   int
	}{
		{strings.Replace(before, "- https://app.example.com", "- https://app.example.com\n  - "+another, 1), 204},
		{before, 403},
	} {
		corsgatetest.WritePolicies(t, s.policies, tc.policies)
		if !v.served {
			s.apply(s.manifest(t, v))
		}
		servertest.Await(t, "the edited policies", func() bool { return ask(t, s.url, preflight(s.host, another)).status == tc.status })
	}
}

// untouched waits until Envoy does nothing about CORS, and wants nothing of corsgate in its
// configuration.
func (s *site) untouched(t *testing.T) {
	t.Helper()
	servertest.Await(t, "an Envoy as it was before", func() bool {
		return !strings.Contains(dump(t), "corsgate") &&
			ask(t, s.url, blocked(s.host)).allowed == "*" &&
			ask(t, s.url, from(s.host, unknown)).allowed == "*"
	})
}

// dump returns the configuration that Envoy runs.
func dump(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+envoyAddress+"/config_dump?include_eds", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	dump, err := io.ReadAll(resp.Body)
	return must(t)(string(dump), err)
}
