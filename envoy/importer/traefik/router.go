package traefik

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// router is what sends requests through middlewares.
type router struct {
	name        string
	place       source.Place
	rule        source.Text
	priority    int
	middlewares []string
	entryPoints []string // none: the default ones
	tls         bool
	parents     []source.Text // routers that come before it
	provider    provider
	ingress     *kubernetes.Ingress
	bare        bool // Traefik perhaps does not serve it
	oneLabel    bool // its host is a star for one label (buildHostRule of the provider of Ingresses)
}

// rank is the priority: the length of the rule, if none is set.
func (rt *router) rank(text string) {
	rt.priority = len(rt.rule.Text)
	if _, err := fmt.Sscan(text, &rt.priority); err != nil || rt.priority == 0 {
		rt.priority = len(rt.rule.Text)
	}
}

// answer is what a router does about CORS.
type answer struct {
	acting    *middleware // nil: nothing
	redirects bool        // requests in plain text, to HTTPS
	guessed   string      // the middleware that redirects, if that is known by its name alone
	cors      *source.CORS
	findings  []source.Finding
}

// answer finds out what the middlewares of a router, and those of its entry points, do.
func (r *reader) answer(place source.Place, names []string, own provider) (a answer) {
	var told []source.Finding
	for _, s := range r.steps(names, own) {
		a.redirects = a.redirects || s.redirects
		if s.isMissing && redirecting.MatchString(s.name) {
			a.guessed = s.name
		}
		told = append(told, s.tell(place)...)
		switch {
		case s.with == nil, s.with == a.acting:
		case a.acting == nil:
			a.acting = s.with
			a.cors, a.findings = s.with.cors()
		default:
			a.findings = append(a.findings, source.Finding{
				Fidelity: source.Decide, Place: place, Field: "middlewares", Value: s.with.name,
				Message: "the router has several middlewares with CORS: the policy has what the first one, " + a.acting.name + ", says",
			})
		}
	}
	a.findings = append(a.findings, told...)
	return a
}

// lane is one of the alternatives of a router's rule.
type lane struct {
	*router
	answer
	alternative
	entrance
	reach []fields.Reach
	told  bool // of another lane
}

// entrance is where a router takes requests: at some entry points, with or without TLS. A nil
// list is all of them.
type entrance struct {
	entryPoints []string
	tls         bool
}

// within reports whether all that e takes is where the other takes requests, too.
func (e entrance) within(other entrance) bool {
	if e.tls != other.tls && (e.entryPoints == nil || other.entryPoints == nil) {
		return false
	}
	return other.entryPoints == nil || e.entryPoints != nil && !slices.ContainsFunc(e.entryPoints, func(name string) bool { return !slices.Contains(other.entryPoints, name) })
}

// apart reports whether no request comes to both.
func (e entrance) apart(other entrance) bool {
	if e.entryPoints == nil || other.entryPoints == nil {
		return e.tls != other.tls
	}
	return !slices.ContainsFunc(e.entryPoints, func(name string) bool { return slices.Contains(other.entryPoints, name) })
}

// besides says where e takes requests and the other does not.
func (e entrance) besides(other entrance) string {
	left := slices.DeleteFunc(slices.Clone(e.entryPoints), func(name string) bool { return slices.Contains(other.entryPoints, name) })
	switch {
	case len(left) > 0:
		return "at the entry point " + strings.Join(left, ", ")
	case e.tls != other.tls && e.tls:
		return "with TLS"
	case e.tls != other.tls:
		return "without TLS"
	}
	return "at other entry points"
}

// entranceOf returns where a router takes requests. nowhere says that all its entry points
// redirect.
func (r *reader) entranceOf(rt *router) (e entrance, nowhere bool) {
	e = entrance{rt.entryPoints, rt.tls}
	if e.entryPoints == nil {
		e.entryPoints = r.entryPoints.byDefault()
	}
	if e.entryPoints == nil {
		return e, false
	}
	e.entryPoints = slices.DeleteFunc(slices.Clone(e.entryPoints), func(name string) bool { return r.entryPoints[name].redirects })
	return e, len(e.entryPoints) == 0
}

// route makes routes of the routers: of those that match, Traefik takes the one with the
// highest priority.
func (r *reader) route() {
	slices.SortStableFunc(r.routers, func(a, b *router) int { return cmp.Compare(b.priority, a.priority) })
	var lanes []*lane
	for _, rt := range r.routers {
		a := r.answer(rt.place, r.namesOf(rt), rt.provider)
		if a.cors != nil && rt.oneLabel {
			a.findings = append(a.findings, source.Finding{
				Fidelity: source.Widened, Place: rt.rule.Place, Field: "host", Value: rt.rule.Text,
				Message: "in Traefik the star of an Ingress is one label, and a host with more is not found; the policy covers it, too",
				Hint:    "write a policy with mode: off for such hosts if there are any",
			})
		}
		entrance, nowhere := r.entranceOf(rt)
		switch route := (source.Route{Name: rt.name, Place: rt.place, CORS: a.cors, Findings: a.findings}); {
		case nowhere:
			r.tell(source.Dropped, rt.rule, "entryPoints", "each of its entry points redirects all requests, so this does nothing", "")
		case rt.rule.Text == "":
			r.withoutRule(rt, route)
		default:
			route.Conditions = rt.parents
			for _, alternative := range routesOf(route, rt.rule) {
				lanes = append(lanes, &lane{rt, a, alternative, entrance, fields.ReachOf(alternative.route.Paths), false})
			}
		}
	}
	var before *lane
	for _, l := range acrossHosts(compare(lanes)) {
		r.ruled[l.place] = true
		if before != nil && before.joins(l) {
			r.config.Routes[len(r.config.Routes)-1] = before.route
			continue
		}
		r.config.Routes = append(r.config.Routes, l.route)
		before = l
	}
}

// namesOf returns the middlewares of a router, outermost first.
func (r *reader) namesOf(rt *router) []string {
	if rt.bare {
		return nil
	}
	return append(r.entryPoints.middlewares(rt.entryPoints), rt.middlewares...)
}

// joins adds the hosts or the paths of the next lane if it is of the same Ingress.
func (l *lane) joins(next *lane) bool {
	return l.ingress != nil && l.ingress == next.ingress && slices.Equal(l.route.Findings, next.route.Findings) && join(&l.route, next.route)
}

// parents returns the conditions that are the routers before one.
func parents(list tree.Node) (all []source.Text) {
	for _, n := range list.Entries() {
		all = append(all, source.Text{Place: n.Place(), Text: "the router " + cmp.Or(n.String(), n.Field("name").String()) + " before it"})
	}
	return all
}

// withoutRule adds a router of which the input does not say what it is for.
func (r *reader) withoutRule(rt *router, route source.Route) {
	if route.CORS == nil && len(route.Findings) == 0 {
		return
	}
	what := "a rule"
	if rt.provider == ofLabels {
		what = "a rule, which Traefik makes of the container's name,"
	}
	r.nameless++
	fields.Somewhere(&route, what, true, min(r.nameless, len(r.routers)-1))
	r.config.Routes = append(r.config.Routes, route)
}

// differs reports whether two lanes answer otherwise.
func (l *lane) differs(other *lane) bool {
	return (l.cors == nil) != (other.cors == nil) || l.cors != nil && l.acting != other.acting
}

// compare tells where lanes differ by their entry points alone, of which policies know nothing,
// or not even by these. There, what has no CORS goes before what has.
func compare(lanes []*lane) []*lane {
	lanes = slices.DeleteFunc(slices.Clone(lanes), func(l *lane) bool { return l.redirectsTo(lanes) })
	for i, l := range lanes {
		for k, other := range lanes {
			if l.route.CORS != nil && l.router != other.router && l.differs(other) && overlap(l, other) {
				l.meet(other, k < i)
			}
		}
	}
	return lanes
}

// redirectsTo reports whether a lane redirects what another one, which has CORS, takes with TLS
// or at another entry point. What there is to tell of it is told of that one.
func (l *lane) redirectsTo(lanes []*lane) bool {
	if l.cors != nil || !l.redirects && l.guessed == "" {
		return false
	}
	k := slices.IndexFunc(lanes, func(other *lane) bool { return other.cors != nil && l.apart(other.entrance) && overlap(l, other) })
	if k < 0 {
		return false
	}
	to := &lanes[k].route
	to.Findings = append(slices.Clone(to.Findings), l.route.Findings...)
	if !l.redirects {
		to.Findings = append(to.Findings, source.Finding{
			Fidelity: source.Decide, Place: l.place, Field: "middlewares", Value: l.guessed,
			Message: "this middleware is not in the input: by its name, it is taken to redirect all requests of the router " + l.router.name + " to HTTPS", Hint: "import it together with the router",
		})
	}
	return true
}

// What to do about two lanes that take the same requests.
const (
	unequal = "give one of them a higher priority, and import again"
	forBoth = "if pages may read the answers to both, write a policy for these requests"
)

// meet tells what comes of another lane that takes some of the same requests and answers
// otherwise.
func (l *lane) meet(other *lane, otherFirst bool) {
	tie := l.priority == other.priority && !l.apart(other.entrance)
	switch {
	case tie && other.cors == nil:
		l.off(other, "has the same priority, and no CORS: Traefik may choose either of them, so the CORS of this is left out", unequal)
	case tie:
		l.tell(other, "has the same priority, and other CORS: Traefik may choose either of them", unequal)
	case other.cors == nil && l.apart(other.entrance) && (!otherFirst || other.covers(l)):
		l.off(other, "takes requests like these "+other.besides(l.entrance)+", and has no CORS: a policy is for all entry points, so the CORS of this is left out", forBoth)
	case otherFirst && l.within(other.entrance):
	case otherFirst && other.cors == nil:
		l.tell(other, "goes before this "+other.besides(l.entrance)+", and has no CORS: a policy is for all entry points, so requests that both take get no CORS headers", forBoth)
	case otherFirst:
		// The other lane tells.
	case other.within(l.entrance):
	default:
		l.tell(other, "takes requests like these "+other.besides(l.entrance)+", without this CORS: a policy is for all entry points, so they get it, too", "")
	}
}

// covers reports whether a lane takes all that another one does, but for the entry points.
func (l *lane) covers(other *lane) bool {
	outside := func(host string) bool { return !slices.Contains(l.route.Hosts, host) && !l.isWide(host) }
	hasPath := func(p source.Path) bool {
		return slices.ContainsFunc(l.route.Paths, func(own source.Path) bool { return own.Text.Text == p.Text.Text && own.Kind == p.Kind })
	}
	return len(l.route.Conditions) == 0 && (len(l.route.Hosts) == 0 || len(other.route.Hosts) > 0 && !slices.ContainsFunc(other.route.Hosts, outside)) &&
		(len(l.route.Paths) == 0 || len(other.route.Paths) > 0 && !slices.ContainsFunc(other.route.Paths, func(p source.Path) bool { return !hasPath(p) }))
}

// tell tells of the first of others.
func (l *lane) tell(other *lane, message, hint string) {
	if l.told {
		return
	}
	l.told = true
	l.route.Findings = append(slices.Clone(l.route.Findings), source.Finding{
		Fidelity: source.Decide, Place: l.place, Field: "entryPoints", Value: strings.Join(l.router.entryPoints, ", "),
		Message: "the router " + other.router.name + " at " + other.place.String() + " " + message, Hint: hint,
	})
}

// off switches CORS off.
func (l *lane) off(other *lane, message, hint string) {
	l.route.CORS, l.told = nil, false
	l.tell(other, message, hint)
}

// overlap reports whether two lanes may match the same request.
func overlap(a, b *lane) bool {
	return a.meetsHosts(b) && b.meetsHosts(a) && fields.PathsMeet(a.reach, b.reach)
}

// meetsHosts reports whether a lane may be for a host of another one.
func (l *lane) meetsHosts(other *lane) bool {
	return len(other.route.Hosts) == 0 || slices.ContainsFunc(other.route.Hosts, func(host string) bool {
		known := fields.HostsMeet(l.route.Hosts, []string{host})
		return known && (strings.HasPrefix(host, "*") || l.matchesExprs(host))
	})
}

func (l *lane) matchesExprs(host string) bool {
	return !slices.ContainsFunc(l.hostExprs, func(e hostExpr) bool { return !e.MatchString(host) })
}

// acrossHosts adds lanes for several hosts to those hosts that others behind them list.
func acrossHosts(lanes []*lane) (all []*lane) {
	var hosts [][]string
	for _, l := range lanes {
		hosts = append(hosts, l.route.Hosts)
	}
	added := fields.AcrossHosts(hosts,
		func(i int, host string, own []int) bool { return i < own[len(own)-1] && lanes[i].isWide(host) },
		func(i, k int) bool { return k > i && lanes[i].takesFrom(lanes[k]) })
	for i, l := range lanes {
		all = append(all, l)
		if added[i] != nil {
			more := *l
			more.route.Hosts, more.route.Findings = added[i], nil
			more.route.Conditions = l.route.Conditions[:len(l.route.Conditions)-len(l.hostExprs)]
			all = append(all, &more)
		}
	}
	return all
}

// isWide reports whether a lane is for a host and for more.
func (l *lane) isWide(host string) bool {
	return fields.IsWider(l.route.Hosts, host) && l.matchesExprs(host)
}

// takesFrom reports whether a lane takes requests from one behind it, and answers otherwise.
func (l *lane) takesFrom(other *lane) bool {
	return l.differs(other) && fields.PathsMeet(l.reach, other.reach)
}
