//go:build linux

package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/servertest"
)

// Where etcd and the API server listen.
const (
	etcdClients = "http://127.0.0.1:25540"
	etcdPeers   = "http://127.0.0.1:25541"
	apiAddress  = "https://127.0.0.1:25542"
)

// cluster is an API server with an etcd: it keeps objects and judges them, and nothing runs
// what they say.
type cluster struct {
	t          *testing.T
	kubeconfig string
	kubectl    string
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "` + apiAddress + `", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: corsgate}}]
`

// startCluster runs a kube-apiserver on an etcd until the test ends.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	folder := t.TempDir()
	c := &cluster{t: t, kubeconfig: filepath.Join(folder, "kubeconfig")}
	put(t, c.kubeconfig, kubeconfig)
	put(t, filepath.Join(folder, "tokens"), `secret,admin,1,"system:masters"`+"\n")
	putKey(t, filepath.Join(folder, "sa.key"))
	c.kubectl = must(t)(client("kubectl"))
	start(t, exec.Command("etcd", "--data-dir", filepath.Join(folder, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", etcdClients, "--advertise-client-urls", etcdClients,
		"--listen-peer-urls", etcdPeers, "--initial-advertise-peer-urls", etcdPeers, "--initial-cluster", "default="+etcdPeers))
	start(t, exec.Command(must(t)(apiserver.path()), "--etcd-servers", etcdClients, "--cert-dir", filepath.Join(folder, "certs"),
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.2", "--secure-port", "25542", "--endpoint-reconciler-type", "none",
		"--service-cluster-ip-range", "10.0.0.0/24", "--token-auth-file", filepath.Join(folder, "tokens"), "--authorization-mode", "RBAC",
		"--service-account-issuer", "https://kubernetes.default.svc", "--disable-admission-plugins", "ServiceAccount",
		"--service-account-key-file", filepath.Join(folder, "sa.key"), "--service-account-signing-key-file", filepath.Join(folder, "sa.key")))
	servertest.Await(t, "the API server", func() bool { return c.run("", "get", "--raw", "/readyz") == nil })
	return c
}

// run runs kubectl with a text as its input.
func (c *cluster) run(input string, args ...string) error {
	cmd := exec.CommandContext(c.t.Context(), c.kubectl, append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return &refusal{strings.Join(args, " "), string(out)}
	}
	return nil
}

// refusal is what kubectl says of an error.
type refusal struct{ command, output string }

// Error implements error.
func (r *refusal) Error() string { return "kubectl " + r.command + ": " + r.output }

// apply applies objects, or what kubectl finds in a folder or a file.
func (c *cluster) apply(objects string, args ...string) {
	c.t.Helper()
	if objects != "" {
		args = append(args, "-f", "-")
	}
	// What defines a kind may be there a moment before the kind is served.
	var err error
	servertest.Await(c.t, "kubectl apply", func() bool {
		err = c.run(objects, append([]string{"apply", "--server-side", "--force-conflicts"}, args...)...)
		return err == nil || !strings.Contains(err.Error(), "no matches for kind")
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// delete deletes objects.
func (c *cluster) delete(objects string) {
	c.t.Helper()
	if err := c.run(objects, "delete", "-f", "-"); err != nil {
		c.t.Fatal(err)
	}
}

// head is what tells an object from others.
var head = regexp.MustCompile(`(?m)^kind: .*\nmetadata: .*$`)

// deleteBut deletes those of the objects that are not among the ones to keep.
func (c *cluster) deleteBut(objects, keep string) {
	c.t.Helper()
	for object := range strings.SplitSeq(objects, "---\n") {
		if name := head.FindString(object); name != "" && !strings.Contains(keep, name) {
			c.delete(object)
		}
	}
}

// kinds has the cluster serve the kinds of the Gateway API, Envoy Gateway and Istio.
func (c *cluster) kinds() {
	c.t.Helper()
	standard := filepath.Join(moduleFolder(c.t, gatewayAPIModule), "config", "crd", "standard")
	c.define(standard, "gateway.networking.k8s.io_[a-u]*.yaml")
	c.define(filepath.Join(moduleFolder(c.t, istioModule), "manifests", "charts", "base", "files"), "crd-all.gen.yaml")
	c.define(filepath.Join(moduleFolder(c.t, envoyGatewayModule), "charts", "gateway-crds-helm", "templates", "generated"), "*.yaml")
}

// define applies what defines kinds: files, or templates of them.
func (c *cluster) define(folder, pattern string) {
	c.t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(paths) == 0 {
		c.t.Fatalf("no kinds in %s: %v", folder, err)
	}
	var objects strings.Builder
	for _, path := range paths {
		objects.WriteString("---\n" + withoutActions(read(c.t, path)))
	}
	c.apply(objects.String())
}

// withoutActions removes a template's lines of actions: conditions around the whole, and
// labels of an installation.
func withoutActions(template string) string {
	var out strings.Builder
	for line := range strings.Lines(template) {
		if !strings.Contains(line, "{{") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// putKey writes a key that signs tokens.
func putKey(t *testing.T, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}
