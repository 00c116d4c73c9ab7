package envoygateway

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// target is what a policy is for: a name, or a selector of labels.
type target struct {
	kind, name, section string
	selector            tree.Node
}

// targetsOf returns the targets of a spec: targetRefs, the older targetRef, and
// targetSelectors (PolicyTargetReferences).
func targetsOf(spec tree.Node) []target {
	var all []target
	for _, ref := range append(spec.Field("targetRefs").Items(), spec.Field("targetRef")) {
		if ref.Exists() {
			all = append(all, target{kind: ref.Field("kind").String(), name: ref.Field("name").String(), section: ref.Field("sectionName").String()})
		}
	}
	for _, s := range spec.Field("targetSelectors").Items() {
		all = append(all, target{kind: s.Field("kind").String(), selector: s})
	}
	return all
}

// describe names the targets in a message.
func describe(targets []target) string {
	var names []string
	for _, t := range targets {
		names = append(names, strings.TrimSpace("the "+t.kind+" "+t.name))
	}
	if len(names) == 0 {
		return "anything"
	}
	return strings.Join(names, " and ")
}

// level is something that a policy may target and that covers a rule.
type level struct {
	object                         tree.Object // for its labels
	kind, namespace, name, section string
	gateway                        bool
}

// levels returns what covers a rule at a listener, the closest first.
func levels(r gatewayapi.Rule, at gatewayapi.Attachment) []level {
	if !r.Route.Exists() {
		return nil
	}
	route := level{object: r.Route, kind: r.Route.Kind, namespace: r.Route.Namespace, name: r.Route.Name}
	gateway := level{object: at.Gateway, kind: at.Kind, namespace: at.Namespace, name: at.Name, gateway: true}
	rule, listener := route, gateway
	rule.section = r.Field("name").String()
	listener.section = at.Section
	if at.Listener.Exists() {
		listener.section = at.Listener.Field("name").String()
	}
	return []level{rule, route, listener, gateway}
}

// has reports whether the policy targets a level.
func (p *securityPolicy) has(l level) bool {
	return p.object.Exists() && slices.ContainsFunc(p.targets, func(t target) bool {
		switch {
		case t.kind != l.kind || t.section != l.section || !same(p.object.Namespace, l.namespace):
			return false
		case t.selector.Exists():
			return selects(t.selector, l.object)
		}
		return t.name == l.name
	})
}

// same reports whether two namespaces may be the same. Manifests need not name theirs.
func same(a, b string) bool { return a == b || a == "" || b == "" }

// selects reports whether a selector takes an object (metav1.LabelSelector).
func selects(selector tree.Node, o tree.Object) bool {
	labels := o.Field("metadata", "labels")
	for _, want := range selector.Field("matchLabels").Fields() {
		if labels.Field(want.Key.Text).String() != want.String() {
			return false
		}
	}
	for _, want := range selector.Field("matchExpressions").Items() {
		if !meets(want, labels.Field(want.Field("key").String())) {
			return false
		}
	}
	return true
}

func meets(want, label tree.Node) bool {
	in := slices.ContainsFunc(want.Field("values").Items(), func(v tree.Node) bool { return v.String() == label.String() })
	switch want.Field("operator").String() {
	case "In":
		return label.Exists() && in
	case "NotIn":
		return !label.Exists() || !in
	case "Exists":
		return label.Exists()
	case "DoesNotExist":
		return !label.Exists()
	}
	return false
}
