package envoygateway

import (
	"cmp"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// securityPolicy is a SecurityPolicy, or a fragment of one.
type securityPolicy struct {
	object tree.Object
	// spec is its spec; of a fragment, what has its cors.
	spec    tree.Node
	content tree.Node // of cors, if the fragment is no more than it
	targets []target
	// seen says that it is for a route of the input, and used that one answers by it.
	seen, used bool
	findings   []source.Finding
}

// policies are in the order of precedence: the oldest first, then by namespace and name
// (resource.Resources.Sort).
type policies []*securityPolicy

// policiesOf returns the policies of the documents, and the other documents. A part of a
// configuration that may be the Gateway API's is a policy only if there is no other.
func policiesOf(docs []tree.Node) (all policies, routes []tree.Node) {
	sure := slices.ContainsFunc(docs, Claims)
	for _, doc := range docs {
		o, ok := tree.ObjectOf(doc)
		part := fragment(doc)
		switch {
		case ok && o.Kind == "SecurityPolicy" && Claims(doc):
			all = append(all, &securityPolicy{object: o, spec: o.Field("spec")})
		case !ok && part.cors().Field("allowOrigins").Exists() && (!sure || Claims(doc)):
			all = append(all, part)
		default:
			routes = append(routes, doc)
		}
	}
	for _, p := range all {
		p.targets = targetsOf(p.spec)
		p.tellSelectors()
	}
	slices.SortStableFunc(all, func(a, b *securityPolicy) int {
		return cmp.Or(cmp.Compare(a.created(), b.created()), cmp.Compare(a.object.Namespace, b.object.Namespace), cmp.Compare(a.object.Name, b.object.Name))
	})
	return all, routes
}

// fragment returns the policy that a document without a kind is a part of: an object
// without its head, a spec, or cors with its name or without.
func fragment(doc tree.Node) *securityPolicy {
	switch {
	case doc.Field("spec", "cors").Exists():
		return &securityPolicy{spec: doc.Field("spec")}
	case doc.Field("allowOrigins").Exists():
		return &securityPolicy{spec: doc, content: doc}
	}
	return &securityPolicy{spec: doc}
}

func (p *securityPolicy) created() string {
	return p.object.Field("metadata", "creationTimestamp").String()
}

func (p *securityPolicy) cors() tree.Node {
	if p.content.Exists() {
		return p.content
	}
	return p.spec.Field("cors")
}

// of returns the cors of the policy that holds for a rule at a listener, or nil. The closest
// policy holds with all it says and does not say: that of the rule, of the route, of the
// listener, or of the gateway (translateSecurityPolicyForListeners). A policy with a
// mergeType takes over from the one behind it what it does not say.
func (all policies) of(r gatewayapi.Rule, at gatewayapi.Attachment) layers {
	var merged layers
	closed, seen := false, map[*securityPolicy]bool{}
	for _, l := range levels(r, at) {
		p := all.first(l)
		if p == nil || seen[p] || closed || len(seen) > 0 && !l.gateway {
			continue
		}
		seen[p] = true
		closed = l.gateway || !p.spec.Field("mergeType").Exists()
		if p.cors().Exists() {
			merged = append(merged, p)
		}
	}
	return merged
}

// first returns the policy of one level, and tells of others that it displaces.
func (all policies) first(l level) *securityPolicy {
	var first *securityPolicy
	for _, p := range all {
		if !p.has(l) {
			continue
		}
		if first == nil {
			first = p
		} else if !p.seen {
			p.tell(source.Dropped, p.object.Field("metadata", "name"), "another SecurityPolicy for the same target comes first, so this one does nothing", "")
		}
		p.seen = true
	}
	return first
}

// tell adds a finding.
func (p *securityPolicy) tell(fidelity source.Fidelity, n tree.Node, message, hint string) {
	p.findings = append(p.findings, n.Finding(fidelity, message, hint))
}

// tellSelectors tells that only the policy's own namespace is looked at.
func (p *securityPolicy) tellSelectors() {
	for _, t := range p.targets {
		if from := t.selector.Field("namespaces", "from"); from.Exists() && from.String() != "Same" && p.cors().Exists() {
			p.tell(source.Decide, from, "targets in other namespaces are not looked at, since they need a ReferenceGrant", "write policies for them by hand")
		}
	}
}

// alone returns the routes of the policies whose targets no route of the input is or has.
func (all policies) alone(docs []tree.Node, before int) []source.Route {
	var routes []source.Route
	for _, p := range all {
		switch {
		case !p.cors().Exists():
		case p.seen:
			p.tellUnused()
		default:
			report := &fields.Report{System: system}
			route := source.Route{Name: p.object.Name, Place: p.cors().Place(), CORS: read(layers{p}, report), Findings: report.Findings}
			if hosts, known := p.gatewayHosts(docs); known {
				route.Hosts = hosts
			} else {
				fields.Somewhere(&route, describe(p.targets), p.object.Exists(), before+len(routes))
			}
			routes = append(routes, route)
		}
	}
	return routes
}

// tellUnused tells that nothing answers by the policy.
func (p *securityPolicy) tellUnused() {
	if !p.used && len(p.findings) == 0 {
		p.tell(source.Dropped, p.cors(), "each route of the input that this is for has a policy closer to it, or a CORS filter, so this does nothing", "")
	}
}

// gatewayHosts returns the hosts of the listeners that the policy targets, if all its
// targets are Gateways of the input. None are every host.
func (p *securityPolicy) gatewayHosts(docs []tree.Node) (hosts []string, known bool) {
	every := false
	for _, t := range p.targets {
		gateway, ok := gatewayapi.Gateway(docs, p.object.Namespace, t.name)
		if !ok || t.kind != "Gateway" {
			return nil, false
		}
		for _, l := range gateway.Field("spec", "listeners").Items() {
			if t.section != "" && l.Field("name").String() != t.section {
				continue
			}
			known = true
			hosts = append(hosts, l.Field("hostname").String())
			every = every || !l.Field("hostname").Exists()
		}
	}
	if every {
		return nil, known
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), known
}
