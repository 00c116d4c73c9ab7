package envoy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ControlPlane configures Envoys by objects of Kubernetes.
type ControlPlane string

// The control planes.
const (
	EnvoyGateway ControlPlane = "envoy-gateway"
	Istio        ControlPlane = "istio"
)

// ControlPlanes returns all of them.
func ControlPlanes() []ControlPlane { return []ControlPlane{EnvoyGateway, Istio} }

// profiles returns the profiles that the control plane's objects can express.
func (p ControlPlane) profiles() []Profile {
	if p == EnvoyGateway {
		return []Profile{NoTrip, OneTrip, TwoPhase}
	}
	return []Profile{NoTrip, OneTrip, ExtAuthz}
}

// DefaultEnvoyNamespace is where EnvoyGateway runs Envoys if nobody tells it otherwise.
const DefaultEnvoyNamespace = "envoy-gateway-system"

// Target says which Envoys of a control plane decide about CORS.
type Target struct {
	// ControlPlane is required.
	ControlPlane ControlPlane
	// Gateway is the Gateway of EnvoyGateway, NAMESPACE/NAME, and Listeners are those
	// of its listeners that are meant.
	Gateway   string
	Listeners []string
	// Class is the Gateway's GatewayClass if that merges its Gateways into the same Envoys.
	// Empty means that the Gateway has Envoys of its own.
	Class string
	// EnvoyNamespace is where EnvoyGateway runs the Gateway's pods. Empty means
	// DefaultEnvoyNamespace.
	EnvoyNamespace string
	// Workload says which of Istio's Envoys are meant: NAMESPACE/LABEL=VALUE, and more
	// labels behind commas.
	Workload string
	// Sidecar says that the workload is an application with a sidecar, and not a gateway.
	Sidecar bool
	// TLS is the folder in which Envoy finds what a volume of the printed ConfigMap and of
	// a Secret with ca.crt, tls.crt and tls.key has. Empty means that corsgate is asked
	// without TLS.
	TLS string
}

// What names look like in Kubernetes, and a label with its value.
var (
	objectName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	objectLabel = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?=[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
)

// validate reports the mistakes in t, for that profile.
func (t Target) validate(p Profile) error {
	if err := oneOf("control plane", t.ControlPlane, ControlPlanes()...); err != nil {
		return err
	}
	errs := []error{oneOf("profile for "+string(t.ControlPlane), p, t.ControlPlane.profiles()...), t.validateTLS(p)}
	if t.ControlPlane == EnvoyGateway {
		return errors.Join(append(errs, t.validateGateway(), t.validateClass(p))...)
	}
	return errors.Join(append(errs, t.validateWorkload())...)
}

func (t Target) validateGateway() error {
	var errs []error
	if !isNamed(t.Gateway, objectName) {
		errs = append(errs, fmt.Errorf("gateway %q: write NAMESPACE/NAME of the Gateway", t.Gateway))
	}
	for _, name := range t.Listeners {
		if !objectName.MatchString(name) {
			errs = append(errs, fmt.Errorf("gateway listener %q: write its name, as the Gateway has it", name))
		}
	}
	if t.EnvoyNamespace != "" && !objectName.MatchString(t.EnvoyNamespace) {
		errs = append(errs, fmt.Errorf("namespace of Envoy %q: write the name of the one that the Gateway's pods are in", t.EnvoyNamespace))
	}
	if len(t.Listeners) == 0 {
		errs = append(errs, errors.New("no gateway listener: write the name of one, as the Gateway has it"))
	}
	return errors.Join(errs...)
}

func (t Target) validateClass(p Profile) error {
	switch {
	case t.Class == "":
		return nil
	case !p.patched():
		return fmt.Errorf("gateway class: in %s the object names the Gateway, whatever its class merges, leave it out", p)
	case !objectName.MatchString(t.Class):
		return fmt.Errorf("gateway class %q: write the name of the GatewayClass", t.Class)
	}
	return nil
}

func (t Target) validateWorkload() error {
	_, labels, _ := strings.Cut(t.Workload, "/")
	for label := range strings.SplitSeq(labels, ",") {
		if !objectLabel.MatchString(label) {
			return fmt.Errorf("workload %q: write NAMESPACE/LABEL=VALUE, such as istio-system/istio=ingressgateway", t.Workload)
		}
	}
	if !objectName.MatchString(t.Namespace()) {
		return fmt.Errorf("workload %q: write its namespace first, such as istio-system/istio=ingressgateway", t.Workload)
	}
	return nil
}

func (t Target) validateTLS(p Profile) error {
	switch {
	case t.TLS == "":
		return nil
	case !p.patched():
		return fmt.Errorf("service TLS: the control plane's own objects say in %s how corsgate is reached, leave it out", p)
	case !tlsFolder.MatchString(t.TLS):
		return fmt.Errorf("service TLS %q: write the absolute path at which Envoy finds the files", t.TLS)
	}
	return nil
}

// tlsFolder is a path that needs no quotes.
var tlsFolder = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)

// isNamed reports whether s is a namespace and, behind a slash, what matches.
func isNamed(s string, name *regexp.Regexp) bool {
	namespace, rest, ok := strings.Cut(s, "/")
	return ok && objectName.MatchString(namespace) && name.MatchString(rest)
}

// Namespace is that of the objects.
func (t Target) Namespace() string {
	namespace, _, _ := strings.Cut(t.Gateway+t.Workload, "/")
	return namespace
}

// PodNamespace is that of the Envoys' pods.
func (t Target) PodNamespace() string {
	if t.ControlPlane == EnvoyGateway {
		return cmp.Or(t.EnvoyNamespace, DefaultEnvoyNamespace)
	}
	return t.Namespace()
}

// GatewayName is the Gateway's name alone.
func (t Target) GatewayName() string {
	_, name, _ := strings.Cut(t.Gateway, "/")
	return name
}

// maxName is how long a name may be to be a label, too.
const maxName = 63

// notInLabels is what a name that is a label has not.
var notInLabels = regexp.MustCompile(`[^a-z0-9]+`)

// Name is that of the objects in the namespace of the Gateway or workload, which no other one has.
func (t Target) Name() string {
	if t.ControlPlane == EnvoyGateway {
		return nameAfter(t.GatewayName(), t.GatewayName())
	}
	_, list, _ := strings.Cut(t.Workload, "/")
	labels := strings.Split(list, ",")
	slices.Sort(labels)
	values := make([]string, 0, len(labels))
	for _, label := range labels {
		_, value, _ := strings.Cut(label, "=")
		values = append(values, value)
	}
	return nameAfter(strings.Join(values, "-"), strings.Join(labels, ","))
}

// NameIn is Name in another namespace, which objects of the Gateways of all namespaces are in.
func (t Target) NameIn(namespace string) string {
	if namespace == t.Namespace() {
		return t.Name()
	}
	return nameAfter(t.Gateway, "/"+t.Gateway)
}

// nameAfter names an object after what it is for. If these words cannot stand in a name as
// they are, or are not the whole of what it is for, a hash tells it from others.
func nameAfter(words, whole string) string {
	name := "corsgate-" + strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(words), "-"), "-")
	if name == "corsgate-"+whole && len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(whole))
	hash := "-" + hex.EncodeToString(sum[:4])
	return strings.TrimRight(name[:min(len(name), maxName-len(hash))], "-") + hash
}

// Labels are those of the workload, as YAML.
func (t Target) Labels() string {
	_, labels, _ := strings.Cut(t.Workload, "/")
	return "{" + strings.ReplaceAll(strings.ReplaceAll(labels, "=", `: "`), ",", `", `) + `"}`
}

// Context is what Istio calls the listeners that take the workload's requests.
func (t Target) Context() string {
	if t.Sidecar {
		return "SIDECAR_INBOUND"
	}
	return "GATEWAY"
}
