package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
)

// composeFile is what the tests look at in docker-compose.yml.
type composeFile struct {
	Services map[string]struct {
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Ports       []string          `yaml:"ports"`
		Volumes     []string          `yaml:"volumes"`
		Networks    []string          `yaml:"networks"`
		Healthcheck struct {
			Test []string `yaml:"test"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestComposeRunsCommandsThatThereAre(t *testing.T) {
	c := readCompose(t)
	for _, name := range []string{"corsgate", "upstream", "push", "corsgate-1", "corsgate-2"} {
		s := c.Services[name]
		lines := [][]string{s.Command}
		if name != "push" { // it ends
			lines = append(lines, s.Healthcheck.Test[2:])
		}
		for _, line := range lines {
			cmd, rest, err := newRoot().Find(line)
			if err != nil || cmd.RunE == nil {
				t.Errorf("%s: no command %q: %v", name, line, err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", name, line, err)
			}
		}
	}
	for _, name := range []string{"corsgate", "corsgate-1", "corsgate-2"} {
		servesWith(t, name, c.Services[name].Environment)
	}
}

// servesWith wants the variables of a service to be those of a "serve" that delivers.
func servesWith(t *testing.T, name string, environment map[string]string) {
	t.Helper()
	var serve serveConfig
	cmd := &cobra.Command{}
	serve.define(cmd)
	variables := map[string]string{"CORSGATE_POLICIES": "/etc/corsgate/policies", "CORSGATE_GRPC_LISTEN": "0.0.0.0:9001"} // the image's
	maps.Copy(variables, environment)
	for v, value := range variables {
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(v, "CORSGATE_"), "_", "-"))
		if err := cmd.Flags().Set(flag, value); err != nil {
			t.Errorf("%s: %s: %v", name, v, err)
		}
	}
	if err := serve.check(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !serve.ecds.on {
		t.Errorf("%s delivers nothing to Envoy", name)
	}
}

// TestComposeHasNobodyButEnvoyReachCorsgate is why its port may hand out the policies. In
// the fleet, what is on the network of the store has them anyway.
func TestComposeHasNobodyButEnvoyReachCorsgate(t *testing.T) {
	services := readCompose(t).Services
	for network, want := range map[string][]string{
		"policies":  {"corsgate", "envoy"},
		"gateway-1": {"corsgate-1", "envoy-1"},
		"gateway-2": {"corsgate-2", "envoy-2"},
		"store":     {"corsgate-1", "corsgate-2", "etcd-1", "etcd-2", "etcd-3", "push"},
	} {
		var there []string
		for name, s := range services {
			if len(s.Networks) == 0 || slices.Contains(s.Networks, network) {
				there = append(there, name)
			}
		}
		if slices.Sort(there); !slices.Equal(there, want) {
			t.Errorf("on the network %s are %q, want %q", network, there, want)
		}
	}
	for name, s := range services {
		if slices.ContainsFunc(s.Ports, func(p string) bool { return strings.HasSuffix(p, ":9001") }) {
			t.Errorf("the port that Envoy asks at is published by %s", name)
		}
	}
}

func TestComposePublishesOnLoopbackAndMountsWhatThereIs(t *testing.T) {
	for name, s := range readCompose(t).Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, port)
			}
		}
		for _, volume := range s.Volumes {
			parts := strings.Split(volume, ":")
			if _, err := os.Stat(filepath.Join(root, parts[0])); err != nil || parts[len(parts)-1] != "ro" {
				t.Errorf("%s mounts %s: %v", name, volume, err)
			}
		}
	}
}

// TestImageSettings holds the Dockerfile's variables and health check to the
// command's flags.
func TestImageSettings(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var variables []string
	for _, word := range strings.Fields(string(text)) {
		if name, _, ok := strings.Cut(word, "="); ok && strings.HasPrefix(name, "CORSGATE_") {
			variables = append(variables, name)
		}
	}
	if want := []string{variable("policies"), variable("grpc-listen")}; !slices.Equal(variables, want) {
		t.Errorf("variables %q, want %q", variables, want)
	}
	for _, want := range []string{`CMD ["/corsgate", "health"]`, "FROM scratch", "USER 65532:65532", "CGO_ENABLED=0"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile has no %s", want)
		}
	}
}

// TestSamplePolicies holds the folder that docker-compose.yml mounts to what
// serve would load.
func TestSamplePolicies(t *testing.T) {
	found := checkAll(t.Context(), []string{filepath.Join(root, "envoy", "policies")}, nil)
	for _, d := range found.Findings {
		t.Error(d)
	}
	if found.Policies == 0 {
		t.Error("no policy")
	}
}
