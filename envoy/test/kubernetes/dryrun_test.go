//go:build linux

package kubernetes

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// manifests are the command lines of all that is printed for control planes.
var manifests = []string{
	"--format envoy-gateway --gateway default/edge",
	"--format envoy-gateway --gateway default/edge --gateway-listener http,https --service-tls /etc/corsgate/tls --fail closed --shards 4",
	"--format envoy-gateway --gateway default/edge --policies ../../policies/demo.yaml",
	"--format envoy-gateway --gateway default/edge --gateway-class eg",
	"--format envoy-gateway --gateway default/edge --profile one-trip --managed-host api.test",
	"--format envoy-gateway --gateway default/edge --profile two-phase",
	"--format envoy-gateway --gateway default/edge --profile two-phase --fail closed --route-name --message-timeout 1500ms --service 127.0.0.1:9001",
	"--format istio --workload default/gateway.networking.k8s.io/gateway-name=edge",
	"--format istio --workload default/app=shop --sidecar --service-tls /etc/corsgate/tls --fail closed --shards 4",
	"--format istio --workload istio-system/istio=ingressgateway --policies ../../policies/demo.yaml",
	"--format istio --workload istio-system/istio=ingressgateway --profile one-trip --managed-host api.test",
	"--format istio --workload istio-system/istio=ingressgateway --profile ext-authz --fail closed",
}

// TestAPIServerTakesAllThatIsPrinted has a kube-apiserver judge each object, as it does
// before it keeps one.
func TestAPIServerTakesAllThatIsPrinted(t *testing.T) {
	envoytest.Full(t)
	binary := corsgatetest.Build(t)
	c := startCluster(t)
	c.kinds()
	c.define(filepath.Join(moduleFolder(t, certManagerModule), "deploy", "crds"), "crd-certificates.yaml")
	operator := filepath.Join(moduleFolder(t, operatorModule), "example", "prometheus-operator-crd")
	c.define(operator, "*_servicemonitors.yaml")
	c.define(operator, "*_prometheusrules.yaml")
	for _, namespace := range []string{"corsgate", "default", "istio-system", "envoy-gateway-system", "istio-ingress"} {
		c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + ", labels: " + restricted + "}\n")
	}
	for _, set := range valueSets(t) {
		c.judge(must(t)(rendered(t, "--values", set)), filepath.Base(set))
	}
	c.judge(read(t, "../../kubernetes/demo.yaml"), "demo.yaml")
	for _, line := range manifests {
		c.judge(manifestOf(t, binary, strings.Fields(line)...), line)
	}
	c.refuses(manifestOf(t, binary, strings.Fields(manifests[0])...), "jsonPatches:", "jsonPatch:", "not declared in schema")
	c.refuses(manifestOf(t, binary, strings.Fields(manifests[5])...), "messageTimeout: 500ms", "messageTimeout: 0.5s", "messageTimeout")
	c.refuses(must(t)(rendered(t, "--values", valueSets(t)[0])), "drop: [ALL]", "drop: []", "would violate PodSecurity")
	c.refuses(must(t)(rendered(t, "--values", valueSets(t)[0])), "periodSeconds: 10", "periodSecond: 10", "not declared in schema")
}

// restricted are the labels of a namespace whose pods may do as little as Kubernetes knows.
const restricted = "{pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}"

// judge has objects judged, and reports what is wrong with them.
func (c *cluster) judge(objects, what string) {
	c.t.Helper()
	if err := c.dryRun(objects); err != nil {
		c.t.Errorf("%s: %v", what, err)
	}
}

func (c *cluster) dryRun(objects string) error {
	return c.run(objects, "apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")
}

// refuses checks that objects with a mistake in them do not pass.
func (c *cluster) refuses(objects, right, wrong, want string) {
	c.t.Helper()
	broken := strings.Replace(objects, right, wrong, 1)
	if err := c.dryRun(broken); broken == objects || err == nil || !strings.Contains(err.Error(), want) {
		c.t.Errorf("%q instead of %q: %v", wrong, right, err)
	}
}
