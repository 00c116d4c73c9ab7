package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// preflightsNotRouted reports routes that are for other methods than OPTIONS, so that
// preflights of their requests have none, if corsgate's filter needs one.
func preflightsNotRouted(f *facts, report report) {
	for _, m := range f.guarded() {
		fl := m.decides()[0]
		level, seen := f.withoutRoute(fl)
		if seen == "" {
			continue
		}
		for _, s := range m.routeSpots() {
			if s.runs(fl) && !takesPreflights(s.route) && !slices.ContainsFunc(s.host.GetRoutes(), s.preflightsTake) {
				report(level, s.place, "it is not for OPTIONS, and no other route takes the preflights of its requests", seen,
					"a route for the same path without :method behind it, or OPTIONS among its methods")
			}
		}
	}
}

// withoutRoute says what a filter does with preflights that no route takes; nothing, if it
// decides about them all the same. Envoy chooses the route before, and ext_authz is not asked
// without one.
func (f *facts) withoutRoute(fl *filter) (level policy.Level, seen string) {
	const lost = "corsgate is not asked about preflights: they get 404, so browsers block the requests behind them"
	switch {
	case fl.GetDisabled():
		return policy.Error, lost
	case fl.role == roleCompiled && f.repliesByAuthz(fl):
		return policy.Note, "preflights get 200 instead of 204, which browsers take, too"
	case fl.role == roleDecide && slices.ContainsFunc(fl.asks, func(a *ask) bool { return a.authz != nil }):
		return policy.Error, lost
	}
	return policy.Note, ""
}

// repliesByAuthz reports whether a compiled filter answers by ext_authz.
func (f *facts) repliesByAuthz(fl *filter) (is bool) {
	look := func(m proto.Message) bool {
		c, ok := m.(*authz.ExtAuthz)
		is = is || ok && answersItself(c)
		return !is
	}
	walk(fl.HttpFilter, look)
	for name := range fl.sources {
		if d := f.delivered[name]; d != nil {
			walk(d.filter, look)
		}
	}
	return is
}

// preflightsTake reports whether a route of the same host takes the preflights of a route's
// requests. What cannot be decided counts as such.
func (s spot) preflightsTake(other *route.Route) bool {
	return takesPreflights(other) && coversPath(other.GetMatch(), s.route.GetMatch())
}

// takesPreflights reports whether a route may take OPTIONS.
func takesPreflights(r *route.Route) bool {
	return !slices.ContainsFunc(r.GetMatch().GetHeaders(), func(h *route.HeaderMatcher) bool {
		p := textOf(h)
		return h.GetName() == ":method" && p != nil && fits(p, http.MethodOptions) == h.GetInvertMatch()
	})
}

// textOf returns the pattern of a header's value, also if it is in one of the older fields,
// or nil.
func textOf(h *route.HeaderMatcher) *matcher.StringMatcher {
	switch is := h.GetHeaderMatchSpecifier().(type) {
	case *route.HeaderMatcher_StringMatch:
		return is.StringMatch
	case *route.HeaderMatcher_ExactMatch:
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_Exact{Exact: is.ExactMatch}} //nolint:staticcheck // Envoy still takes it
	case *route.HeaderMatcher_PrefixMatch:
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_Prefix{Prefix: is.PrefixMatch}} //nolint:staticcheck // Envoy still takes it
	case *route.HeaderMatcher_SuffixMatch:
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_Suffix{Suffix: is.SuffixMatch}} //nolint:staticcheck // Envoy still takes it
	case *route.HeaderMatcher_ContainsMatch:
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_Contains{Contains: is.ContainsMatch}} //nolint:staticcheck // Envoy still takes it
	case *route.HeaderMatcher_SafeRegexMatch:
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_SafeRegex{SafeRegex: is.SafeRegexMatch}} //nolint:staticcheck // Envoy still takes it
	}
	return nil
}

// coversPath reports whether a match may be for all paths of another one.
func coversPath(a, b *route.RouteMatch) bool {
	text := b.GetPrefix() + b.GetPath() + b.GetPathSeparatedPrefix() // two of them are empty
	switch is := a.GetPathSpecifier().(type) {
	case *route.RouteMatch_Prefix:
		return strings.HasPrefix(text, is.Prefix) || text == ""
	case *route.RouteMatch_PathSeparatedPrefix:
		return text == is.PathSeparatedPrefix || strings.HasPrefix(text, is.PathSeparatedPrefix+"/") || text == ""
	case *route.RouteMatch_Path:
		return b.GetPath() == is.Path
	}
	return true
}

// hostsNotRouted notes hosts of policies that no virtual host takes. Another Envoy may serve
// them.
func hostsNotRouted(f *facts, report report) {
	var domains []string
	known := f.policies != nil
	for _, m := range f.guarded() {
		known = known && m.known
		for _, rc := range m.routes {
			for _, vh := range rc.GetVirtualHosts() {
				domains = append(domains, vh.GetDomains()...)
			}
		}
	}
	if !known || domains == nil {
		return
	}
	for _, s := range f.policies.Specs() {
		for _, host := range s.Hosts {
			if !slices.ContainsFunc(domains, func(domain string) bool { return mayServe(domain, host) }) {
				report(policy.Note, Place{}, fmt.Sprintf("no virtual host takes the host %s of the policy %s", host, s.Name), "requests for it get 404 here",
					"if this Envoy is to serve it, "+host+" among the domains of a virtual host")
			}
		}
	}
}

// portsNotRouted notes virtual hosts that do not take requests whose host has the listener's
// port, as browsers write it if they ask the listener themselves.
func portsNotRouted(f *facts, report report) {
	for _, m := range f.guarded() {
		port := m.listener.GetAddress().GetSocketAddress().GetPortValue()
		if port == 0 || port == 80 || port == 443 || m.GetStripAnyHostPort() || m.GetStripMatchingHostPort() {
			continue
		}
		for _, rc := range m.routes {
			if !rc.GetIgnorePortInHostMatching() {
				m.portlessHosts(rc, fmt.Sprintf(":%d", port), report)
			}
		}
	}
}

func (m *manager) portlessHosts(rc *route.RouteConfiguration, port string, report report) {
	for _, vh := range rc.GetVirtualHosts() {
		for _, domain := range vh.GetDomains() {
			if strings.Contains(domain, ":") || strings.HasSuffix(domain, "*") || slices.ContainsFunc(vh.GetDomains(), func(other string) bool { return takesHost(other, domain+port) }) {
				continue
			}
			p := m.place
			p.RouteConfig, p.VirtualHost = rc.GetName(), vh.GetName()
			report(policy.Note, p, fmt.Sprintf("it takes %s, and not %s%s", domain, domain, port),
				"browsers write the port, if they ask this listener themselves and no load balancer is in between: their requests get the routes of another virtual host, or 404",
				"ignore_port_in_host_matching: true beside virtual_hosts")
			break
		}
	}
}

// takesHost reports whether a domain of a virtual host takes a host, as Envoy compares them.
func takesHost(domain, host string) bool {
	domain, host = strings.ToLower(domain), strings.ToLower(host)
	suffix, isSuffix := strings.CutPrefix(domain, "*")
	prefix, isPrefix := strings.CutSuffix(domain, "*")
	return domain == host || isSuffix && strings.HasSuffix(host, suffix) || isPrefix && strings.HasPrefix(host, prefix)
}

// mayServe reports whether a domain of a virtual host takes requests for a policy's host,
// or some of them.
func mayServe(domain, host string) bool {
	domain = strings.ToLower(domain)
	if name, port, found := strings.Cut(domain, ":"); found && !strings.Contains(port, ":") {
		domain = name
	}
	suffix, isSuffix := strings.CutPrefix(domain, "*")
	prefix, isPrefix := strings.CutSuffix(domain, "*")
	parent, isStar := strings.CutPrefix(host, "*")
	switch {
	case isSuffix && isStar:
		return strings.HasSuffix(parent, suffix) || strings.HasSuffix(suffix, parent)
	case isSuffix:
		return strings.HasSuffix(host, suffix)
	case isPrefix:
		return isStar || strings.HasPrefix(host, prefix)
	case isStar:
		return strings.HasSuffix(domain, parent)
	}
	return domain == host
}
