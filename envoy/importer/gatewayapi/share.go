package gatewayapi

import (
	"cmp"
	"maps"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// socket is where a gateway takes requests: a port, or a listener if the port is not known.
// Without a listener, it is all of the gateway, and without a gateway, anywhere.
type socket struct{ gateway, listener string }

func (a Attachment) socket() socket {
	s := socket{a.Kind + " " + a.Namespace + "/" + a.Name, cmp.Or(a.Port, a.Section)}
	if a.Listener.Exists() {
		s.listener = a.Listener.Field("port").String()
	}
	if a.Name == "" {
		s.gateway = ""
	}
	return s
}

// within reports whether all that comes to s comes to the other one, too.
func (s socket) within(other socket) bool {
	return other.gateway == "" || other.gateway == s.gateway && (other.listener == "" || other.listener == s.listener)
}

// placed is a match at the listeners at which it answers a host.
type placed struct {
	*match
	at []Attachment
}

// answersAt reports whether all that comes to a socket for a host comes to m, too.
func (m placed) answersAt(s socket, host string) bool {
	return slices.ContainsFunc(m.at, func(a Attachment) bool { return s.within(a.socket()) && !a.closest(host).Exists() })
}

// sharing are the matches that answer a host, by host, in the order of precedence.
type sharing map[string][]placed

// share takes hosts away from routes if other routes answer them at another socket: policies
// know none. The routes of the first socket that allow something keep them.
func share(all []match) (findings []source.Finding) {
	byHost := sharing{}
	var hosts []string
	for i := range all {
		m := &all[i]
		for _, h := range slices.Sorted(maps.Keys(m.at)) {
			if byHost[h] == nil {
				hosts = append(hosts, h)
			}
			byHost[h] = append(byHost[h], placed{m, m.at[h]})
		}
	}
	for _, h := range hosts {
		findings = append(findings, byHost.share(h)...)
	}
	return findings
}

func (s sharing) share(host string) []source.Finding {
	first := slices.IndexFunc(s[host], placed.allows)
	if first < 0 {
		return s.shareOff(host)
	}
	owner := s[host][first].at[0].socket()
	for _, m := range s[host] {
		if !m.answersAt(owner, host) {
			m.lose(host)
		}
	}
	return s.tellOthers(host, owner)
}

// tellOthers tells of routes that are at other sockets, and answer a host otherwise than the
// routes that are read. Of routes for more hosts, it tells of the first.
func (s sharing) tellOthers(host string, owner socket) (findings []source.Finding) {
	read, _ := s.answering(owner, host)
	var wide []placed
	for _, other := range s.sockets(host) {
		list, own := s.answering(other, host)
		others := otherwise(list, read)
		if !own {
			wide = append(wide, others...)
			continue
		}
		for _, m := range others {
			if f := m.differs(host); !slices.Contains(findings, f) {
				findings = append(findings, f)
			}
		}
	}
	if len(wide) > 0 {
		findings = append(findings, wide[0].differs(host))
	}
	return findings
}

// sockets returns those at which a host may be answered.
func (s sharing) sockets(host string) (all []socket) {
	known := map[socket]bool{}
	for _, entry := range fields.Covering(host) {
		for _, m := range s[entry] {
			for _, a := range m.at {
				if at := a.socket(); !known[at] {
					known[at] = true
					all = append(all, at)
				}
			}
		}
	}
	return all
}

// answering returns the matches that answer a host at a socket, and whether it is their own, or they
// are for more hosts.
func (s sharing) answering(at socket, host string) (list []placed, own bool) {
	for _, entry := range fields.Covering(host) {
		for _, m := range s[entry] {
			if m.answersAt(at, host) {
				list = append(list, m)
			}
		}
		if list != nil {
			return list, entry == host
		}
	}
	return nil, false
}

// otherwise returns those of a list that answer otherwise than what is read, or the first of them if
// only the list as a whole does. Redirects beside what is read are no difference.
func otherwise(list, read []placed) []placed {
	forwards := slices.DeleteFunc(slices.Clone(list), func(m placed) bool { return m.redirects })
	if len(forwards) == 0 || alike(list, read) || alike(forwards, read) {
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(forwards), func(m placed) bool { return slices.ContainsFunc(read, m.isAlike) })
	if len(others) == 0 {
		return forwards[:1]
	}
	return others
}

func alike(a, b []placed) bool { return slices.EqualFunc(a, b, placed.isAlike) }

func (m placed) isAlike(other placed) bool { return m.answers() == other.answers() }

// lose takes a host away.
func (m *match) lose(host string) {
	m.route.Hosts = slices.DeleteFunc(slices.Clone(m.route.Hosts), func(h string) bool { return h == host })
	m.taken = len(m.route.Hosts) == 0
}

// differs tells that m answers a host otherwise.
func (m *match) differs(host string) source.Finding {
	return source.Finding{
		Fidelity: source.Decide, Place: m.route.Place, Field: "hosts", Value: cmp.Or(host, "*"),
		Message: "at another listener or gateway, this answers the host otherwise than the route that is read: policies know neither",
	}
}

// shareOff is share for a host if its own routes allow nothing. If they all redirect, it is left
// to the routes for more hosts that allow something at another socket.
func (s sharing) shareOff(host string) []source.Finding {
	wide := s.allowing(host)
	if wide == nil {
		return nil
	}
	if slices.ContainsFunc(s[host], func(m placed) bool { return !m.redirects }) {
		return []source.Finding{{
			Fidelity: source.Differs, Place: wide.route.Place, Field: "hosts", Value: cmp.Or(host, "*"),
			Message: "at another listener or gateway, this allows something at the host; the policy is off there, as in its own route: policies know neither",
		}}
	}
	for _, m := range s[host] {
		m.lose(host)
	}
	return nil
}

// allowing returns the first match for more hosts that allows something at a host, or nil.
func (s sharing) allowing(host string) *match {
	for _, at := range s.sockets(host) {
		list, own := s.answering(at, host)
		if i := slices.IndexFunc(list, placed.allows); i >= 0 && !own {
			return list[i].match
		}
	}
	return nil
}
