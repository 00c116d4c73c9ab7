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
	for _, name := range []string{"corsgate", "upstream"} {
		s := c.Services[name]
		for _, line := range [][]string{s.Command, s.Healthcheck.Test[2:]} {
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
	var serve serveConfig
	cmd := &cobra.Command{}
	serve.define(cmd)
	variables := map[string]string{"CORSGATE_POLICIES": "/etc/corsgate/policies", "CORSGATE_GRPC_LISTEN": "0.0.0.0:9001"} // the image's
	maps.Copy(variables, c.Services["corsgate"].Environment)
	for v, value := range variables {
		name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(v, "CORSGATE_"), "_", "-"))
		if err := cmd.Flags().Set(name, value); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	if err := serve.check(); err != nil {
		t.Error(err)
	}
	if !serve.ecds.on {
		t.Error("corsgate delivers nothing to Envoy")
	}
}

// TestComposeHasNobodyButEnvoyReachCorsgate is why its port may hand out the policies.
func TestComposeHasNobodyButEnvoyReachCorsgate(t *testing.T) {
	services := readCompose(t).Services
	own := services["corsgate"].Networks
	if len(own) != 1 {
		t.Fatalf("corsgate is on the networks %q", own)
	}
	for name, s := range services {
		reaches := len(s.Networks) == 0 || slices.Contains(s.Networks, own[0])
		if want := name == "corsgate" || name == "envoy"; reaches != want {
			t.Errorf("%s is on %q, corsgate on %q", name, s.Networks, own)
		}
	}
	if slices.ContainsFunc(services["corsgate"].Ports, func(p string) bool { return strings.HasSuffix(p, ":9001") }) {
		t.Error("the port that Envoy asks at is published")
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
