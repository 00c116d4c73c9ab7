package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// scope is a host and a path as a policy has them. The host may be "", every host, or
// begin with "*."; the path has no trailing slash, and "/" is every path.
type scope struct{ host, path string }

// chart knows which lane answers where.
type chart struct {
	lanes  []*lane                    // in the order of precedence
	rules  []func([]source.Match) int // of configurations
	byHost map[string]*index
	hosts  []string // of byHost, in order of first use
	owners map[scope]*lane
	order  []scope             // of owners
	paths  map[string][]string // of owners :: host
	aside  []*lane             // with conditions besides host and path

	narrower map[string][]string // see below
}

// newChart returns the lanes of the configurations.
func newChart(configs []source.Config) *chart {
	c := &chart{byHost: map[string]*index{}, owners: map[scope]*lane{}, paths: map[string][]string{}}
	for i := range configs {
		c.rules = append(c.rules, ruleOf(configs[i]))
		for k := range configs[i].Routes {
			l := newLane(i, &configs[i].Routes[k])
			l.rank = len(c.lanes)
			c.lanes = append(c.lanes, l)
			if len(l.route.Conditions) > 0 {
				c.aside = append(c.aside, l)
				continue
			}
			for _, h := range l.hosts {
				c.enter(h, l)
			}
		}
	}
	return c
}

func ruleOf(config source.Config) func([]source.Match) int {
	if config.Choose == nil {
		return source.Longest
	}
	return config.Choose
}

func (c *chart) enter(host string, l *lane) {
	in := c.byHost[host]
	if in == nil {
		in = newIndex()
		c.byHost[host] = in
		c.hosts = append(c.hosts, host)
	}
	in.add(l)
}

// draw finds out which lane answers where.
func (c *chart) draw() {
	for _, h := range c.hosts {
		for _, l := range c.byHost[h].lanes {
			for _, p := range l.paths {
				c.claim(h, p)
			}
		}
	}
	c.claimBeside()
	for _, l := range c.aside {
		c.claimAside(l)
	}
	c.thin()
	for _, s := range c.order {
		l := c.owners[s]
		l.scopes = append(l.scopes, s)
	}
}

// claimBeside claims for each prefix of text what less specific hosts list of it beside its
// segments: "/api" of a host, and "/apis" of every host.
func (c *chart) claimBeside() {
	for _, h := range c.hosts {
		for _, l := range c.byHost[h].lanes {
			for _, p := range l.paths {
				if p.Kind == source.StringPath {
					c.claimTexts(h, p)
				}
			}
		}
	}
}

func (c *chart) claimTexts(host string, p path) {
	segments := strings.TrimRight(p.Text.Text, "/") + "/"
	for _, text := range c.elsewhere(host, p).paths {
		if !strings.HasPrefix(text, segments) {
			c.claim(host, path{Path: source.Path{Text: source.Text{Text: text}}})
		}
	}
}

// claim decides about a host and a path that a lane lists.
func (c *chart) claim(host string, p path) {
	s := scope{host, normalPath(p.Text.Text)}
	if _, known := c.owners[s]; known {
		return
	}
	below := c.winner(host, strings.TrimRight(s.path, "/")+"/\x00")
	owner := c.winner(host, p.Text.Text)
	// All that is below an exact path comes with it, and below "/" that is everything.
	if below != nil && (s.path == "/" || below.listsBelow(s.path)) {
		owner = below
	}
	c.own(s, owner)
}

func (c *chart) own(s scope, owner *lane) {
	c.owners[s] = owner
	c.order = append(c.order, s)
	c.paths[s.host] = append(c.paths[s.host], s.path)
}

// listsBelow reports whether l lists a path that covers what is below it.
func (l *lane) listsBelow(text string) bool {
	return slices.ContainsFunc(l.paths, func(p path) bool { return p.Kind != source.ExactPath && normalPath(p.Text.Text) == text })
}

// at returns the lane that answers, as the systems choose it. If there is none, it returns nil.
func (c *chart) at(host, path string) *lane {
	for _, h := range fields.Covering(host) {
		if l := c.winner(h, path); l != nil {
			return l
		}
	}
	return nil
}

// winner is at among the lanes that list this very host. Within a configuration its own
// rule counts, and between them the longest path.
func (c *chart) winner(host, path string) *lane {
	var best *lane
	bestLength := -1
	for _, of := range byConfig(c.byHost[host].matching(path)) {
		if m := c.choose(of); m.path.Length() > bestLength {
			best, bestLength = m.lane, m.path.Length()
		}
	}
	return best
}

// byConfig returns the matches of one configuration after the other.
func byConfig(matching []match) (all [][]match) {
	for from := 0; from < len(matching); {
		to := from + 1
		for to < len(matching) && matching[to].lane.config == matching[from].lane.config {
			to++
		}
		all = append(all, matching[from:to])
		from = to
	}
	return all
}

// choose returns which of the matches of one configuration the system takes.
func (c *chart) choose(matching []match) match {
	list := make([]source.Match, len(matching))
	for i, m := range matching {
		list[i] = source.Match{Route: m.lane.route, Path: m.path.listed, Length: m.path.Length()}
	}
	return matching[c.rules[matching[0].lane.config](list)]
}

// above returns the scopes that cover s, the closest first, s itself among them.
func above(s scope) []scope {
	var all []scope
	for _, h := range fields.Covering(s.host) {
		path := s.path
		for path != "" && path != "/" {
			all = append(all, scope{h, path})
			path = path[:max(strings.LastIndexByte(path, '/'), 0)]
		}
		all = append(all, scope{h, "/"})
	}
	return all
}

// found returns the lane whose policy corsgate chooses.
func (c *chart) found(s scope) *lane {
	for _, t := range above(s) {
		if l, ok := c.owners[t]; ok {
			return l
		}
	}
	return nil
}

// thin leaves out scopes where the same would hold without them.
func (c *chart) thin() {
	kept := c.order[:0]
	var needless []scope
	for _, s := range c.order {
		if c.isNeedless(s) {
			needless = append(needless, s)
		} else {
			kept = append(kept, s)
		}
	}
	for _, s := range needless {
		delete(c.owners, s)
	}
	c.order = kept
}

// isNeedless reports whether requests of s would be answered alike without its owner, also if a
// policy that only counts, or is off, is switched on.
func (c *chart) isNeedless(s scope) bool {
	own := c.owners[s]
	return !slices.ContainsFunc(c.around(s), func(l *lane) bool {
		return own != l && (own.answer != nil || l != nil && l.answer != nil)
	})
}

// around returns the lanes that would answer requests of s without its owner: the one of
// the closest scope around it, nil if there is none, and those of less specific hosts at
// paths below.
func (c *chart) around(s scope) []*lane {
	lanes := []*lane{nil}
	for _, t := range above(s)[1:] {
		if l, ok := c.owners[t]; ok {
			lanes[0] = l
			break
		}
	}
	for _, h := range fields.Covering(s.host)[1:] {
		for _, path := range c.paths[h] {
			if path != s.path && strings.HasPrefix(path, strings.TrimRight(s.path, "/")+"/") {
				lanes = append(lanes, c.owners[scope{h, path}])
			}
		}
	}
	return lanes
}

// within returns those of scopes where another lane would grant something.
func (c *chart) within(scopes []scope) (all []scope) {
	for _, s := range scopes {
		if slices.ContainsFunc(c.around(s), (*lane).acts) {
			all = append(all, s)
		}
	}
	return all
}

// cover is hosts and paths of one policy; empty lists are every host and every path.
type cover struct{ hosts, paths []string }

// coversOf returns scopes as policies have them. Hosts with the same paths come together.
func coversOf(scopes []scope) (all []cover) {
	paths := map[string][]string{} // :: host
	var hosts []string
	for _, s := range scopes {
		if paths[s.host] == nil {
			hosts = append(hosts, s.host)
		}
		paths[s.host] = append(paths[s.host], s.path)
	}
	at := map[string]int{}
	for _, h := range hosts {
		key := fmt.Sprintf("%t %q", h == "", paths[h])
		i, known := at[key]
		if !known {
			i = len(all)
			at[key] = i
			all = append(all, cover{paths: everyPath(paths[h])})
		}
		if h != "" {
			all[i].hosts = append(all[i].hosts, h)
		}
	}
	return all
}

func everyPath(paths []string) []string {
	if len(paths) == 1 && paths[0] == "/" {
		return nil
	}
	return paths
}

// compare tells where the policies choose another lane than the system.
func (c *chart) compare(l *lane) {
	c.tellLeft(l)
	if slices.Contains(c.aside, l) {
		c.compareAside(l)
		return
	}
	l.reached = len(l.scopes) > 0 || c.isReached(l)
	if !l.reached {
		c.tellUnreached(l)
		return
	}
	for _, h := range l.hosts {
		for _, p := range l.paths {
			for _, q := range append(p.probes(), c.elsewhere(h, p)) {
				_ = slices.ContainsFunc(q.paths, func(text string) bool { return c.comparePath(l, h, p, q.difference, text) })
			}
		}
	}
}

// tellLeft tells of the paths that are left out, and of one policy that decides about them.
func (c *chart) tellLeft(l *lane) {
	for _, p := range l.left {
		start, _, _ := strings.Cut(strings.TrimPrefix(p.Text.Text, "^"), "*")
		message := p.why + "the path is left out"
		for _, h := range l.hosts {
			if is := c.found(scope{h, beginning.FindString(start)}); is.acts() && is != l {
				message += ", and what it matches is decided " + likeOther(is)
				break
			}
		}
		l.tell(source.Decide, p.Text, pathsField, message, p.hint)
	}
}

// beginning finds whole segments without what makes a regex at the beginning of a path.
var beginning = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+)*`)

// isReached reports whether the system ever chooses l.
func (c *chart) isReached(l *lane) bool {
	for _, h := range l.hosts {
		for _, p := range l.paths {
			if slices.ContainsFunc(p.witnesses(), func(path string) bool { return c.at(h, path) == l }) {
				return true
			}
		}
	}
	return false
}

// tellUnreached tells of a lane that answers nowhere, unless another one that grants the
// same does.
func (c *chart) tellUnreached(l *lane) {
	if l.route.CORS == nil {
		return
	}
	if len(l.hosts) == 0 || len(l.paths) == 0 {
		l.tell(source.Decide, source.Text{Place: l.route.Place}, "", "the route is left out, since none of its hosts and paths can be written", "")
		return
	}
	first := c.at(l.hosts[0], l.paths[0].Text.Text)
	switch {
	case first == nil:
	case first.config != l.config:
		l.tell(source.Decide, source.Text{Place: l.route.Place}, "", "another system in the input answers the same requests by "+first.name()+": this is left out",
			"import the systems one at a time, with --from, and keep what is in use")
	default:
		l.tell(source.Dropped, source.Text{Place: l.route.Place}, "", "it is never reached: "+first.name()+" takes its requests", "")
	}
}

// elsewhere returns paths that less specific hosts list, and that p is about, or that a policy
// for it covers.
func (c *chart) elsewhere(host string, p path) (q probe) {
	for _, h := range fields.Covering(host)[1:] {
		for _, text := range c.paths[h] {
			if p.matches(text) || p.Kind == source.ExactPath && strings.HasPrefix(text, strings.TrimRight(p.Text.Text, "/")+"/") {
				q.paths = append(q.paths, text)
			}
		}
	}
	q.difference = asText
	if p.Kind == source.ExactPath {
		q.difference = pathAlone
	}
	return q
}

const widerHint = "write a policy with mode: off for paths like that if the application has any"

// comparePath tells if a policy decides about path otherwise than the system.
func (c *chart) comparePath(l *lane, host string, p path, difference, text string) (told bool) {
	was, is := c.at(host, text), c.found(scope{host, text})
	if was == is || same(was, is) {
		return false
	}
	message := difference + ": "
	switch {
	case !is.acts():
		l.tell(source.Differs, p.listed.Text, pathsField, message+text+" is not covered any longer", "")
	case was == nil:
		l.tell(source.Widened, p.listed.Text, pathsField, message+text+" is covered, too", widerHint)
	case !was.grants():
		l.tell(source.Widened, p.listed.Text, pathsField, message+text+" is decided like "+is.name(), widerHint)
	default:
		l.tell(source.Decide, p.listed.Text, pathsField, message+text+" is decided like "+is.name(), "give the path a policy of its own if there are such requests")
	}
	return true
}
