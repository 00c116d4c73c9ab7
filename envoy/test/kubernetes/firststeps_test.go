//go:build linux

package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// newcomer does what the README says, with a cluster that nothing runs in.
type newcomer struct {
	t      *testing.T
	c      *cluster
	env    []string
	binary string
}

// newNewcomer has kubectl and helm on the PATH, and a cluster.
func newNewcomer(t *testing.T) *newcomer {
	t.Helper()
	n := &newcomer{t: t, c: startCluster(t), binary: corsgatetest.Build(t)}
	n.c.kinds()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	put(t, config, strings.Replace(read(t, n.c.kubeconfig), ", namespace: corsgate", "", 1))
	n.env = append(os.Environ(),
		"PATH="+filepath.Dir(n.c.kubectl)+string(filepath.ListSeparator)+os.Getenv("PATH"), "KUBECONFIG="+config,
		// Nothing finds a Service by its name, and a busy machine answers late.
		"CORSGATE_SERVICE=127.0.0.1:9001", "CORSGATE_MESSAGE_TIMEOUT=1m")
	return n
}

// try runs lines at the root of the repository and returns what they print.
func (n *newcomer) try(lines ...string) (string, error) {
	cmd := exec.CommandContext(n.t.Context(), "bash", "-euo", "pipefail", "-c", strings.Join(lines, "\n"))
	cmd.Dir, cmd.Env = "../../..", n.env
	envoy.EndWithUs(cmd)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// shell runs lines that must not fail.
func (n *newcomer) shell(lines ...string) string {
	n.t.Helper()
	out, err := n.try(lines...)
	if err != nil {
		n.t.Fatalf("%s\n%v\n%s", strings.Join(lines, "\n"), err, out)
	}
	return out
}

// block returns the lines of the first shell block below a heading of the README.
func block(t *testing.T, heading string) []string {
	t.Helper()
	_, text, found := strings.Cut(read(t, readme), "\n## "+heading+"\n")
	_, text, fenced := strings.Cut(text, "\n```sh\n")
	if !found || !fenced {
		t.Fatalf("%s has no steps below %q", readme, heading)
	}
	lines, _, _ := strings.Cut(text, "```\n")
	return strings.Split(strings.TrimSpace(lines), "\n")
}

// steps returns the lines of a block that install, and those that ask.
func steps(t *testing.T, heading string) (install, question []string) {
	t.Helper()
	lines := block(t, heading)
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "EDGE=") })
	if i < 0 || len(lines) > 10 {
		t.Fatalf("%q has %d lines, want at most ten that ask the edge in the end", heading, len(lines))
	}
	return lines[:i], lines[i:]
}

// install does the lines that install something. A chart or a file from elsewhere is one of
// the modules that the tests have.
func (n *newcomer) install(lines []string) {
	n.t.Helper()
	for _, line := range lines {
		switch {
		case strings.Contains(line, " oci://"):
			n.controlPlane(line)
		case strings.Contains(line, " https://"):
			if version := moduleVersion(n.t, gatewayAPIModule); !strings.Contains(line, "/"+version+"/") {
				n.t.Errorf("the Gateway API is tried in %s: %s", version, line)
			}
		default:
			n.shell(line)
		}
	}
}

// What a line says of a chart from elsewhere: its name and version, and the namespace.
var (
	chartAddress   = regexp.MustCompile(`oci://\S+/([a-z-]+)(?: --version (\S+))?`)
	chartNamespace = regexp.MustCompile(` -n (\S+)`)
)

// controlPlane renders a control plane's chart with a line's values, and makes its namespace.
func (n *newcomer) controlPlane(line string) {
	n.t.Helper()
	address := chartAddress.FindStringSubmatch(line)
	out := n.shell(strings.NewReplacer(address[0], chartFolder(n.t, address[1]), "helm install", "helm template", " --wait", "").Replace(line))
	n.c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + chartNamespace.FindStringSubmatch(line)[1] + "}\n")
	if address[1] != "gateway-helm" {
		return
	}
	if version := moduleVersion(n.t, envoyGatewayModule); address[2] != version {
		n.t.Errorf("Envoy Gateway is tried in %s: %s", version, line)
	}
	if !strings.Contains(out, "enableEnvoyPatchPolicy: true") {
		n.t.Errorf("it does not switch EnvoyPatchPolicy on: %s", line)
	}
}

// chartFolder returns where a control plane's chart is, by its name.
func chartFolder(t *testing.T, name string) string {
	t.Helper()
	switch name {
	case "gateway-helm":
		return gatewayChart(t)
	case "base":
		return filepath.Join(moduleFolder(t, istioModule), "manifests", "charts", "base")
	case "istiod":
		return filepath.Join(moduleFolder(t, istioModule), "manifests", "charts", "istio-control", "istio-discovery")
	}
	t.Fatalf("no module has the chart %s", name)
	return ""
}

// gatewayChart returns Envoy Gateway's chart with values, of which its module has a template.
func gatewayChart(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "gateway-helm")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(moduleFolder(t, envoyGatewayModule), "charts", "gateway-helm"))); err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer("${GatewayImage}", "docker.io/envoyproxy/gateway:v1", "${GatewayImagePullPolicy}", "Always").Replace(read(t, filepath.Join(folder, "values.tmpl.yaml")))
	put(t, filepath.Join(folder, "values.yaml"), values)
	return folder
}

// pods runs what a cluster would: the chart's container, and the demo's upstream.
func (n *newcomer) pods(upstream string) {
	n.t.Helper()
	list := objectsOf(n.t, n.shell("helm get manifest corsgate -n corsgate"))
	runContainer(n.t, n.binary, list, find(n.t, list, "Deployment").Spec.Template.Spec.Containers[0])
	start(n.t, exec.Command(n.binary, "demo", "upstream", "--listen", upstream))
}

// programmed is what Envoy Gateway would say of the Gateway.
const programmed = `{"addresses": [{"type": "IPAddress", "value": "127.0.0.1"}], "conditions": [{"type": "Programmed", "status": "True",
  "reason": "Programmed", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}]}`

// status says what a cluster would say of an object.
func (n *newcomer) status(object, status string) {
	n.t.Helper()
	n.shell("kubectl patch " + object + ` --subresource=status --type=merge -p '{"status": ` + status + "}'")
}

// asks asks what the README does once Envoy has the policies, and wants the demo's four
// answers.
func (n *newcomer) asks(lines []string) {
	n.t.Helper()
	servertest.Await(n.t, "the delivery", func() bool {
		return strings.Contains(n.shell("curl -s http://127.0.0.1:9002/status"), `"state": "current"`)
	})
	servertest.Await(n.t, "the answer to a preflight", func() bool {
		a := ask(n.t, "http://127.0.0.1:80", preflight("edge.test", known))
		return a.status == 204 && a.allowed == known
	})
	var got []string
	for _, answer := range strings.Split(n.shell(lines...), "HTTP/1.1 ")[1:] {
		status, rest, _ := strings.Cut(answer, " ")
		if m := regexp.MustCompile(`(?im)^access-control-allow-origin: (.*?)\r?$`).FindStringSubmatch(rest); m != nil {
			status += " " + m[1]
		}
		got = append(got, status)
	}
	if diff := cmp.Diff([]string{"204 " + known, "403", "200 " + known, "200"}, got); diff != "" {
		n.t.Errorf("the answers differ: %s", diff)
	}
}

// upstreamBackend stands for the upstream's Service.
const upstreamBackend = `---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: upstream, namespace: default}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 8080}}]}
`

func TestFirstStepsOnEnvoyGateway(t *testing.T) {
	envoytest.Full(t)
	install, question := steps(t, "Envoy Gateway, from nothing")
	n := newNewcomer(t)
	n.install(install)
	n.pods("127.0.0.1:8080")
	home := t.TempDir()
	// This Envoy Gateway reads files, and finds no Service there.
	demo := strings.NewReplacer(
		"{name: upstream, port: 8080}", "{group: gateway.envoyproxy.io, kind: Backend, name: upstream}",
		"  gatewayClassName: eg\n", "  gatewayClassName: eg\n  infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: corsgate-edge}}\n").
		Replace(read(t, "../../kubernetes/demo.yaml"))
	put(t, filepath.Join(home, "resources", "demo.yaml"), demo+upstreamBackend+ownProxy)
	put(t, filepath.Join(home, "resources", "corsgate.yaml"), n.shell("kubectl get envoypatchpolicy corsgate-edge -o yaml"))
	startGatewayIn(t, home)
	n.status("gateway edge", programmed)
	n.asks(question)
	n.goes()
	n.certifies()
}

// goes does what the README says of an upgrade and of the end.
func (n *newcomer) goes() {
	n.t.Helper()
	n.shell(block(n.t, "Upgrade")...)
	n.shell(block(n.t, "Uninstall")...)
	if left := n.left(); left != "" {
		n.t.Errorf("after the uninstallation there is\n%s", left)
	}
}

// certifies does what the README says of certificates, and has a second release beside the
// first.
func (n *newcomer) certifies() {
	n.t.Helper()
	n.c.define(filepath.Join(moduleFolder(n.t, certManagerModule), "deploy", "crds"), "crd-certificates.yaml")
	lines := block(n.t, "Certificates")
	printed := filepath.Join(n.t.TempDir(), "corsgate.yaml")
	n.shell(strings.ReplaceAll(strings.Join(lines, "\n"), "corsgate.yaml", printed))
	n.shell(strings.Replace(lines[0], "helm install corsgate ", "helm install corsgate2 ", 1))
	made := n.left() + n.shell("kubectl get certificate -A -o name")
	for _, want := range []string{
		"certificate.cert-manager.io/corsgate-tls", "certificate.cert-manager.io/corsgate-envoy", "certificate.cert-manager.io/corsgate2-envoy",
		"envoypatchpolicy.gateway.envoyproxy.io/corsgate-edge", "configmap/corsgate-default-edge-a3ed74dc",
	} {
		if !strings.Contains(made, want+"\n") {
			n.t.Errorf("there is no %s in\n%s", want, made)
		}
	}
}

// left lists corsgate's objects.
func (n *newcomer) left() string {
	n.t.Helper()
	all := n.shell("kubectl get deployment,service,configmap,serviceaccount,pdb,networkpolicy,secret,pod,envoypatchpolicy,envoyfilter -A -o name")
	var left []string
	for object := range strings.Lines(all) {
		if strings.Contains(object, "corsgate") {
			left = append(left, object)
		}
	}
	return strings.Join(left, "")
}

func TestFirstStepsOnIstio(t *testing.T) {
	needIstio(t)
	install, question := steps(t, "Istio, from nothing")
	n := newNewcomer(t)
	n.install(install)
	n.pods("10.9.9.8:8080")
	n.c.apply(read(t, "testdata/istio-demo.yaml"))
	n.status("pod edge-istio-1", `{"phase": "Running", "podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}], "conditions": [{"type": "Ready", "status": "True"}]}`)
	n.status("service edge-istio", `{"loadBalancer": {"ingress": [{"ip": "10.9.9.9"}]}}`)
	runIstiod(t, n.c, "")
	runEnvoy(t, strings.NewReplacer(
		`UNPRIVILEGED_POD: "true"`, `UNPRIVILEGED_POD: "false"`, // it listens on port 80
		"istio-ingressgateway-1.istio-system~istio-system", "edge-istio-1.default~default", "istio-ingressgateway.istio-system", "edge-istio.default",
		"NAMESPACE: istio-system", "NAMESPACE: default", "istio-ingressgateway-1", "edge-istio-1",
		"istio: ingressgateway", "gateway.networking.k8s.io/gateway-name: edge").Replace(read(t, "testdata/istio-envoy.yaml")))
	n.asks(question)
}
