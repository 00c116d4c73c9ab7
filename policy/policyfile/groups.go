package policyfile

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"go.yaml.in/yaml/v4"
)

// groupPrefix begins an entry of allowOrigins that stands for a group.
const groupPrefix = "group:"

// group is a named list of origins.
type group struct {
	name     string
	declared spot
	file     string // of its members, as shown
	members  []string
	places   []pos // of members
	used     bool
	broken   bool // something in it could not be read
}

// at returns the place of a member.
func (g *group) at(member int) pos { return g.places[member] }

func (g *group) add(text string, at pos) {
	g.members, g.places = append(g.members, text), append(g.places, at)
}

func (d *document) readGroups(field string, n *yaml.Node) {
	n, ok := d.resolve(n)
	if !ok {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.failType(n, field, "a mapping", `write groups, as "apps: [https://app.example.com]"`)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; d.checkKey(key, field, seen) {
			d.readGroup(key, n.Content[i+1], join(field, key.Value))
		}
	}
}

func (d *document) readGroup(key, value *yaml.Node, field string) {
	g := &group{name: key.Value, declared: spot{d.file, posOf(key)}, file: d.file}
	before := d.errors
	if !policy.IsName(g.name) {
		d.fail(key, "group-name", field, g.name, "a group's name is 1 to 63 of a-z, 0-9 and hyphen, and does not begin with a hyphen", "rename it")
	}
	d.readMembers(g, value, field)
	g.broken = d.errors > before
	if first := d.l.groups[g.name]; first != nil {
		d.fail(key, "group-duplicate", field, g.name,
			fmt.Sprintf("%s:%d has a group of this name", first.declared.file, first.declared.at.line), "give each group a name of its own")
		return
	}
	d.l.groups[g.name] = g
	d.l.named = append(d.l.named, g)
}

// readMembers reads a list of origins, or the file that has them.
func (d *document) readMembers(g *group, value *yaml.Node, field string) {
	n, ok := d.resolve(value)
	if !ok {
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		d.readMapping(n, field, nil, fields{"file": func(field string, n *yaml.Node) {
			if name, ok := d.readText(n, field); ok {
				d.readGroupFile(g, n, field, name)
			}
		}})
		if len(n.Content) == 0 {
			d.failType(n, field, `"file: NAME"`, "write the name of the file")
		}
	case yaml.SequenceNode:
		for i, e := range d.readOrigins(n, field) {
			if strings.HasPrefix(e.text, groupPrefix) {
				d.fail(n.Content[i], "group-nested", item(field, i), e.text, "a group has no groups", "write out its origins")
			}
			g.add(e.text, e.at)
		}
	default:
		d.failType(n, field, "a list of origins or a file", `write ["https://app.example.com"] or {file: origins.txt}`)
	}
}

func (d *document) readGroupFile(g *group, n *yaml.Node, field, name string) {
	clean := path.Clean(name)
	if name == "" || strings.Contains(name, `\`) || !fs.ValidPath(clean) || clean == "." {
		d.fail(n, "group-file-outside", field, name, "a group's file stands in the policy file's folder or below it",
			`write a relative name, such as "tenants.txt"`)
		return
	}
	g.file = d.l.shown(clean)
	data, err := readBounded(d.l.fsys, clean, d.l.limits.groupFile)
	if err != nil {
		code, reason := unreadable(err)
		d.fail(n, code, field, name, reason, "")
		return
	}
	if !d.l.checkText(g.file, data) {
		d.errors++
		return
	}
	d.readLines(g, string(data))
	d.checkEnd(g, data)
}

// checkEnd warns of a last origin whose line has no end: where the file was cut
// off in it, it may well be another site's.
func (d *document) checkEnd(g *group, data []byte) {
	last := len(g.members) - 1
	if last < 0 || !bytes.HasSuffix(data, []byte(g.members[last])) {
		return
	}
	d.l.add(g.file, g.at(last), Diagnostic{
		Level: policy.Warning, Code: "group-no-final-newline", Value: g.members[last],
		Reason: "the file ends in the middle of this line: it may be cut off", Hint: "end the line with a newline",
	})
}

// readLines reads one origin a line. The origins share the memory of text, so
// that a million of them cost no more than two words each.
func (d *document) readLines(g *group, text string) {
	text = strings.TrimPrefix(text, byteOrderMark)
	lines := strings.Count(text, "\n") + 1
	g.members, g.places = make([]string, 0, lines), make([]pos, 0, lines)
	for n := int32(1); text != ""; n++ {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		origin := strings.TrimSpace(cutComment(line))
		if origin == "" {
			continue
		}
		at := pos{n, int32(strings.Index(line, origin)) + 1}
		if strings.HasPrefix(origin, groupPrefix) {
			d.errors++
			d.l.broken[spot{g.file, at}] = true
			d.l.add(g.file, at, Diagnostic{Code: "group-nested", Value: origin, Reason: "a group has no groups", Hint: "write out its origins"})
		}
		g.add(origin, at)
	}
}

// cutComment drops a "#" at the beginning or after white space, and what
// follows.
func cutComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// specs returns the policies' specs with their groups' members in place.
func (l *loader) specs() []policy.Spec {
	specs := make([]policy.Spec, len(l.policies))
	total := 0
	for i, p := range l.policies {
		total += l.findGroups(p)
		if total > l.limits.origins {
			l.add(p.file, p.at, Diagnostic{
				Code: "too-many-origins", Field: p.field, Value: p.spec.Name,
				Reason: fmt.Sprintf("with this policy there are more than %d origins", l.limits.origins), Hint: `let policies share patterns, such as "https://*.example.com"`,
			})
			return nil
		}
		p.expand()
		specs[i] = p.spec
	}
	return specs
}

// findGroups looks up the groups that p names and returns the number of its
// origins.
func (l *loader) findGroups(p *source) (origins int) {
	for i := range p.origins {
		e := &p.origins[i]
		name, isGroup := strings.CutPrefix(e.text, groupPrefix)
		if !isGroup {
			origins++
			continue
		}
		e.group = l.groups[name]
		if e.group == nil {
			e.group = &group{name: name, broken: true}
			l.unknownGroup(p, i, name)
		}
		e.group.used = true
		p.broken = p.broken || e.group.broken
		origins += len(e.group.members)
	}
	return origins
}

// unknownGroup is silent where the group may be in a file that cannot be read.
func (l *loader) unknownGroup(p *source, i int, name string) {
	if l.partial {
		return
	}
	names := make([]string, len(l.named))
	for i, g := range l.named {
		names[i] = g.name
	}
	slices.Sort(names)
	l.add(p.file, p.origins[i].at, Diagnostic{
		Code: "group-unknown", Field: p.field + "." + item("cors.allowOrigins", i), Value: groupPrefix + name,
		Reason: "there is no such group", Hint: didYouMean(name, names),
	})
}

// expand fills the spec's origins.
func (p *source) expand() {
	for i := range p.origins {
		e := &p.origins[i]
		e.start = len(p.spec.CORS.AllowOrigins)
		if e.group == nil {
			p.spec.CORS.AllowOrigins = append(p.spec.CORS.AllowOrigins, e.text)
			continue
		}
		p.spec.CORS.AllowOrigins = append(p.spec.CORS.AllowOrigins, e.group.members...)
	}
}

// entryOf returns the index of the entry that the spec's origin came from.
func (p *source) entryOf(origin int) int {
	i, found := slices.BinarySearchFunc(p.origins, origin, func(e originEntry, at int) int { return e.start - at })
	if !found {
		return i - 1
	}
	// Empty groups share the start of what follows them.
	for i+1 < len(p.origins) && p.origins[i+1].start == origin {
		i++
	}
	return i
}

// checkUnused warns of groups that no policy names and of those that are
// empty.
func (l *loader) checkUnused() {
	unsure := l.partial || l.anyBroken()
	for _, g := range l.named {
		d := Diagnostic{Level: policy.Warning, Field: "originGroups." + g.name, Value: g.name}
		if !g.used && !unsure {
			d.Code, d.Reason, d.Hint = "group-unused", "no policy names the group", "remove it, or write "+groupPrefix+g.name
			l.add(g.declared.file, g.declared.at, d)
			l.checkMembers(g)
		}
		if len(g.members) == 0 && !g.broken {
			d.Code, d.Reason, d.Hint = "group-empty", "the group has no origin", "list some, or remove it"
			l.add(g.declared.file, g.declared.at, d)
		}
	}
}
