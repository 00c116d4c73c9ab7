//go:build linux

package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// chart is the folder of the chart.
const chart = "../../kubernetes/chart"

// helm runs helm and returns what it has printed; what it says besides is the error's.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), must(t)(client("helm")), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = errors.New(stderr.String() + string(out))
	}
	return string(out), err
}

// rendered prints the chart's objects, installed as in the README.
func rendered(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", "corsgate", chart, "--namespace", "corsgate"}, args...)...)
}

// valueSets are the files of values that the chart is tried with.
func valueSets(t *testing.T) []string {
	t.Helper()
	sets, err := filepath.Glob(filepath.Join(chart, "ci", "*.yaml"))
	if err != nil || len(sets) < 5 {
		t.Fatalf("%d value sets: %v", len(sets), err)
	}
	return sets
}

// Of the objects, what the tests read.
type (
	object struct {
		Kind     string
		Metadata struct {
			Name   string
			Labels map[string]string
		}
		Data map[string]string
		Spec struct {
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct {
					Containers []container
					Volumes    []map[string]any
				}
			}
			Containers []container
			Selector   map[string]any
			Ports      []struct{ TargetPort string }
			Ingress    []struct{ Ports []struct{ Port string } }
		}
	}
	container struct {
		Args  []string
		Ports []struct {
			Name          string
			ContainerPort int
		}
		VolumeMounts []struct {
			Name, MountPath string
			ReadOnly        bool
		}
		StartupProbe, ReadinessProbe, LivenessProbe probe
	}
	probe struct {
		GRPC *struct{ Port int }
		Exec *struct{ Command []string }
	}
)

// objectsOf reads objects.
func objectsOf(t *testing.T, doc string) (list []object) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(doc))
	for {
		var any map[string]any
		err := decoder.Decode(&any)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(any) // its reader takes names in any case
		if err != nil {
			t.Fatal(err)
		}
		var o object
		if err := json.Unmarshal(text, &o); err != nil && o.Kind == "Deployment" {
			t.Fatal(err)
		}
		list = append(list, o)
	}
}

// find returns the object of a kind.
func find(t *testing.T, list []object, kind string) object {
	t.Helper()
	i := slices.IndexFunc(list, func(o object) bool { return o.Kind == kind })
	if i < 0 {
		t.Fatalf("no %s", kind)
	}
	return list[i]
}

// TestChart runs corsgate as each rendered Deployment says, and probes it as the kubelet
// would.
func TestChart(t *testing.T) {
	envoytest.Full(t)
	binary := corsgatetest.Build(t)
	for _, set := range valueSets(t) {
		t.Run(filepath.Base(set), func(t *testing.T) {
			if out, err := helm(t, "lint", "--strict", chart, "--values", set); err != nil {
				t.Errorf("lint: %v\n%s", err, out)
			}
			list := objectsOf(t, must(t)(rendered(t, "--values", set)))
			deployment := find(t, list, "Deployment")
			c := deployment.Spec.Template.Spec.Containers[0]
			checkPorts(t, list, c)
			checkSelectors(t, list, deployment.Spec.Template.Metadata.Labels)
			folder := runContainer(t, binary, list, c)
			for _, p := range []probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
				p.run(t, binary)
			}
			for _, c := range find(t, list, "Pod").Spec.Containers { // "helm test"
				args := mounted(c.Args, folder)
				if out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput(); err != nil {
					t.Errorf("%q: %v %s", args, err, out)
				}
			}
		})
	}
}

// TestChartDeliversToTheEnvoysThatItCertifies looks who gets the policies: an issuer signs for
// others, too.
func TestChartDeliversToTheEnvoysThatItCertifies(t *testing.T) {
	envoytest.Full(t)
	values := filepath.Join(chart, "ci", "cert-manager-values.yaml")
	for _, tc := range []struct {
		set  string
		want []string
	}{
		{"replicas=2", []string{"--ecds-allow=envoy.envoy-gateway-system", "--ecds-allow=envoy.istio-ingress"}},
		{"ecds.allow={mine.test}", []string{"--ecds-allow=mine.test"}},
	} {
		list := objectsOf(t, must(t)(rendered(t, "--values", values, "--set", tc.set)))
		var allowed []string
		for _, arg := range find(t, list, "Deployment").Spec.Template.Spec.Containers[0].Args {
			if strings.HasPrefix(arg, "--ecds-allow") {
				allowed = append(allowed, arg)
			}
		}
		if diff := cmp.Diff(tc.want, allowed); diff != "" {
			t.Errorf("%s: %s", tc.set, diff)
		}
	}
}

// TestChartKeepsTheLastGoodPolicies looks for the folder of the state: not the volume itself,
// to which everybody may write.
func TestChartKeepsTheLastGoodPolicies(t *testing.T) {
	envoytest.Full(t)
	for set, want := range map[string]int{"replicas=2": 1, "state.enabled=true": 1, "state.enabled=false": 0} {
		list := objectsOf(t, must(t)(rendered(t, "--set", "existingConfigMap=cors,"+set)))
		pod := find(t, list, "Deployment").Spec.Template.Spec
		flags, mounts, volumes := 0, 0, 0
		for _, arg := range pod.Containers[0].Args {
			if value, ok := strings.CutPrefix(arg, "--state-dir="); ok {
				flags++
				for _, m := range pod.Containers[0].VolumeMounts {
					if m.Name == "state" && m.MountPath == path.Dir(value) && !m.ReadOnly {
						mounts++
					}
				}
			}
		}
		for _, v := range pod.Volumes {
			if v["name"] == "state" && v["emptyDir"] != nil {
				volumes++
			}
		}
		if flags != want || mounts != want || volumes != want {
			t.Errorf("%s: %d flags, %d mounts and %d volumes, want %d of each", set, flags, mounts, volumes, want)
		}
	}
}

// checkPorts reports ports that a Service or a policy names and the container lacks.
func checkPorts(t *testing.T, list []object, c container) {
	t.Helper()
	var named []string
	for _, p := range find(t, list, "Service").Spec.Ports {
		named = append(named, p.TargetPort)
	}
	for _, rule := range find(t, list, "NetworkPolicy").Spec.Ingress {
		for _, p := range rule.Ports {
			named = append(named, p.Port)
		}
	}
	for _, p := range c.Ports {
		if p.ContainerPort == 9002 || !slices.Contains(named, p.Name) {
			t.Errorf("the port %s %d is the admin listener's, or nobody names it", p.Name, p.ContainerPort)
		}
		named = slices.DeleteFunc(named, func(n string) bool { return n == p.Name })
	}
	if len(named) > 0 {
		t.Errorf("the container has no ports %q", named)
	}
}

// checkSelectors reports a Service that does not find the pods.
func checkSelectors(t *testing.T, list []object, labels map[string]string) {
	t.Helper()
	for name, value := range find(t, list, "Service").Spec.Selector {
		if labels[name] != value {
			t.Errorf("the Service selects %s=%v, and pods have %q", name, value, labels[name])
		}
	}
}

// mounted returns a container's arguments with the folder of its volumes, on a machine
// where the Service's name is loopback.
func mounted(args []string, folder string) (list []string) {
	for _, arg := range args {
		arg = strings.NewReplacer("/etc/corsgate/", folder+"/", "/var/lib/corsgate/", folder+"/lib/").Replace(arg)
		list = append(list, regexp.MustCompile(`^cors[a-z]*\.corsgate\.svc:`).ReplaceAllString(arg, "127.0.0.1:"))
	}
	return list
}

// runContainer runs corsgate with a container's arguments, on files where the volumes
// would be, and returns the folder of these.
func runContainer(t *testing.T, binary string, list []object, c container) (folder string) {
	t.Helper()
	folder = t.TempDir()
	policies := map[string]string{"cors.yaml": read(t, "../../policies/demo.yaml")}
	for _, o := range list {
		if strings.HasSuffix(o.Metadata.Name, "-policies") && o.Kind == "ConfigMap" {
			policies = o.Data
		}
	}
	for name, content := range policies {
		put(t, filepath.Join(folder, "policies", name), content)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(folder, "lib"), 0o700), os.Chmod(filepath.Join(folder, "lib"), 0o777)); err != nil { // as an emptyDir is
		t.Fatal(err)
	}
	authority := tlstest.New(t)
	put(t, filepath.Join(folder, "tls", "made"), "")
	authority.WriteCA(t, filepath.Join(folder, "tls", "ca.crt"))
	authority.Write(t, filepath.Join(folder, "tls", "tls.crt"), filepath.Join(folder, "tls", "tls.key"), "corsgate.corsgate.svc")
	corsgatetest.Start(t, binary, append([]string{"--admin-listen", "127.0.0.1:9002"}, mounted(c.Args[1:], folder)...)...) // the default
	for _, p := range c.Ports {
		if p.Name == "metrics" && ask(t, "http://127.0.0.1:9003", request{"GET", "127.0.0.1", "/readyz", nil}).status != 200 {
			t.Error("the metrics listener is not where the port says")
		}
	}
	return folder
}

// run does what the kubelet does for a probe.
func (p probe) run(t *testing.T, binary string) {
	t.Helper()
	switch {
	case p.Exec != nil:
		if out, err := exec.CommandContext(t.Context(), binary, p.Exec.Command[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v %s", p.Exec.Command, err, out)
		}
	case p.GRPC != nil && p.GRPC.Port == 9001:
		conn, err := grpc.NewClient("127.0.0.1:9001", grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		resp, err := healthpb.NewHealthClient(conn).Check(servertest.Context(t), &healthpb.HealthCheckRequest{})
		if err != nil || resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("the gRPC probe: %v %v", resp, err)
		}
	default:
		t.Errorf("the probe asks nobody: %+v", p)
	}
}

func TestChartRefusesWhatCannotWork(t *testing.T) {
	envoytest.Full(t)
	const some, issued = "policies.a\\.yaml=x", "tls.certManager.enabled=true,tls.certManager.issuerRef.name=b"
	for _, tc := range []struct {
		name string
		set  string
		want string
	}{
		{"an unknown value", some + ",polices.a=b", "additional properties 'polices' not allowed"},
		{"an unknown value within one", some + ",metrics.enable=true", "additional properties 'enable' not allowed"},
		{"a value of another type", some + ",replicas=two", "got string, want integer"},
		{"a policy that is no file", "policies.a=x", "invalid propertyName"},
		{"no policies", "replicas=1", "there are no policies"},
		{"policies at two places", some + ",existingConfigMap=a", "such as by --set policies=null"},
		{"a delivery to anybody", some + ",ecds.enabled=true", "set tls.existingSecret or tls.certManager, or ecds.insecureAllowRemote"},
		{"certificates from two places", some + ",tls.existingSecret=a,tls.certManager.enabled=true,tls.certManager.issuerRef.name=b", "leave one out"},
		{"certificates from nobody", some + ",tls.certManager.enabled=true", "needs tls.certManager.issuerRef.name"},
		{"names without certificates", some + ",tls.allowedSANs[0]=a", "have no certificates to look at"},
		{"a delivery to all that reach the port", some + ",ecds.enabled=true,ecds.insecureAllowRemote=true", "name Envoy's pods in networkPolicy.from"},
		{"a delivery without a network policy", some + ",ecds.enabled=true,ecds.insecureAllowRemote=true,networkPolicy.enabled=false,networkPolicy.from[0].podSelector.a=b", "set networkPolicy.enabled"},
		{"a delivery to all certificates of an issuer", some + ",ecds.enabled=true," + issued, "name Envoy's namespaces in tls.certManager.envoyNamespaces"},
		{"an Issuer for another namespace", some + "," + issued + ",tls.certManager.issuerRef.kind=Issuer,tls.certManager.envoyNamespaces={corsgate,edge}", "tls.certManager.envoyNamespaces has edge: use a ClusterIssuer"},
		{"an issuer of no kind, which is an Issuer", some + "," + issued + ",tls.certManager.issuerRef.kind=,tls.certManager.envoyNamespaces={edge}", "use a ClusterIssuer"},
		{"pods that the Service would not find", some + ",podLabels.app\\.kubernetes\\.io/component=a", "podLabels: the chart sets app.kubernetes.io/component"},
		{"a label of Helm's", some + ",podLabels.helm\\.sh/chart=a", "podLabels: the chart sets helm.sh/chart"},
		{"more replicas at least than at most", some + ",autoscaling.enabled=true,autoscaling.minReplicas=5,autoscaling.maxReplicas=2", "autoscaling.minReplicas is above autoscaling.maxReplicas"},
		{"a disruption of nothing", some + ",podDisruptionBudget.maxUnavailable=foo", "at '/podDisruptionBudget/maxUnavailable'"},
		{"a name that no ConfigMap has", "existingConfigMap=Nope_Bad", "at '/existingConfigMap'"},
		{"a name that no Secret has", some + ",tls.existingSecret=Nope_Bad", "at '/tls/existingSecret'"},
		{"a name that no namespace has", some + "," + issued + ",tls.certManager.envoyNamespaces={Nope_Bad}", "at '/tls/certManager/envoyNamespaces/0'"},
	} {
		if _, err := rendered(t, "--set", tc.set); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q in it", tc.name, err, tc.want)
		}
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	put(t, large, strings.Repeat("# policies\n", 100_000))
	if _, err := rendered(t, "--set-file", "policies.a\\.yaml="+large); err == nil || !strings.Contains(err.Error(), "name them in policiesVolume") {
		t.Errorf("more than a ConfigMap takes: %.300v", err)
	}
}

func TestChartRefusesNamesOfReleasesThatCannotNameAService(t *testing.T) {
	envoytest.Full(t)
	for _, release := range []string{"a.b", "1a"} {
		args := []string{"template", release, chart, "--set", "existingConfigMap=a"}
		if _, err := helm(t, args...); err == nil || !strings.Contains(err.Error(), `"`+release+`" cannot name a Service`) {
			t.Errorf("%s: %v", release, err)
		}
		if _, err := helm(t, append(args, "--set", "nameOverride=cors")...); err != nil {
			t.Errorf("%s under another name: %v", release, err)
		}
	}
}

// TestChartIsRefusedWithoutAValueThatItReads takes out each value that has values in it.
func TestChartIsRefusedWithoutAValueThatItReads(t *testing.T) {
	envoytest.Full(t)
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(chart, "values.yaml"))), &values); err != nil {
		t.Fatal(err)
	}
	free := []string{"policies", "policiesVolume", "podAnnotations", "podLabels", "nodeSelector", "affinity"}
	for name, value := range values {
		if _, nested := value.(map[string]any); !nested || slices.Contains(free, name) {
			continue
		}
		want := "missing property '" + name + "'"
		if _, err := rendered(t, "--set", "existingConfigMap=a", "--set-json", name+"=null"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for _, name := range free {
		if _, err := rendered(t, "--set", "existingConfigMap=a", "--set-json", name+"=null"); err != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestChartIsWholeInACopy copies the chart's folder alone, and then without its files.
func TestChartIsWholeInACopy(t *testing.T) {
	envoytest.Full(t)
	folder := filepath.Join(t.TempDir(), "chart")
	if err := os.CopyFS(folder, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	args := []string{"template", "corsgate", folder, "--set", "existingConfigMap=a,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true"}
	out := must(t)(helm(t, args...))
	for _, want := range []string{"runbook_url: https://github.com/corsgate/corsgate/blob/v0.1.0/envoy/observability/RUNBOOK.md#corsgatedown\n", "Sets served"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in what a copy renders", want)
		}
	}
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		if err := os.Remove(filepath.Join(folder, "files", name)); err != nil {
			t.Fatal(err)
		}
		if _, err := helm(t, args...); err == nil || !strings.Contains(err.Error(), "the chart lacks files/"+name) {
			t.Errorf("without %s: %v", name, err)
		}
		put(t, filepath.Join(folder, "files", name), "groups: []\n")
	}
}
