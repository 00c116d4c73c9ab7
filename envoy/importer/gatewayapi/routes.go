package gatewayapi

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Answer is what a rule does about CORS.
type Answer struct {
	CORS     *source.CORS
	Findings []source.Finding
}

// Reader says what a rule does about CORS for the requests of one listener. The answer is
// the same for all listeners with the same key.
type Reader interface {
	Key(Rule, Attachment) string
	Answer(Rule, Attachment) Answer
}

// Routes returns what the rules of all routes match, in the order of precedence, with the
// answer of each.
func Routes(docs []tree.Node, reader Reader) source.Config {
	gateways := gatewaysOf(docs)
	var all []match
	var config source.Config
	told := map[source.Place]bool{} // hostnames
	for _, r := range rules(docs) {
		at := gateways.attachments(r)
		answered := r.answered(at, reader)
		switch {
		case len(answered) == 0 && !r.isOvertaken(at):
			config.Findings = append(config.Findings, r.unattached()...)
		case !told[r.hostnames().Place()] && (len(answered) == 0 || slices.ContainsFunc(answered, match.allows)):
			told[r.hostnames().Place()] = true
			config.Findings = append(config.Findings, r.untaken(at)...)
		}
		all = append(all, answered...)
	}
	all = needed(all)
	slices.SortStableFunc(all, precedence)
	config.Findings = append(config.Findings, share(all)...)
	for _, m := range all {
		if !m.taken {
			config.Routes = append(config.Routes, m.route)
		}
	}
	return config
}

// unattached tells of a rule that no listener takes.
func (r Rule) unattached() []source.Finding {
	if !r.CORS().Exists() {
		return nil
	}
	return []source.Finding{{
		Fidelity: source.Dropped, Place: r.Place(), Field: "rules",
		Message: "no listener of its gateway takes the route: its hostnames, its namespace or its sectionName differ",
	}}
}

// answered returns the matches of the rule, once for each answer.
func (r Rule) answered(attachments []Attachment, reader Reader) []match {
	var keys []string
	groups := map[string][]Attachment{}
	for _, a := range attachments {
		key := reader.Key(r, a)
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], a)
	}
	var all []match
	for _, key := range keys {
		a := reader.Answer(r, groups[key][0])
		at := r.hosts(groups[key])
		if len(at) == 0 {
			continue
		}
		if at[""] != nil {
			a.tellHosts(r, groups[key])
		}
		all = append(all, r.parts(at, a)...)
	}
	return all
}

// parts returns the matches of the rule. If it is for every host at one listener, and for some
// hosts at another one, these are parts of their own.
func (r Rule) parts(at map[string][]Attachment, a Answer) []match {
	every := at[""]
	if every == nil || len(at) == 1 {
		return r.matched(at, a)
	}
	all := r.matched(map[string][]Attachment{"": every}, a)
	delete(at, "")
	for _, m := range r.matched(at, a) {
		m.besides, m.route.Findings = true, nil // told once
		all = append(all, m)
	}
	return all
}

// needed removes the parts besides those for every host if no other route may be for their hosts.
func needed(all []match) []match {
	var listed []string
	for _, m := range all {
		if !m.besides {
			listed = append(listed, m.route.Hosts...)
		}
	}
	return slices.DeleteFunc(all, func(m match) bool {
		return m.besides && (len(listed) == 0 || !fields.HostsMeet(m.route.Hosts, listed))
	})
}

// isOvertaken reports whether a closer listener takes one of the hosts from the route.
func (r Rule) isOvertaken(at []Attachment) bool {
	return slices.ContainsFunc(at, func(a Attachment) bool {
		return slices.ContainsFunc(a.hosts(hostnames(r.hostnames())), func(host string) bool { return a.closest(host).Exists() })
	})
}

// untaken tells of the hosts of the route that no listener has to which it is attached, or that are
// closer to another one.
func (r Rule) untaken(at []Attachment) (findings []source.Finding) {
	for _, n := range r.hostnames().Entries() {
		f := n.Finding(source.Dropped, "no listener that takes the route has this host", "")
		taken := slices.ContainsFunc(at, func(a Attachment) bool {
			return slices.ContainsFunc(a.hosts([]string{strings.ToLower(n.String())}), func(host string) bool {
				closest := a.closest(host)
				if closest.Exists() {
					f = overtaken(n, closest)
				}
				return !closest.Exists()
			})
		})
		if !taken {
			findings = append(findings, f)
		}
	}
	return findings
}

// overtaken tells that a closer listener takes the requests for a host. Envoy Gateway has one list of
// hosts for all listeners of a port without TLS (computeHosts, addRouteToRouteConfig).
func overtaken(host, closest tree.Node) source.Finding {
	name := closest.Field("name").String()
	if hostname(closest) == strings.ToLower(host.String()) || closest.Field("protocol").String() == "HTTPS" {
		return host.Finding(source.Dropped, "the listener "+name+", to which the route is not attached, takes the requests for this host", "")
	}
	return host.Finding(source.Decide, "by the specification, the listener "+name+", to which the route is not attached, takes the requests for this host; Envoy Gateway leaves them to the route if there is no TLS",
		"attach the route to that listener, too, if it is meant to answer")
}

// matched returns the matches of the rule for some hosts, or for every host if "" is the only one.
func (r Rule) matched(at map[string][]Attachment, a Answer) []match {
	all := r.matches()
	var hosts []string
	if at[""] == nil {
		hosts = slices.Sorted(maps.Keys(at))
	}
	for i := range all {
		all[i].at = at
		all[i].route.Hosts, all[i].route.CORS = hosts, a.CORS
	}
	all[0].route.Findings = append(a.Findings, all[0].route.Findings...)
	return all
}

// match is one of the matches of a rule, or several that differ by their path only.
type match struct {
	route            source.Route
	exact, method    int
	headers, queries int
	created, key     string
	// at is where its rule is attached, with the answer of the route, for each of its hosts; "" is
	// every host.
	at map[string][]Attachment
	// redirects tells that it does not go to the application, and taken that the hosts of
	// the route are all another listener's.
	redirects, taken bool
	// besides tells that its rule is for every host at another listener.
	besides bool
	answer  string // see answers
}

// precedence orders matches of the same path (HTTPRouteRule, matches): the exact path, a
// method, more headers, more parameters, and the older route. The order within a route is
// kept.
func precedence(a, b match) int {
	return cmp.Or(b.exact-a.exact, b.method-a.method, b.headers-a.headers, b.queries-a.queries,
		older(a.created, b.created), cmp.Compare(a.key, b.key))
}

// older compares times of creation; a route of which it is not known is newer.
func older(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// matches returns what the rule matches. Those without conditions are one.
func (r Rule) matches() []match {
	base := match{
		created:   r.Route.Field("metadata", "creationTimestamp").String(),
		key:       r.Route.Namespace + "/" + r.Route.Name,
		redirects: r.redirects(),
		route:     source.Route{Name: r.name(), Place: r.Place()},
	}
	list := r.Field("matches").Items()
	if len(list) == 0 {
		return []match{base}
	}
	var all []match
	var free *match
	for _, n := range list {
		m := base
		path, everywhere := r.path(n)
		m.conditions(n, r)
		switch {
		case len(m.route.Conditions) > 0:
			m.addPath(path, everywhere)
			all = append(all, m)
		case free == nil:
			free = &m
			free.addPath(path, everywhere)
		case everywhere:
			free.route.Paths = nil
		case len(free.route.Paths) > 0:
			free.addPath(path, everywhere)
			free.route.Findings = append(free.route.Findings, m.route.Findings...)
		}
	}
	if free != nil {
		all = append([]match{*free}, all...)
	}
	return all
}

func (m match) allows() bool { return m.route.CORS != nil }

// answers is the same for matches that answer the same requests alike.
func (m *match) answers() string {
	if m.answer == "" {
		m.answer = fmt.Sprint(m.redirects, fields.Answers([]source.Route{m.route}))
	}
	return m.answer
}

func (m *match) addPath(path source.Path, everywhere bool) {
	if everywhere {
		return
	}
	m.route.Paths = append(m.route.Paths, path)
	if path.Kind == source.ExactPath {
		m.exact = 1
	}
}

// kinds are the types of a path match. The default is PathPrefix, which compares whole
// segments (HTTPPathMatch).
var kinds = map[string]source.PathKind{
	"": source.Segments, "PathPrefix": source.Segments, "Exact": source.ExactPath, "RegularExpression": source.RegexPath,
}

// path returns what a match wants of the path, and whether that is nothing.
func (r Rule) path(n tree.Node) (path source.Path, everywhere bool) {
	if r.Route.Kind == "GRPCRoute" {
		return grpcPath(n.Field("method"))
	}
	value := n.Field("path", "value")
	kind, known := kinds[n.Field("path", "type").String()]
	if !known {
		kind = source.RegexPath // an implementation's own
	}
	if !value.Exists() || value.String() == "/" && kind == source.Segments {
		return source.Path{}, true
	}
	return source.Path{Text: value.Text(), Kind: kind}, false
}

// grpcPath returns the path of a service and a method of gRPC, "/package.Service/Method"
// (GRPCMethodMatch).
func grpcPath(n tree.Node) (path source.Path, everywhere bool) {
	service, method := n.Field("service").String(), n.Field("method").String()
	path.Place = n.Place()
	switch {
	case service == "" && method == "":
		return path, true
	case n.Field("type").String() == "RegularExpression":
		path.Text.Text, path.Kind = "/"+orAny(service)+"/"+orAny(method), source.RegexPath
	case service == "":
		path.Text.Text, path.Kind = "/"+orAny("")+"/"+regexp.QuoteMeta(method), source.RegexPath
	case method == "":
		path.Text.Text = "/" + service
	default:
		path.Text.Text, path.Kind = "/"+service+"/"+method, source.ExactPath
	}
	return path, false
}

func orAny(expr string) string {
	if expr == "" {
		return "[^/]+"
	}
	return expr
}

// conditions reads what a match wants besides the path.
func (m *match) conditions(n tree.Node, r Rule) {
	for _, h := range n.Field("headers").Items() {
		m.add(h, "header "+h.Field("name").String()+": "+h.Field("value").String())
		m.headers++
	}
	for _, q := range n.Field("queryParams").Items() {
		m.add(q, "query "+q.Field("name").String()+"="+q.Field("value").String())
		m.queries++
	}
	method := n.Field("method")
	if !method.Exists() || r.Route.Kind == "GRPCRoute" {
		return
	}
	m.method = 1
	if len(m.route.Conditions) == 0 && r.takesPreflights(n) {
		m.tell(source.Differs, method, "the rule takes preflights for this path, and no other rule of the route is for it: the policy is for all methods")
		return
	}
	m.add(method, "method "+method.String())
	if method.String() != "OPTIONS" {
		m.tell(source.Differs, method, "a preflight is an OPTIONS request, which this match does not take by the specification; Envoy Gateway answers it nevertheless")
	}
}

// takesPreflights reports whether the rule takes OPTIONS requests for the path of a match,
// and no other rule of the route takes other requests for it.
func (r Rule) takesPreflights(n tree.Node) bool {
	path, _ := r.path(n)
	takes := false
	for _, rule := range r.spec.Field("rules").Items() {
		for _, m := range rule.Field("matches").Items() {
			p, everywhere := r.path(m)
			if rule.Path() != r.Path() && (everywhere || strings.HasPrefix(path.Text.Text, p.Text.Text)) {
				return false
			}
			bare := !m.Field("headers").Exists() && !m.Field("queryParams").Exists()
			takes = takes || p.Kind == path.Kind && p.Text.Text == path.Text.Text && m.Field("method").String() == "OPTIONS" && bare
		}
	}
	return takes
}

func (m *match) tell(fidelity source.Fidelity, n tree.Node, message string) {
	m.route.Findings = append(m.route.Findings, n.Finding(fidelity, message, ""))
}

func (m *match) add(n tree.Node, text string) {
	m.route.Conditions = append(m.route.Conditions, source.Text{Place: n.Place(), Text: text})
}
