package exporter

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// named returns an object of a kind. Hosts are good names of objects, but for their
// stars.
func named(apiVersion, kind, name string, spec object) object {
	return object{"apiVersion": apiVersion, "kind": kind, "metadata": object{"name": name}, "spec": spec}
}

func nameOf(host string) string {
	return strings.Replace(cmp.Or(host, "all-other-hosts"), "*.", "below.", 1)
}

// writeIstio returns a VirtualService for each site.
func writeIstio(sites []site) []any {
	var list []any
	for _, s := range sites {
		var http []any
		for _, r := range s.routes {
			http = append(http, istioRoute(r))
		}
		spec := object{"hosts": []string{cmp.Or(s.host, "*")}, "gateways": []string{"gateway"}, "http": http}
		list = append(list, named("networking.istio.io/v1", "VirtualService", nameOf(s.host), spec))
	}
	return list
}

// istioRoute returns a route. Istio's prefixes are of text, so that of whole segments
// takes two.
func istioRoute(r route) object {
	route := object{"route": []any{object{"destination": object{"host": "upstream"}}}}
	if r.path != "" {
		route["match"] = []any{object{"uri": object{"exact": r.path}}, object{"uri": object{"prefix": r.path + "/"}}}
	}
	if r.rule == nil {
		return route
	}
	response := object{"add": object{"vary": "Origin"}}
	if r.rule.strips {
		response["remove"] = corsHeaders
	}
	route["corsPolicy"], route["headers"] = r.rule.istio(), object{"response": response}
	return route
}

// istio returns the corsPolicy of a rule.
func (r *rule) istio() object {
	var origins []any
	for _, o := range r.origins {
		match := object{"exact": o.text}
		if o.isRegex {
			match = object{"regex": o.text}
		}
		origins = append(origins, match)
	}
	p := r.lists()
	p["allowOrigins"], p["unmatchedPreflights"] = origins, "IGNORE"
	if r.forwards {
		p["unmatchedPreflights"] = "FORWARD"
	}
	if r.maxAge != nil {
		p["maxAge"] = strconv.Itoa(*r.maxAge) + "s"
	}
	return p
}

// lists returns the fields that all objects of Kubernetes share.
func (r *rule) lists() object {
	p := object{"allowCredentials": r.credentials}
	for name, list := range map[string][]string{"allowMethods": r.methods, "allowHeaders": r.headers, "exposeHeaders": r.exposed} {
		if len(list) > 0 {
			p[name] = list
		}
	}
	return p
}

const gatewayVersion = "gateway.networking.k8s.io/v1"

// maxRules is how many rules an HTTPRoute may have.
const maxRules = 16

// writeGatewayAPI returns HTTPRoutes with CORS filters, for each site as many as its rules
// need. Of the routes of a host the longest path goes first.
func writeGatewayAPI(sites []site) []any {
	var list []any
	for _, s := range sites {
		for first := 0; first < len(s.routes); first += maxRules {
			var rules []any
			for _, r := range s.routes[first:min(first+maxRules, len(s.routes))] {
				rules = append(rules, gatewayRule(r))
			}
			name := nameOf(s.host)
			if first > 0 {
				name += "." + strconv.Itoa(first/maxRules+1)
			}
			list = append(list, httpRoute(name, s.host, rules))
		}
	}
	return list
}

func httpRoute(name, host string, rules []any) object {
	spec := object{"parentRefs": []any{object{"name": "gateway"}}, "rules": rules}
	if host != "" {
		spec["hostnames"] = []string{host}
	}
	return named(gatewayVersion, "HTTPRoute", name, spec)
}

func gatewayRule(r route) object {
	rule := plainRule(r.path)
	if r.rule != nil && len(r.rule.origins) > 0 {
		rule["filters"] = []any{object{"type": "CORS", "cors": r.rule.gateway()}}
	}
	return rule
}

// plainRule is a rule for the paths below a prefix.
func plainRule(path string) object {
	match := object{"path": object{"type": "PathPrefix", "value": cmp.Or(path, "/")}}
	return object{"matches": []any{match}, "backendRefs": []any{object{"name": "upstream", "port": 80}}}
}

// gateway returns the CORS filter of a rule.
func (r *rule) gateway() object {
	p := r.lists()
	p["allowOrigins"] = r.texts()
	if r.maxAge != nil {
		p["maxAge"] = *r.maxAge
	}
	return p
}

func (r *rule) texts() []string {
	var texts []string
	for _, o := range r.origins {
		texts = append(texts, o.text)
	}
	return texts
}

// writeEnvoyGateway returns HTTPRoutes, one for each site and rule, and the SecurityPolicy
// of each rule.
func writeEnvoyGateway(sites []site) []any {
	var list []any
	var rules []*rule // in the order in which they are met
	refs := map[*rule][]any{}
	for _, s := range sites {
		for _, of := range s.byRule() {
			name := nameOf(s.host)
			if of.rule != nil {
				name = of.rule.name + "." + name
			}
			var matches []any
			for _, path := range of.paths {
				matches = append(matches, plainRule(path))
			}
			for first := 0; first < len(matches); first += maxRules {
				part := name
				if first > 0 {
					part += "." + strconv.Itoa(first/maxRules+1)
				}
				list = append(list, httpRoute(part, s.host, matches[first:min(first+maxRules, len(matches))]))
				if refs[of.rule] == nil {
					rules = append(rules, of.rule)
				}
				refs[of.rule] = append(refs[of.rule], object{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": part})
			}
		}
	}
	for _, r := range rules {
		if r != nil && len(r.origins) > 0 {
			list = append(list, securityPolicies(r, refs[r])...)
		}
	}
	return list
}

// maxRefs is how many targets a policy may have.
const maxRefs = 16

// securityPolicies returns the SecurityPolicies of a rule.
func securityPolicies(r *rule, refs []any) []any {
	var list []any
	for first := 0; first < len(refs); first += maxRefs {
		name := r.name
		if first > 0 {
			name += "." + strconv.Itoa(first/maxRefs+1)
		}
		cors := r.lists()
		cors["allowOrigins"] = r.texts()
		if r.maxAge != nil {
			cors["maxAge"] = duration(*r.maxAge)
		}
		list = append(list, named("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", name,
			object{"targetRefs": refs[first:min(first+maxRefs, len(refs))], "cors": cors}))
	}
	return list
}

// duration writes seconds as the Gateway API reads them: with five digits for each unit.
func duration(seconds int) string {
	if seconds < 100_000 {
		return fmt.Sprintf("%ds", seconds)
	}
	return fmt.Sprintf("%dh%dm%ds", min(seconds/3600, 99_999), seconds/60%60, seconds%60)
}

// pathsOfRule are the paths of a site that a rule is for.
type pathsOfRule struct {
	rule  *rule
	paths []string
}

// byRule returns the rules of a site with their paths, in the order of the routes.
func (s *site) byRule() []pathsOfRule {
	var list []pathsOfRule
	index := map[*rule]int{}
	for _, r := range s.routes {
		i, known := index[r.rule]
		if !known {
			i = len(list)
			index[r.rule] = i
			list = append(list, pathsOfRule{rule: r.rule})
		}
		list[i].paths = append(list[i].paths, r.path)
	}
	return list
}
