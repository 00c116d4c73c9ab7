package envoy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/corsgate/corsgate/envoy/notrip"
)

// MaxManifest bounds a manifest that the policies are compiled into, in bytes. Kubernetes
// keeps objects in etcd, which takes no request above 1.5 MiB.
const MaxManifest = 1 << 20

// Manifest returns the objects that make the Envoys of a control plane decide about CORS,
// as commented YAML. It needs neither Listen nor Upstream. Filters are what Compile has
// made of the policies, for Compiled.Inline.
func (c Config) Manifest(t Target, filters *notrip.Result) ([]byte, error) {
	if err := errors.Join(c.validateFilters(), t.validate(c.Profile)); err != nil {
		return nil, err
	}
	v, err := c.view()
	switch {
	case err != nil:
	case c.Compiled.Inline:
		v.Root, err = inline(filters)
	case v.Compiled:
		v.Root, err = c.root()
	}
	if err != nil {
		return nil, err
	}
	v.Everywhere, v.ServiceTLS = true, t.TLS
	m := manifest{view: v, Target: t, Timeout: fmt.Sprintf("%dms", cmp.Or(c.MessageTimeout, DefaultMessageTimeout).Milliseconds())}
	doc, err := renderView(t.template(c.Profile), m)
	// Listeners after the first one refer to its filters; Kubernetes writes them out.
	if size := len(doc) + len(v.Root)*(max(len(t.Listeners), 1)-1); err == nil && size > MaxManifest {
		return nil, fmt.Errorf("the object has %d bytes, and Kubernetes takes at most %d: leave --policies out, and have 'corsgate serve --ecds' deliver them", size, MaxManifest)
	}
	return doc, err
}

// inline returns the filter that the policies are compiled into, as YAML.
func inline(filters *notrip.Result) (string, error) {
	doc, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(filters.Resources[0].Filter)
	if err != nil {
		return "", fmt.Errorf("write the compiled filter: %w", err)
	}
	var compact bytes.Buffer // the same bytes for the same filter
	err = json.Compact(&compact, doc)
	return "typed_config: " + compact.String(), err
}

// patched reports whether the control plane's objects contain the profile's own filters.
// Otherwise they configure the control plane's own way to ask.
func (p Profile) patched() bool { return p == NoTrip || p == OneTrip }

// template returns the name of the template of the objects.
func (t Target) template(p Profile) string {
	switch {
	case t.ControlPlane == EnvoyGateway && p.patched():
		return "envoy_patch_policy"
	case t.ControlPlane == EnvoyGateway:
		return "envoy_extension_policy"
	case p.patched():
		return "envoy_filter"
	}
	return "authorization_policy"
}

// manifest is what the templates of objects read.
type manifest struct {
	view
	Target Target
	// Timeout is MessageTimeout as the Gateway API writes it.
	Timeout string
}

// Chain returns the templates of the filters, in their order.
func (m manifest) Chain() []string {
	switch {
	case m.Compiled:
		return []string{"compiled"}
	case m.Strip:
		return []string{"decide", "apply", "static"}
	}
	return []string{"decide", "apply"}
}

// Backwards returns Chain, the last one first.
func (m manifest) Backwards() []string {
	chain := m.Chain()
	slices.Reverse(chain)
	return chain
}

// FilterOrder names the filters that Envoy Gateway puts before ext_proc and that a preflight
// must not meet, from the last to the first. What answers health checks stays before it.
func (manifest) FilterOrder() []string {
	return []string{
		"lua", "buffer", "stateful_session", "jwt_authn", "oauth2", "basic_auth", "api_key_auth",
		"ext_authz", "header_mutation", "csrf", "cors", "fault",
	}
}

var serviceHost = regexp.MustCompile(`^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.|$)`)

// serviceName is the name of a Kubernetes Service.
type serviceName struct{ Name, Namespace string }

// ServiceName returns the Service that the address stands for, or nil.
func (m manifest) ServiceName() *serviceName {
	if found := serviceHost.FindStringSubmatch(m.Service.Host); found != nil {
		return &serviceName{Name: found[1], Namespace: found[2]}
	}
	return nil
}

// Certificates is the name of the ConfigMap that says where Envoy's certificate is.
func (m manifest) Certificates() string {
	return m.Target.NameIn(m.Target.PodNamespace())
}

// Secret is the name of the one with Envoy's certificate, as the chart gives it.
func (m manifest) Secret() string {
	if service := m.ServiceName(); service != nil {
		return service.Name + "-envoy"
	}
	return "corsgate-envoy"
}

// item returns the only item of a list without the list, with the comments before it.
func item(list string) string {
	var out strings.Builder
	first := true
	for line := range strings.Lines(list) {
		switch {
		case first && strings.HasPrefix(line, "- "):
			line, first = line[2:], false
		case !first:
			line = strings.TrimPrefix(line, "  ")
		}
		out.WriteString(line)
	}
	return out.String()
}
