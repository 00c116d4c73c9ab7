//go:build linux

package kubernetes

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// tenants returns a policy with so many origins.
func tenants(n int) string {
	var out strings.Builder
	out.WriteString("policies:\n- name: app\n  hosts: [api.test]\n  cors:\n    allowOrigins:\n")
	for i := range n {
		fmt.Fprintf(&out, "    - https://tenant-%06d.example.com\n", i)
	}
	return out.String()
}

// TestObjectsEndBelowWhatTheServerTakes prints the largest object with policies in it, which
// the API server keeps, and one more origin, which is refused before anybody applies it.
func TestObjectsEndBelowWhatTheServerTakes(t *testing.T) {
	envoytest.Full(t)
	c := startCluster(t)
	c.kinds()
	binary, policies := corsgatetest.Build(t), filepath.Join(t.TempDir(), "cors.yaml")
	for _, target := range []string{
		"--format envoy-gateway --gateway default/edge", "--format envoy-gateway --gateway default/edge --gateway-listener http,https",
		"--format istio --workload default/app=edge",
	} {
		printed := func(n int) (string, error) {
			put(t, policies, tenants(n))
			out, err := exec.CommandContext(t.Context(), binary, append([]string{"envoy-config", "--policies", policies}, strings.Fields(target)...)...).CombinedOutput()
			return string(out), err
		}
		most := sort.Search(20_000, func(n int) bool { _, err := printed(n + 1); return err != nil })
		manifest, err := printed(most)
		if err != nil || most < 1000 {
			t.Fatalf("%s: %d origins: %v", target, most, err)
		}
		c.apply(manifest)
		const want = "leave --policies out, and have 'corsgate serve --ecds' deliver them"
		if out, err := printed(most + 1); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %d origins: %v %.300s", target, most+1, err, out)
		}
		if err := c.run(strings.ReplaceAll(manifest, "tenant-", strings.Repeat("tenant-", 40)), "apply", "--server-side", "-f", "-"); err == nil {
			t.Errorf("%s: the API server takes several times as much", target)
		}
	}
}

// TestChartTakesWhatAConfigMapTakes installs policies of 1 MiB, asks for more, and moves to a
// ConfigMap of one's own.
func TestChartTakesWhatAConfigMapTakes(t *testing.T) {
	envoytest.Full(t)
	n := newNewcomer(t)
	policies := filepath.Join(t.TempDir(), "cors.yaml")
	const most = 1 << 20
	full := tenants(26_000)
	full += strings.Repeat("#", most-len(full)-1) + "\n"
	install := "helm install corsgate envoy/kubernetes/chart -n corsgate --create-namespace --set-file policies.cors\\\\.yaml=" + policies
	put(t, policies, full+"\n")
	if out, err := n.try(install); err == nil || !strings.Contains(out, "keep several ConfigMaps, and name them in policiesVolume") {
		t.Errorf("a ConfigMap with a byte too much: %v %.300s", err, out)
	}
	put(t, policies, full)
	n.shell(install)
	if got := n.shell("kubectl get configmap corsgate-policies -n corsgate -o jsonpath='{.data.cors\\.yaml}'"); got != full {
		t.Errorf("the ConfigMap has %d bytes, want %d", len(got), len(full))
	}
	n.shell("kubectl create configmap own -n corsgate --from-literal=cors.yaml=x",
		"helm upgrade corsgate envoy/kubernetes/chart -n corsgate --reset-then-reuse-values --set policies=null,existingConfigMap=own")
	if left := n.left(); strings.Contains(left, "corsgate-policies") {
		t.Errorf("the policies moved to another ConfigMap, and there is\n%s", left)
	}
}
