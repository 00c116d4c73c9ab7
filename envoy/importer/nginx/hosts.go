package nginx

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// hostsOf returns the names of a server that policies can have, "" for every host. A name that
// is no host's, as "_", stands for every host only if the server is the default of an address.
func (l listening) hostsOf(d *directive) (names []string, told []source.Finding) {
	tell := func(at *directive, fidelity source.Fidelity, value, message, hint string) {
		told = append(told, source.Finding{Fidelity: fidelity, Place: at.Place, Field: at.name, Value: value, Message: message, Hint: hint})
	}
	other := l.otherDefault(d)
	every := other == nil && len(all(d.block, "server_name")) == 0 || isDefault(d)
	if other != nil && len(all(d.block, "server_name")) == 0 {
		tell(d, source.Dropped, "", noHost(other), "")
	}
	for _, at := range all(d.block, "server_name") {
		for _, name := range at.args {
			lower := strings.ToLower(name)
			isNone := lower == "_" || lower == "" || lower == "*"
			every = every || isNone && other == nil
			message, hint := unfit(lower)
			switch {
			case isNone && !every:
				tell(at, source.Dropped, name, noHost(other), "")
			case isNone:
			case message != "":
				tell(at, source.Decide, name, message+": this name is left out", hint)
			default:
				names = append(names, lower)
			}
		}
	}
	if every {
		return append(names, ""), nil
	}
	return names, told
}

// unfit says why a name in lower case is no policy's host, or nothing if it may be.
func unfit(name string) (message, hint string) {
	switch {
	case strings.HasPrefix(name, "~"):
		message = "a policy's hosts are names, not regexes"
	case strings.HasSuffix(name, ".*"):
		message = "a policy's hosts have no star at the end"
	case strings.Contains(name, "$"):
		message, hint = "nginx takes this for a name as it is written", "if it is a template, fill it in first, as in 'envsubst < FILE | corsgate import -'"
	case strings.Contains(name, "/"):
		message = "this is not a host's name"
	case !isHostname(name):
		message = "nginx does not start with this: a star is the first part of a name, or its last one"
	}
	return message, hint
}

func noHost(other *directive) string {
	return "no request comes here by this: nginx answers those for any other host with the server at " + other.Place.String() + ", the default of the address"
}

// listening are the servers of each address, in their order.
type listening map[string][]*directive

func listen(servers []*directive) listening {
	l := listening{}
	for _, d := range servers {
		for _, address := range addressesOf(d) {
			l[address] = append(l[address], d)
		}
	}
	return l
}

// byDefault is the server that answers for every other host on an address.
func (l listening) byDefault(address string) *directive {
	servers := l[address]
	return servers[max(slices.IndexFunc(servers, isDefault), 0)]
}

// otherDefault is the default of the server's addresses, nil if it is that itself on one of them.
func (l listening) otherDefault(d *directive) (other *directive) {
	for _, address := range addressesOf(d) {
		if other = l.byDefault(address); other == d {
			return nil
		}
	}
	return other
}

// isDefault reports whether a server is marked as one that answers for every other host.
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
		if port, cut := strings.CutPrefix(address, "0.0.0.0:"); cut {
			address = "*:" + port
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
func (r *reader) share(servers []*server, l listening) {
	r.ignore(servers, l)
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
			if owner == owners[""] && l.otherDefault(s.directive) == nil && owner.allows() && s.isLost(owner) {
				r.tellLost(s, owner, "")
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
	case s.open() != "" && s.open() != owner.open():
		return true
	}
	return owner.allows() && s.answers() != owner.answers()
}

// ignore takes names away that are taken already on each of a server's addresses ("conflicting
// server name").
func (r *reader) ignore(servers []*server, l listening) {
	t := taken{}
	for _, s := range servers {
		var heard []string
		for _, name := range s.names {
			by := t.claim(s, name, l)
			if by == nil {
				heard = append(heard, name)
				continue
			}
			has := " has it"
			if strings.HasPrefix(name, ".") {
				has = " has a part of it"
			}
			r.findings.add(source.Finding{
				Fidelity: source.Dropped, Place: s.Place, Field: "server_name", Value: name,
				Message: "nginx ignores this name, since the server at " + by.Place.String() + has + " on the same address: conflicting server name",
			})
		}
		s.names = heard
		s.expand()
	}
}

// taken are the servers that have a name on an address.
type taken map[[2]string]*server // :: address and name

// claim takes a name on the addresses of a server. If none of them is left, it returns who has it.
func (t taken) claim(s *server, name string, l listening) (by *server) {
	isFree := name == "" // it is the default's
	for _, address := range s.addresses {
		// A server that is alone on its address gets every request.
		if owner := t.claimAt(address, s, name); owner == nil || len(l[address]) == 1 {
			isFree = true
		} else {
			by = owner
		}
	}
	if isFree {
		return nil
	}
	return by
}

// claimAt does what ngx_hash_add_key does: ".a" is the name "a" and a star, and if only the star
// is taken, nobody gets the name.
func (t taken) claimAt(address string, s *server, name string) (owner *server) {
	bare := strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	var keys []string
	if !strings.HasPrefix(name, "*.") {
		keys = append(keys, bare)
	}
	if bare != name {
		keys = append(keys, "*."+bare)
	}
	for _, key := range keys {
		at := [2]string{address, key}
		if t[at] != nil {
			return t[at]
		}
		t[at] = s
	}
	return nil
}

// expand writes names as policies have them.
func (s *server) expand() {
	var names []string
	for _, name := range s.names {
		if strings.HasPrefix(name, ".") {
			names = append(names, name[1:])
			name = "*" + name
		}
		names = append(names, name)
	}
	s.names = names
	s.hosts = s.names
	if slices.Contains(s.names, "") {
		s.hosts = nil
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

// open is what about the server is to be decided, wherever it stands.
func (s *server) open() string {
	var all []string
	for _, l := range s.locations {
		for _, f := range l.route.Findings {
			if f.Fidelity == source.Decide {
				all = append(all, l.modifier, l.path, f.Field, f.Value)
			}
		}
	}
	return strings.Join(all, "\x00")
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
	i := slices.IndexFunc(r.routes, func(route source.Route) bool { return route.CORS != nil })
	if i < 0 || !slices.Equal(r.routes[i].Hosts, servers[0].hosts) || len(servers[0].told) > 0 {
		return
	}
	if slices.ContainsFunc(servers, func(s *server) bool { return len(s.hosts) == 0 }) {
		return
	}
	names := all(servers[0].block, "server_name")[0]
	r.routes[i].Findings = append(r.routes[i].Findings, source.Finding{
		Fidelity: source.Narrowed, Place: names.Place, Field: "server_name", Value: strings.Join(names.args, " "),
		Message: "nginx answers requests for any other host with its first server, too; the policy has only this server's names",
	})
}

// settle adds the servers that have nothing about CORS, if a policy for every host or for
// a name with a star would have their requests.
func (r *reader) settle() {
	every, wide := false, false
	for _, route := range r.routes {
		if route.CORS != nil {
			every = every || len(route.Hosts) == 0
			wide = wide || slices.ContainsFunc(route.Hosts, func(h string) bool { return strings.HasPrefix(h, "*") })
		}
	}
	for _, silent := range r.silent {
		if every { // else no policy is for the names that are left out
			r.findings.list = append(r.findings.list, silent.Findings...)
		}
		silent.Findings = nil
		taken := slices.ContainsFunc(r.routes, func(route source.Route) bool { return slices.Equal(route.Hosts, silent.Hosts) })
		if (every || wide) && len(silent.Hosts) > 0 && !taken {
			r.routes = append(r.routes, silent)
		}
	}
}
