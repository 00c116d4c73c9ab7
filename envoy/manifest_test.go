package envoy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
)

// gatewayTarget and workloadTarget are targets without a mistake.
func gatewayTarget() envoy.Target {
	return envoy.Target{ControlPlane: envoy.EnvoyGateway, Gateway: "default/edge", Listeners: []string{"http"}}
}

func workloadTarget() envoy.Target {
	return envoy.Target{ControlPlane: envoy.Istio, Workload: "istio-system/istio=ingressgateway"}
}

// ofProfile is a Config whose policies, if it has them, the service delivers.
func ofProfile(p envoy.Profile) envoy.Config {
	return with(func(c *envoy.Config) {
		c.Profile = p
		c.Compiled = envoy.Compiled{ECDS: p == envoy.NoTrip}
	})
}

// objects reads a manifest.
func objects(t *testing.T, doc []byte) (list []map[string]any) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(doc))
	for {
		var object map[string]any
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		list = append(list, object)
	}
}

// readInto reads a value of a manifest strictly.
func readInto(t *testing.T, value any, m proto.Message) {
	t.Helper()
	doc, err := json.Marshal(value)
	if err == nil {
		err = decodeInto(doc, m)
	}
	if err != nil {
		t.Errorf("%v in %s", err, doc)
	}
}

// patches returns the operations of a patch policy or filter, and their values.
func patches(object map[string]any) (kinds []string, values []any) {
	spec := object["spec"].(map[string]any)
	if list, ok := spec["jsonPatches"].([]any); ok {
		for _, p := range list {
			p := p.(map[string]any)
			operation := p["operation"].(map[string]any)
			kinds = append(kinds, p["name"].(string)+operation["path"].(string))
			values = append(values, operation["value"])
		}
		return kinds, values
	}
	for _, p := range spec["configPatches"].([]any) {
		p := p.(map[string]any)
		kinds = append(kinds, p["applyTo"].(string)+" "+p["match"].(map[string]any)["context"].(string))
		values = append(values, p["patch"].(map[string]any)["value"])
	}
	return kinds, values
}

func TestManifestsHoldFiltersAndAClusterThatEnvoyReads(t *testing.T) {
	two := gatewayTarget()
	two.Listeners, two.EnvoyNamespace = []string{"http", "https"}, "edge"
	sidecar := workloadTarget()
	sidecar.Sidecar = true
	for _, tc := range []struct {
		name    string
		profile envoy.Profile
		target  envoy.Target
		pods    string
		kinds   []string
		filters []string
	}{
		{"two listeners of a Gateway", envoy.NoTrip, two, "edge",
			[]string{"corsgate", "default/edge/http/0", "default/edge/https/0"}, []string{"corsgate", "corsgate"}},
		{"three filters, in their order", envoy.OneTrip, gatewayTarget(), "envoy-gateway-system",
			[]string{"corsgate", "default/edge/http/0", "default/edge/http/1", "default/edge/http/2"}, []string{"corsgate.decide", "corsgate.apply", "corsgate.static"}},
		{"a gateway of Istio", envoy.NoTrip, workloadTarget(), "istio-system", []string{"CLUSTER GATEWAY", "HTTP_FILTER GATEWAY"}, []string{"corsgate"}},
		{"sidecars, the first filter put there last", envoy.OneTrip, sidecar, "istio-system",
			[]string{"CLUSTER SIDECAR_OUTBOUND", "HTTP_FILTER SIDECAR_INBOUND", "HTTP_FILTER SIDECAR_INBOUND", "HTTP_FILTER SIDECAR_INBOUND"},
			[]string{"corsgate.static", "corsgate.apply", "corsgate.decide"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.target.TLS = "/etc/corsgate"
			list := objects(t, must(t)(ofProfile(tc.profile).Manifest(tc.target, nil)))
			kinds, values := patches(list[0])
			if diff := cmp.Diff(tc.kinds, kinds); diff != "" {
				t.Errorf("the patches differ: %s", diff)
			}
			readInto(t, values[0], &clusterv3.Cluster{})
			var names []string
			for _, value := range values[1:] {
				filter := &hcm.HttpFilter{}
				readInto(t, value, filter)
				if filter.GetDisabled() {
					t.Errorf("%s waits for a virtual host, whose names nobody knows", filter.GetName())
				}
				names = append(names, filter.GetName())
			}
			if diff := cmp.Diff(tc.filters, names); diff != "" {
				t.Errorf("the filters differ: %s", diff)
			}
			if len(list) != 2 || list[1]["kind"] != "ConfigMap" {
				t.Fatalf("%d objects, want the ConfigMap of the certificate beside it", len(list))
			}
			if namespace := list[1]["metadata"].(map[string]any)["namespace"]; namespace != tc.pods {
				t.Errorf("the ConfigMap is in %s, and the pods that read it in %s", namespace, tc.pods)
			}
		})
	}
}

// inObject compiles a policy file for an Envoy that nobody delivers to.
func inObject(t *testing.T, file []byte) (envoy.Config, *notrip.Result) {
	t.Helper()
	c := ofProfile(envoy.NoTrip)
	c.Service, c.Compiled = "", envoy.Compiled{Inline: true}
	return c, compileFile(t, c, file)
}

func TestManifestHoldsThePoliciesThemselves(t *testing.T) {
	c, filters := inObject(t, hosts())
	for _, target := range []envoy.Target{gatewayTarget(), workloadTarget()} {
		kinds, values := patches(objects(t, must(t)(c.Manifest(target, filters)))[0])
		if len(kinds) != 1 {
			t.Fatalf("the patches %q, want the filter alone: there is no service", kinds)
		}
		filter := &hcm.HttpFilter{}
		readInto(t, values[0], filter)
		if !proto.Equal(filter.GetTypedConfig(), filters.Resources[0].Filter) {
			t.Error("the filter is another one than the compiled one")
		}
	}
}

// TestManifestIsTheSameEachTime lets it be committed.
func TestManifestIsTheSameEachTime(t *testing.T) {
	var seen []byte
	for range 5 {
		c, filters := inObject(t, hosts())
		doc := must(t)(c.Manifest(gatewayTarget(), filters))
		if seen != nil && !bytes.Equal(seen, doc) {
			t.Fatal("the same flags print another object")
		}
		seen = doc
	}
}

func TestManifestIsBoundedByWhatKubernetesTakes(t *testing.T) {
	var large strings.Builder
	large.WriteString("policies:\n- {name: a, hosts: [a.test], cors: {allowOrigins: [")
	for i := range 3000 {
		large.WriteString("https://" + strings.Repeat("a", 40) + strings.Repeat("b", i%20) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + ".example, ")
	}
	large.WriteString("https://last.example]}}\n")
	c, filters := inObject(t, []byte(large.String()))
	one, two := gatewayTarget(), gatewayTarget()
	two.Listeners = strings.Split(strings.Repeat("a,", 11)+"a", ",")
	if _, err := c.Manifest(one, filters); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Manifest(two, filters); err == nil || !strings.Contains(err.Error(), "Kubernetes takes at most 1048576: leave --policies out") {
		t.Errorf("with the filter in 12 listeners: %v", err)
	}
}

func TestManagedHostsAreToldByTheirAuthority(t *testing.T) {
	c := ofProfile(envoy.OneTrip)
	c.ManagedHosts = []string{"api.test", "*.apps.test"}
	doc := string(must(t)(c.Manifest(workloadTarget(), nil)))
	if want := `"(?i)(api\\.test|.+\\.apps\\.test)(:[0-9]+)?"`; !strings.Contains(doc, want) {
		t.Errorf("no %s in %s", want, doc)
	}
}

func TestManifestSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name    string
		profile envoy.Profile
		change  func(*envoy.Target)
		want    string
	}{
		{"no control plane", envoy.NoTrip, func(t *envoy.Target) { t.ControlPlane = "" }, `control plane "": write one of ["envoy-gateway" "istio"]`},
		{"ext_authz at Envoy Gateway", envoy.ExtAuthz, func(*envoy.Target) {}, `profile for envoy-gateway "ext-authz": write one of ["no-trip" "one-trip" "two-phase"]`},
		{"ext_proc at Istio", envoy.TwoPhase, func(t *envoy.Target) { *t = workloadTarget() }, `profile for istio "two-phase": write one of ["no-trip" "one-trip" "ext-authz"]`},
		{"a Gateway without a namespace", envoy.NoTrip, func(t *envoy.Target) { t.Gateway = "edge" }, `gateway "edge": write NAMESPACE/NAME`},
		{"a listener that is none", envoy.NoTrip, func(t *envoy.Target) { t.Listeners = []string{"a b"} }, `gateway listener "a b": write its name`},
		{"a namespace that is none", envoy.NoTrip, func(t *envoy.Target) { t.EnvoyNamespace = "a/b" }, `namespace of Envoy "a/b": write the name`},
		{"a class that is none", envoy.NoTrip, func(t *envoy.Target) { t.Class = "a/b" }, `gateway class "a/b": write the name`},
		{"a class for the portable profile", envoy.TwoPhase, func(t *envoy.Target) { t.Class = "eg" }, "in two-phase the object names the Gateway"},
		{"no listener", envoy.NoTrip, func(t *envoy.Target) { t.Listeners = nil }, "no gateway listener: write the name of one"},
		{"a workload without a label", envoy.NoTrip, func(t *envoy.Target) { *t = workloadTarget(); t.Workload = "istio-system/gateway" }, "write NAMESPACE/LABEL=VALUE"},
		{"a workload without a namespace", envoy.NoTrip, func(t *envoy.Target) { *t = workloadTarget(); t.Workload = "/a=b" }, "write its namespace first"},
		{"a label that would end the YAML", envoy.NoTrip, func(t *envoy.Target) { *t = workloadTarget(); t.Workload = `a/b=c"` }, "write NAMESPACE/LABEL=VALUE"},
		{"a relative folder", envoy.NoTrip, func(t *envoy.Target) { t.TLS = "tls" }, `service TLS "tls": write the absolute path`},
		{"a folder for the portable profile", envoy.TwoPhase, func(t *envoy.Target) { t.TLS = "/tls" }, "the control plane's own objects say in two-phase how corsgate is reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target := gatewayTarget()
			tc.change(&target)
			if _, err := ofProfile(tc.profile).Manifest(target, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestPortablePolicyNamesAServiceOrAnAddress(t *testing.T) {
	for _, tc := range []struct {
		service string
		kinds   string
		want    string
	}{
		{"corsgate.cors.svc.cluster.local:9001", "EnvoyExtensionPolicy EnvoyProxy ReferenceGrant", "{name: corsgate, namespace: cors, port: 9001}"},
		{"corsgate.default.svc:9001", "EnvoyExtensionPolicy EnvoyProxy", "{name: corsgate, namespace: default, port: 9001}"},
		{"corsgate.example:9001", "EnvoyExtensionPolicy EnvoyProxy Backend", "{fqdn: {hostname: corsgate.example, port: 9001}}"},
		{"[::1]:9001", "EnvoyExtensionPolicy EnvoyProxy Backend", `{ip: {address: "::1", port: 9001}}`},
		{"unix:///run/corsgate.sock", "EnvoyExtensionPolicy EnvoyProxy Backend", `{unix: {path: "/run/corsgate.sock"}}`},
	} {
		c := ofProfile(envoy.TwoPhase)
		c.Service = tc.service
		doc := must(t)(c.Manifest(gatewayTarget(), nil))
		var kinds []string
		for _, object := range objects(t, doc) {
			kinds = append(kinds, object["kind"].(string))
		}
		if got := strings.Join(kinds, " "); got != tc.kinds || !bytes.Contains(doc, []byte(tc.want)) {
			t.Errorf("%s: the objects %s, want %s and %s in\n%s", tc.service, got, tc.kinds, tc.want, doc)
		}
	}
}

// TestObjectsAreNamedAfterWhatTheyAreFor prints objects that do not overwrite each other.
func TestObjectsAreNamedAfterWhatTheyAreFor(t *testing.T) {
	long := strings.Repeat("a", 54)
	gateways := []string{"default/edge", "default/internal", "default/edge.internal", "default/edge-internal", "default/" + long, "default/" + long + "a", "default/" + long + "b",
		"a/edge", "b/edge", "a-b/c", "a/b-c", "corsgate/edge"}
	workloads := []string{"default/app=shop", "default/app=cart", "default/tier=shop", "default/app=Shop", "default/app=shop,tier=cart", "default/app=shop-cart", "default/app=" + long, "default/app=" + long + "a"}
	seen := map[string]string{}
	add := func(target envoy.Target, p envoy.Profile) {
		for _, object := range objects(t, must(t)(ofProfile(p).Manifest(target, nil))) {
			metadata := object["metadata"].(map[string]any)
			name := metadata["name"].(string)
			if !regexp.MustCompile(`^corsgate-[a-z0-9-]{0,53}[a-z0-9]$`).MatchString(name) {
				t.Errorf("%s%s: the name %q", target.Gateway, target.Workload, name)
			}
			key := fmt.Sprint(object["kind"], " ", metadata["namespace"], "/", name)
			if other, ok := seen[key]; ok {
				t.Errorf("%s is printed for %s and for %s%s", key, other, target.Gateway, target.Workload)
			}
			seen[key] = target.Gateway + target.Workload
		}
	}
	for _, gateway := range gateways {
		target := gatewayTarget()
		target.Gateway = gateway
		add(target, envoy.TwoPhase)
		target.TLS = "/tls"
		add(target, envoy.NoTrip)
	}
	for _, workload := range workloads {
		target := workloadTarget()
		target.Workload, target.TLS = workload, "/tls"
		add(target, envoy.NoTrip)
		target.TLS = ""
		add(target, envoy.ExtAuthz)
	}
	if seen["EnvoyPatchPolicy default/corsgate-edge"] == "" {
		t.Errorf("the name of a short one is not its Gateway's: %v", seen)
	}
	one, two := workloadTarget(), workloadTarget()
	one.Workload, two.Workload = "default/app=shop,tier=cart", "default/tier=cart,app=shop"
	if one.Name() != two.Name() {
		t.Errorf("%s and %s are names of the same workload", one.Name(), two.Name())
	}
}

// TestPortablePolicyNamesItsBackend holds the name of the Backend to the one that the policy refers to.
func TestPortablePolicyNamesItsBackend(t *testing.T) {
	c := ofProfile(envoy.TwoPhase)
	c.Service = "corsgate.example:9001"
	doc := string(must(t)(c.Manifest(gatewayTarget(), nil)))
	for _, want := range []string{"{group: gateway.envoyproxy.io, kind: Backend, name: corsgate-edge}", "kind: Backend\nmetadata: {name: corsgate-edge, namespace: default}"} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
}

// TestVolumeIsMadeOfWhatIsThere holds the volume that is told to the ConfigMap that is printed
// and to the Secret of the chart.
func TestVolumeIsMadeOfWhatIsThere(t *testing.T) {
	for _, target := range []envoy.Target{gatewayTarget(), workloadTarget()} {
		target.TLS = "/tls"
		c := ofProfile(envoy.NoTrip)
		c.Service = "second.cors.svc.cluster.local:9001"
		doc := must(t)(c.Manifest(target, nil))
		name := objects(t, doc)[1]["metadata"].(map[string]any)["name"].(string)
		told := strings.ReplaceAll(string(doc), `"`, "")
		if want := "sources: [{configMap: {name: " + name + "}}, {secret: {name: second-envoy}}]"; !strings.Contains(told, want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
}
