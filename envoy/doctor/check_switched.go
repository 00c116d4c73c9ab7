package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// neverEnabled reports filters that wait for a virtual host or route to enable them, which
// none does.
func neverEnabled(f *facts, report report) {
	for _, m := range f.guarded() {
		if !m.known {
			continue
		}
		for _, fl := range m.with(roleCompiled, roleDecide, roleApply, roleStatic, roleDefault) {
			if !fl.GetDisabled() || m.anywhere(fl) {
				continue
			}
			level, seen := policy.Error, "no request is decided: preflights reach the upstream, and pages get its own CORS headers, or none"
			if fl.role == roleStatic {
				level, seen = policy.Warning, "answers to requests without an Origin keep the upstream's CORS headers and lack Vary: a cache may hand them to another page"
			}
			report(level, fl.place, "it is disabled, and no virtual host and no route enables it", seen,
				"typed_per_filter_config: {"+fl.GetName()+": {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}} on each virtual host")
		}
	}
}

// switchedOff reports virtual hosts and routes on which no filter of corsgate's decides.
func switchedOff(f *facts, report report) {
	for _, m := range f.guarded() {
		fl := m.decides()[0]
		if fl.GetDisabled() && !m.anywhere(fl) {
			continue // never-enabled says it
		}
		for _, s := range m.undecided(fl) {
			what := fl.GetName() + " is switched off here"
			if fl.GetDisabled() && s.config(fl.GetName()) == nil {
				what = fl.GetName() + " is disabled, and not enabled here, as it is elsewhere"
			}
			report(policy.Warning, s.place, what,
				"preflights of these requests reach the upstream, and pages get its own CORS headers, or none",
				"if that is not meant, take its typed_per_filter_config away, or enable it there: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}")
		}
	}
}

// undecided returns the virtual hosts on none of whose routes a filter runs, and the other
// routes on which it does not.
func (m *manager) undecided(fl *filter) (list []spot) {
	off := map[*route.VirtualHost]int{}
	for _, s := range m.routeSpots() {
		if !s.runs(fl) {
			off[s.host]++
		}
	}
	whole := map[*route.VirtualHost]bool{}
	for _, s := range m.spots {
		switch {
		case s.runs(fl) || off[s.host] == 0 && !s.part:
		case s.route == nil && off[s.host] == len(s.host.GetRoutes()):
			whole[s.host] = true
			list = append(list, s)
		case s.route != nil && !whole[s.host] && !m.decidedBefore(fl, s):
			list = append(list, s)
		}
	}
	return list
}

// anywhere reports whether a filter runs for any route.
func (m *manager) anywhere(fl *filter) bool {
	return slices.ContainsFunc(m.spots, func(s spot) bool { return s.runs(fl) })
}

// decidedBefore reports whether a route of the same host that stands earlier, and is for
// requests with an Origin, takes them first: so "corsgate envoy-config --match-by route"
// has each route twice.
func (m *manager) decidedBefore(fl *filter, s spot) bool {
	for _, other := range m.spots {
		switch {
		case other.host != s.host, other.route == nil, other.part:
		case other.route == s.route:
			return false
		case wantsOrigin(other.route) && samePath(other.route, s.route) && other.runs(fl):
			return true
		}
	}
	return false
}

func wantsOrigin(r *route.Route) bool {
	return slices.ContainsFunc(r.GetMatch().GetHeaders(), func(h *route.HeaderMatcher) bool {
		return strings.EqualFold(h.GetName(), "origin") && !h.GetInvertMatch()
	})
}

func samePath(a, b *route.Route) bool {
	x, y := a.GetMatch(), b.GetMatch()
	return x.GetPrefix() == y.GetPrefix() && x.GetPath() == y.GetPath() && x.GetPathSeparatedPrefix() == y.GetPathSeparatedPrefix() &&
		x.GetSafeRegex().GetRegex() == y.GetSafeRegex().GetRegex()
}

// halfSwitchedOff reports places where corsgate is asked, and its answer is not applied.
func halfSwitchedOff(f *facts, report report) {
	for _, m := range f.guarded() {
		decides, partners := m.with(roleDecide), m.with(roleApply, roleDefault)
		if len(decides) == 0 {
			continue
		}
		for _, s := range m.spots {
			for _, partner := range partners {
				s.judgePair(decides[0], partner, report)
			}
		}
	}
}

// judgePair reports a place where only one of two filters runs that belong together.
func (s spot) judgePair(decide, partner *filter, report report) {
	if s.runs(partner) == s.runs(decide) || s.route != nil && s.saysNothing(partner, decide) {
		return
	}
	on, off, seen := decide, partner, "pages get no CORS header of corsgate's, and the upstream's own stay"
	if s.runs(partner) {
		on, off, seen = partner, decide, "corsgate is not asked, and what its other filters do does not fit"
	}
	report(policy.Error, s.place, fmt.Sprintf("%s runs here, and %s does not", on.GetName(), off.GetName()), seen, "enable or disable these filters together")
}

// saysNothing reports whether a place leaves filters as the place above it has them.
func (s spot) saysNothing(filters ...*filter) bool {
	return !slices.ContainsFunc(filters, func(fl *filter) bool { return s.says[0][fl.GetName()] != nil })
}

// hostWithoutPart reports virtual hosts that lack what others have. Without the policies it
// is not known whether a host has one, so it is a note, and none for every other host.
func hostWithoutPart(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, fl := range m.with(roleStatic) {
			m.hostsWithout(f, fl, report)
		}
		for _, a := range m.decides()[0].asks {
			if a.authz != nil && !a.inside && len(m.with(roleApply)) > 0 {
				m.hostsWithoutContext(report)
			}
		}
	}
}

func (m *manager) hostsWithout(f *facts, fl *filter, report report) {
	if !fl.GetDisabled() || !m.anywhere(fl) {
		return
	}
	enabled := map[*route.VirtualHost]bool{}
	for _, s := range m.spots {
		enabled[s.host] = enabled[s.host] || s.runs(fl)
	}
	for _, s := range m.spots {
		level, replaces := f.replaces(s.host)
		if s.route == nil && !enabled[s.host] && replaces {
			report(level, s.place, fl.GetName()+" is enabled on other virtual hosts, and not on this one",
				"answers to requests without an Origin keep the upstream's CORS headers and lack Vary: a cache may hand them to another page",
				"typed_per_filter_config: {"+fl.GetName()+": {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}}, unless its policy is off, in shadow, or defers")
		}
	}
}

// replaces reports whether answers of a virtual host are corsgate's to edit, and how sure
// that is.
func (f *facts) replaces(vh *route.VirtualHost) (level policy.Level, is bool) {
	for _, domain := range vh.GetDomains() {
		if f.policies == nil {
			is = is || !strings.HasPrefix(domain, "*")
			continue
		}
		d := f.policies.Decide(&policy.Request{Method: http.MethodGet, Authority: strings.Replace(domain, "*", label, 1), Path: "/", Origin: stranger})
		is = is || domain != "*" && (d.Answer.Apply == policy.ApplyReplace || d.Answer.Apply == policy.ApplyPublic)
	}
	if f.policies == nil {
		return policy.Note, is
	}
	return policy.Warning, is
}

// hostsWithoutContext reports routes on which corsgate is not told that corsgate.apply
// writes the headers.
func (m *manager) hostsWithoutContext(report report) {
	fl := m.decides()[0]
	for _, s := range m.routeSpots() {
		if s.runs(fl) && !s.headersInMetadata(fl) {
			report(policy.Warning, s.place, "ext_authz sends no context extension \"headers: metadata\"",
				"corsgate hands over the headers where only those that it sets can be written: some of the upstream's stay",
				fl.GetName()+": {\"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, check_settings: {context_extensions: {headers: metadata}}}")
		}
	}
}

// redacted is what Envoy's config dump has for what may be secret, context extensions among
// it.
const redacted = "[redacted]"

// headersInMetadata reports whether corsgate is told that corsgate.apply writes the headers.
func (s spot) headersInMetadata(fl *filter) bool {
	value := s.context(fl)[contract.Headers]
	return value == contract.HeadersInMetadata || value == redacted
}

// context returns the context extensions that ext_authz sends: those of all places, by key.
func (s spot) context(fl *filter) map[string]string {
	all := map[string]string{}
	for i := len(s.says) - 1; i >= 0; i-- {
		if c, ok := s.says[i].of(fl.GetName()).(*authz.ExtAuthzPerRoute); ok {
			for key, value := range c.GetCheckSettings().GetContextExtensions() {
				all[key] = value
			}
		}
	}
	return all
}
