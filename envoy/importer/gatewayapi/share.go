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

// share takes hosts away from routes if other routes answer them at another socket: policies
// know none. The routes of the first socket that allow something keep them.
func share(all []match) (findings []source.Finding) {
	byHost := map[string][]placed{}
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
		first := slices.IndexFunc(byHost[h], placed.allows)
		if first < 0 {
			findings = append(findings, shareOff(h, byHost)...)
			continue
		}
		owner := byHost[h][first].at[0].socket()
		var read []placed
		for _, m := range byHost[h] {
			if m.answers(owner) {
				read = append(read, m)
				continue
			}
			findings = append(findings, m.lose(h)...)
		}
		findings = append(findings, tellWider(h, read, elsewhere(h, byHost))...)
	}
	return findings
}

// tellWider tells of the first route for more hosts that answers a host otherwise than those that
// are read. These may be for more hosts at another listener, too.
func tellWider(host string, read, wide []placed) []source.Finding {
	has := func(list []placed, m placed) bool { return slices.ContainsFunc(list, m.isAlike) }
	alike := !slices.ContainsFunc(read, func(m placed) bool { return !has(wide, m) })
	for _, m := range wide {
		if !m.redirects && !(alike && has(read, m)) {
			return m.otherwise(host)
		}
	}
	return nil
}

// isAlike reports whether both are of the same rule, and answer alike.
func (m placed) isAlike(other placed) bool {
	return m.route.Place == other.route.Place && m.route.CORS == other.route.CORS
}

// answers reports whether all that comes to s comes to m, too.
func (m placed) answers(s socket) bool {
	return slices.ContainsFunc(m.at, func(a Attachment) bool { return s.within(a.socket()) })
}

// lose takes a host away.
func (m *match) lose(host string) []source.Finding {
	m.route.Hosts = slices.DeleteFunc(slices.Clone(m.route.Hosts), func(h string) bool { return h == host })
	m.taken = len(m.route.Hosts) == 0
	return m.otherwise(host)
}

func (m *match) otherwise(host string) []source.Finding {
	if m.redirects {
		return nil
	}
	return []source.Finding{{
		Fidelity: source.Decide, Place: m.route.Place, Field: "hosts", Value: cmp.Or(host, "*"),
		Message: "at another listener or gateway, this answers the host otherwise than the route that is read: policies know neither",
	}}
}

// elsewhere returns the routes for more hosts that answer a host where no route for a closer
// one does.
func elsewhere(host string, byHost map[string][]placed) []placed {
	return fields.Elsewhere(host, fields.Covering(host)[1:], byHost, placed.isAlone)
}

// isAlone reports whether m is at a socket at which none of the others is.
func (m placed) isAlone(others []placed) bool {
	return slices.ContainsFunc(m.at, func(a Attachment) bool {
		return !slices.ContainsFunc(others, func(o placed) bool { return o.answers(a.socket()) })
	})
}

// shareOff is share for a host if its own routes allow nothing. If they all redirect, it is left
// to the routes for more hosts that allow something at another socket.
func shareOff(host string, byHost map[string][]placed) []source.Finding {
	own := byHost[host]
	wide := elsewhere(host, byHost)
	first := slices.IndexFunc(wide, placed.allows)
	if first < 0 {
		return nil
	}
	if slices.ContainsFunc(own, func(m placed) bool { return !m.redirects }) {
		return []source.Finding{{
			Fidelity: source.Differs, Place: wide[first].route.Place, Field: "hosts", Value: cmp.Or(host, "*"),
			Message: "at another listener or gateway, this allows something at the host; the policy is off there, as in its own route: policies know neither",
		}}
	}
	for _, m := range own {
		m.lose(host)
	}
	return nil
}
