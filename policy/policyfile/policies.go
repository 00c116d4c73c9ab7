package policyfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"go.yaml.in/yaml/v4"
)

// source is one policy as it was read. Nothing changes it afterwards: loads share it.
type source struct {
	*where
	spec policy.Spec // without its origins
	// origins are the entries of allowOrigins as they are written. There are none if
	// they are no longer needed, since there may be millions.
	origins []originEntry
	grouped bool // one of them is a group
	unread  bool // something in it could not be read
}

// judged is a policy in one load, with the groups that it has there.
type judged struct {
	*source
	// groups are what its entries stand for, nil if that is themselves, and starts the
	// indexes of their first origins in the spec. There are none if no entry is a group.
	groups  []*group
	starts  []int
	count   int  // of its origins
	regexes int  // size of its regexes; 0 if it is not known yet
	broken  bool // something in it, or in its groups, could not be read
	told    bool // there was something to say of it, now or before
	memo    *policy.Memo
}

// again returns what p is at first in another load, which may have other groups.
func (p *judged) again() *judged {
	next := *p
	return &next
}

// forgetOrigins is for a policy of which nobody asks where its origins are.
func (p *judged) forgetOrigins() {
	if len(p.origins) == 0 {
		return
	}
	without := *p.source
	without.origins = nil
	p.source = &without
}

// where has the places of what a policy was read from.
type where struct {
	file   string
	index  int // in the file's list of policies
	at     pos
	places []place
}

// originEntry is an entry of allowOrigins.
type originEntry struct {
	text string
	at   pos
}

// field returns the path of the policy in the file.
func (p *where) field() string { return item("policies", p.index) }

// place is the place of a field, and of its entries if it is a list.
type place struct {
	field string // path in the policy
	at    pos
	items []pos
}

// enter enters the place of a field: its value, or its name if the value is
// more than a word. A list that many aliases name has its places once.
func (d *document) enter(p *source, field string, key, value *yaml.Node) {
	if p == nil {
		return
	}
	at := place{field: field, at: posOf(key)}
	if value.Kind == yaml.ScalarNode || value.Kind == yaml.AliasNode {
		at.at = posOf(value)
	}
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	if value.Kind == yaml.SequenceNode && field != originsField { // those have their own
		at.items = d.itemsOf(value)
	}
	p.places = append(p.places, at)
}

// itemsOf returns the places of a list's entries, to be read only.
func (d *document) itemsOf(list *yaml.Node) []pos {
	if items, known := d.items[list]; known {
		return items
	}
	items := make([]pos, len(list.Content))
	for i, n := range list.Content {
		items[i] = posOf(n)
	}
	if list.Anchor == "" {
		return items // nothing else names it
	}
	if d.items == nil {
		d.items = map[*yaml.Node][]pos{}
	}
	d.items[list] = items
	return items
}

func (d *document) readRoot(root *yaml.Node) {
	known := fields{
		"originGroups": d.readGroups,
		"policies": func(field string, n *yaml.Node) {
			d.readEach(n, field, func(i int, n *yaml.Node) { d.readPolicy(n, i) })
		},
	}
	d.readMapping(root, "", nil, known)
	for i := 0; i < len(root.Content); i += 2 {
		if known[root.Content[i].Value] == nil {
			d.l.partial = true // it may have been meant for either list
		}
	}
}

func (d *document) readPolicy(n *yaml.Node, i int) {
	p := &source{where: &where{file: d.file, index: i, at: posOf(n)}}
	before := d.errors
	s := &p.spec
	d.readMapping(n, "", p, fields{
		"name":                readText(d, &s.Name),
		"hosts":               readTexts(d, &s.Hosts),
		"paths":               readTexts(d, &s.Paths),
		"cors":                func(field string, n *yaml.Node) { d.readCORS(n, field, p) },
		"mode":                readText(d, &s.Mode),
		"upstreamHeaders":     readText(d, &s.UpstreamHeaders),
		"unmatchedPreflights": readText(d, &s.UnmatchedPreflights),
		"deniedRequests":      readText(d, &s.DeniedRequests),
		"preflightStatus":     d.readInt(&s.PreflightStatus),
		"preflightLists":      readText(d, &s.PreflightLists),
		"allowPrivateNetwork": d.readBool(&s.AllowPrivateNetwork),
		"debug":               d.readBool(&s.Debug),
		"dangerously":         readTexts(d, &s.Dangerously),
	})
	if len(p.places) == 0 && d.errors == before {
		d.fail(n, "yaml-type", p.field(), "", "there is no field, and a policy is meant", `write its fields, as "name: api"`)
	}
	p.unread = d.errors > before
	p.grouped = slices.ContainsFunc(p.origins, func(e originEntry) bool { return strings.HasPrefix(e.text, groupPrefix) })
	d.l.keep(&judged{source: p, count: len(p.origins)})
}

// keep keeps p to be judged, unless nothing that could be said of it would be
// shown.
func (l *loader) keep(p *judged) {
	switch {
	case len(p.places) == 0:
		l.left = true
	case !l.found.wants(spot{p.file, p.at}):
		l.left, l.found.more = true, true
	default:
		l.policies = append(l.policies, p)
	}
}

func (d *document) readCORS(n *yaml.Node, field string, p *source) {
	c := &p.spec.CORS
	d.readMapping(n, field, p, fields{
		"allowOrigins":       func(field string, n *yaml.Node) { p.origins = d.readOrigins(n, field) },
		"allowOriginRegexes": readTexts(d, &c.AllowOriginRegexes),
		"allowMethods":       readTexts(d, &c.AllowMethods),
		"allowHeaders":       readTexts(d, &c.AllowHeaders),
		"exposeHeaders":      readTexts(d, &c.ExposeHeaders),
		"allowCredentials":   d.readBool(&c.AllowCredentials),
		"maxAge":             d.readSeconds(&c.MaxAge),
	})
}

// readOrigins reads allowOrigins or the members of a group. The word null is
// an origin there and needs no quotes.
func (d *document) readOrigins(n *yaml.Node, field string) []originEntry {
	var list []originEntry
	d.readEach(n, field, func(i int, n *yaml.Node) {
		e := originEntry{at: posOf(n)}
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && n.Value == "null" {
			e.text = n.Value
		} else {
			e.text, _ = d.readText(n, item(field, i))
		}
		list = append(list, e)
	})
	return list
}

// locate returns the place of a field of p's spec, its path in the file, and
// the group that it belongs to, if any.
func (p *judged) locate(field string) (at spot, path string, g *group) {
	if list, index := cutIndex(field); list == originsField && index >= 0 {
		return p.locateOrigin(list, index)
	}
	at, path = p.where.locate(field)
	return at, path, nil
}

// locate returns the place of a field, which is not an origin, and its path in the file.
func (p *where) locate(field string) (at spot, path string) {
	list, index := cutIndex(field)
	path = field
	if path != "" {
		path = "." + path
	}
	return spot{p.file, p.find(list, index)}, p.field() + path
}

// find returns the place of a field, or of the next one above it that is
// written.
func (p *where) find(field string, index int) pos {
	for field != "" {
		if i := slices.IndexFunc(p.places, func(at place) bool { return at.field == field }); i >= 0 {
			at := p.places[i]
			if index >= 0 && index < len(at.items) {
				return at.items[index]
			}
			return at.at
		}
		field, index = field[:max(0, strings.LastIndexByte(field, '.'))], -1
	}
	return p.at
}

// locateOrigin returns the place of the spec's origin at index.
func (p *judged) locateOrigin(list string, index int) (spot, string, *group) {
	i := p.entryOf(index)
	if p.groups == nil || p.groups[i] == nil {
		return spot{p.file, p.origins[i].at}, p.field() + "." + item(list, i), nil
	}
	g, member := p.groups[i], index-p.starts[i]
	return spot{g.file, g.at(member)}, item("originGroups."+g.name, member), g
}

// cutIndex cuts "list[3]"; index is -1 if field has none.
func cutIndex(field string) (list string, index int) {
	list, rest, found := strings.Cut(field, "[")
	if !found {
		return field, -1
	}
	index, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil {
		return field, -1
	}
	return list, index
}
