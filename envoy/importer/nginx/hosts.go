package nginx

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// hostsOf returns the hosts of a server as policies have them, none for every host, and its
// names, "" for every host.
func hostsOf(d *directive) (hosts, names []string, told []source.Finding) {
	tell := func(at *directive, value, message, hint string) {
		told = append(told, source.Finding{Fidelity: source.Decide, Place: at.Place, Field: at.name, Value: value, Message: message, Hint: hint})
	}
	every := len(all(d.block, "server_name")) == 0 || isDefault(d)
	for _, names := range all(d.block, "server_name") {
		for _, name := range names.args {
			lower := strings.ToLower(name)
			switch {
			case lower == "_" || lower == "" || lower == "*":
				every = true
			case strings.HasPrefix(lower, "~"):
				tell(names, name, "a policy's hosts are names, not regexes: this name is left out", "")
			case strings.HasSuffix(lower, ".*"):
				tell(names, name, "a policy's hosts have no star at the end: this name is left out", "")
			case strings.HasPrefix(lower, "."):
				hosts = append(hosts, lower[1:], "*"+lower)
			case strings.Contains(name, "$"):
				tell(names, name, "nginx takes this for a name as it is written: it is left out", "if it is a template, fill it in first, as in 'envsubst < FILE | corsgate import -'")
			case strings.Contains(name, "/"):
				tell(names, name, "this is not a host's name: it is left out", "")
			default:
				hosts = append(hosts, lower)
			}
		}
	}
	if every {
		return nil, append(slices.Clone(hosts), ""), nil
	}
	return hosts, hosts, told
}

// isDefault reports whether a server answers for every other host.
func isDefault(d *directive) bool {
	return slices.ContainsFunc(all(d.block, "listen"), func(listen *directive) bool {
		return slices.Contains(listen.args, "default_server") || slices.Contains(listen.args, "default")
	})
}

// addressesOf are where a server listens.
func addressesOf(d *directive) (found []string) {
	for _, d := range all(d.block, "listen") {
		address := d.arg(0)
		switch _, port, isV6 := strings.Cut(address, "]"); {
		case strings.Trim(address, "0123456789") == "":
			address = "*:" + address
		case !strings.Contains(address, ":") || isV6 && port == "":
			address += ":80"
		}
		found = append(found, address)
	}
	if found == nil {
		return []string{"*:80"}
	}
	return found
}

// share leaves each name to one server: nginx knows one for an address, and policies know no
// addresses.
func (r *reader) share(servers []*server) {
	r.ignore(servers)
	owners := map[string]*server{}
	for _, s := range servers {
		for _, name := range s.names {
			if owner := owners[name]; owner == nil || s.allows() && !owner.allows() {
				owners[name] = s
			}
		}
	}
	for _, s := range servers {
		for _, owner := range servers {
			lost := s.drop(func(name string) bool { return owner != s && owners[name] == owner })
			if len(lost) > 0 && s.isLost(owner) {
				r.tellLost(s, owner, lost[0])
			}
			if name, covers := s.covers(owner); covers && s.isLost(owner) {
				r.tellLost(s, owner, name)
			}
		}
	}
}

// tellLost tells of a server that is not imported for a name, since the owner is.
func (r *reader) tellLost(s, owner *server, name string) {
	r.findings.add(source.Finding{
		Fidelity: source.Decide, Place: s.Place, Field: "listen", Value: strings.Join(s.addresses, " "),
		Message: "the server at " + owner.Place.String() + " answers for " + cmp.Or(name, "every name") + ", too, on another address, and otherwise: its answers are imported, since policies know no addresses",
		Hint:    "write a policy for each of them if they are behind different listeners",
	})
}

// covers returns a name of the owner that s answers for by a star, on an address of its own.
func (s *server) covers(owner *server) (name string, covers bool) {
	if s == owner || !slices.ContainsFunc(s.addresses, func(a string) bool { return !slices.Contains(owner.addresses, a) }) {
		return "", false
	}
	i := slices.IndexFunc(owner.names, func(name string) bool {
		return slices.ContainsFunc(s.names, func(star string) bool {
			return strings.HasPrefix(star, "*.") && star != name && strings.HasSuffix(name, star[1:])
		})
	})
	if i < 0 {
		return "", false
	}
	return owner.names[i], true
}

// isLost reports whether something about s is lost if the other server is imported in its place.
func (s *server) isLost(owner *server) bool {
	switch {
	case s.isLocal():
		return false
	case s.isOpen() && !owner.isOpen():
		return true
	}
	return owner.allows() && s.answers() != owner.answers()
}

// ignore takes names away that another server has on the same address ("conflicting server
// name").
func (r *reader) ignore(servers []*server) {
	first := map[[2]string]*server{} // :: name and address
	for _, s := range servers {
		lost := s.drop(func(name string) bool {
			heard := false
			for _, address := range s.addresses {
				key := [2]string{name, address}
				if first[key] == nil {
					first[key] = s
				}
				heard = heard || first[key] == s
			}
			return !heard
		})
		for _, name := range lost {
			r.findings.add(source.Finding{
				Fidelity: source.Dropped, Place: s.Place, Field: "server_name", Value: name,
				Message: "nginx ignores this name, since the server at " + first[[2]string{name, s.addresses[0]}].Place.String() + " has it on the same address: conflicting server name",
			})
		}
	}
}

// drop takes names away from a server, and returns them.
func (s *server) drop(which func(name string) bool) (lost []string) {
	s.names = slices.DeleteFunc(s.names, func(name string) bool {
		if !which(name) {
			return false
		}
		lost = append(lost, name)
		return true
	})
	s.hosts = s.names
	if slices.Contains(s.names, "") {
		s.hosts = nil
	}
	return lost
}

// allows reports whether the server allows something.
func (s *server) allows() bool {
	return slices.ContainsFunc(s.locations, func(l *location) bool { return l.route.CORS != nil })
}

// isOpen reports whether something about the server is to be decided.
func (s *server) isOpen() bool {
	return slices.ContainsFunc(s.locations, func(l *location) bool {
		return slices.ContainsFunc(l.route.Findings, func(f source.Finding) bool { return f.Fidelity == source.Decide })
	})
}

// isLocal reports whether the server answers every request by itself, as one that redirects. What
// is below /.well-known/ is for everybody, as what proves to an authority whose the host is.
func (s *server) isLocal() bool {
	return !slices.ContainsFunc(s.locations, func(l *location) bool { return !l.isLocal && !strings.HasPrefix(l.path, "/.well-known/") })
}

// answers is equal for servers that answer alike.
func (s *server) answers() string {
	var all []string
	for _, l := range s.locations {
		all = append(all, l.modifier, l.path, l.key)
	}
	return strings.Join(all, "\x00")
}

// first tells of the server that answers for every other host as well: the first one, if
// none is the default_server.
func (r *reader) first(servers []*server) {
	if len(r.routes) == 0 || !slices.Equal(r.routes[0].Hosts, servers[0].hosts) || len(servers[0].told) > 0 {
		return
	}
	if slices.ContainsFunc(servers, func(s *server) bool { return len(s.hosts) == 0 }) {
		return
	}
	names := all(servers[0].block, "server_name")[0]
	r.routes[0].Findings = append(r.routes[0].Findings, source.Finding{
		Fidelity: source.Narrowed, Place: names.Place, Field: "server_name", Value: strings.Join(names.args, " "),
		Message: "nginx answers requests for any other host with its first server, too; the policy has only this server's names",
	})
}

// settle adds the servers that have nothing about CORS, if a policy for every host or for
// a name with a star would have their requests.
func (r *reader) settle() {
	wide := slices.ContainsFunc(r.routes, func(route source.Route) bool {
		return route.CORS != nil && (len(route.Hosts) == 0 || slices.ContainsFunc(route.Hosts, func(h string) bool { return strings.HasPrefix(h, "*") }))
	})
	if !wide {
		return
	}
	for _, silent := range r.silent {
		taken := slices.ContainsFunc(r.routes, func(route source.Route) bool { return slices.Equal(route.Hosts, silent.Hosts) })
		if len(silent.Hosts) > 0 && !taken {
			r.routes = append(r.routes, silent)
		}
	}
}
