package policyfile

import (
	"bytes"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/internal/near"
	"go.yaml.in/yaml/v4"
)

// groupPrefix begins an entry of allowOrigins that stands for a group.
const groupPrefix = "group:"

// group is a named list of origins.
type group struct {
	name     string
	declared spot
	file     string // the members' file, as it is shown
	members  []string
	places   []pos // of members
	used     bool
	broken   bool // something in it could not be read
	listed   bool // another group has the members of the same file
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
	field = clip(field) // the field of each member begins with it
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
		d.failType(n, field, "a list of origins or a file", d.listHint(field, n, `write ["https://app.example.com"] or {file: origins.txt}`))
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
	if first := d.l.listed[clean]; first != nil {
		d.shareMembers(g, first)
		return
	}
	d.l.listed[clean] = g
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
	if count, _ := measure(data); count > d.l.limits.origins {
		d.fail(n, "too-many-origins", field, name, fmt.Sprintf("the file has more than %d origins", d.l.limits.origins), sharePatterns)
		return
	}
	d.readLines(g, data)
	d.checkEnd(g, data)
}

// shareMembers gives g the members of the first group that names the same
// file.
func (d *document) shareMembers(g, first *group) {
	g.members, g.places, g.listed = first.members, first.places, true
	if first.broken {
		d.errors++
	}
}

// checkEnd warns if the last line has no end: if the file was cut off there,
// what is left may be another site's origin.
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

// readLines reads one origin a line. The origins share the memory of one text,
// so each of a million costs three words, and the text between them nothing.
func (d *document) readLines(g *group, data []byte) {
	count, size := measure(data)
	g.members, g.places = make([]string, 0, count), make([]pos, 0, count)
	var text strings.Builder
	text.Grow(size)
	for at, line := range originLines(data) {
		start := text.Len()
		text.Write(line)
		origin := text.String()[start:]
		if strings.HasPrefix(origin, groupPrefix) {
			d.errors++
			d.l.found.breaks(spot{g.file, at})
			d.l.add(g.file, at, Diagnostic{Code: "group-nested", Value: origin, Reason: "a group has no groups", Hint: "write out its origins"})
		}
		g.add(origin, at)
	}
}

// measure returns the number of origins in a group file, and their size in
// bytes.
func measure(data []byte) (count, size int) {
	for _, origin := range originLines(data) {
		count++
		size += len(origin)
	}
	return count, size
}

// originLines returns the origins of a group file with their places.
func originLines(data []byte) iter.Seq2[pos, []byte] {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return func(yield func(pos, []byte) bool) {
		n := int32(0)
		for line := range bytes.Lines(data) {
			n++
			origin := bytes.TrimSpace(cutComment(line))
			if at := bytes.Index(line, origin); len(origin) > 0 && !yield(pos{n, int32(at) + 1}, origin) {
				return
			}
		}
	}
}

// cutComment drops a "#" at the beginning or after white space, and what
// follows.
func cutComment(line []byte) []byte {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

const sharePatterns = `let policies share patterns, such as "https://*.example.com"`

// specs returns the policies' specs with their groups' members in place.
func (l *loader) specs() []policy.Spec {
	specs := make([]policy.Spec, len(l.policies))
	total, room := 0, l.limits.regexes
	for i, p := range l.policies {
		origins := l.findGroups(p)
		total += origins
		if total > l.limits.origins {
			l.refuse(p, "too-many-origins", fmt.Sprintf("with this policy there are more than %d origins", l.limits.origins))
			return nil
		}
		for _, expr := range p.spec.CORS.AllowOriginRegexes {
			if room -= regexSize(expr, room); room < 0 {
				l.refuse(p, "regexes-too-big", fmt.Sprintf("with this policy the regexes have more than %d characters, each repetition written out", l.limits.regexes))
				return nil
			}
		}
		p.expand(origins)
		specs[i] = p.spec
	}
	return specs
}

// refuse reports that p exceeds a bound.
func (l *loader) refuse(p *source, code, reason string) {
	l.add(p.file, p.at, Diagnostic{Code: code, Field: p.field(), Value: p.spec.Name, Reason: reason, Hint: sharePatterns})
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

// unknownGroup is silent if the group may be in a file that cannot be read.
func (l *loader) unknownGroup(p *source, i int, name string) {
	if l.partial {
		return
	}
	at, hint := p.origins[i].at, ""
	if l.found.wants(spot{p.file, at}) && l.unknown < l.limits.findings {
		l.unknown++
		hint = l.groupHint(name)
	}
	if parts := policy.SplitList(name); len(parts) > 1 {
		l.add(p.file, at, Diagnostic{
			Code: "origin-list", Field: p.field() + "." + item(originsField, i), Value: groupPrefix + name,
			Reason: "an entry is one origin or one group", Hint: policy.OriginsApart(groupPrefix + name),
		})
		return
	}
	l.add(p.file, at, Diagnostic{
		Code: "group-unknown", Field: p.field() + "." + item("cors.allowOrigins", i), Value: groupPrefix + name,
		Reason: "there is no such group", Hint: hint,
	})
}

// maxKnown is how many known names are looked at to propose one.
const maxKnown = 1000

// groupHint proposes a group for name, but never one whose own name is
// refused.
func (l *loader) groupHint(name string) string {
	names := make([]string, min(len(l.named), maxKnown))
	for i := range names {
		names[i] = l.named[i].name
	}
	slices.Sort(names)
	meant := near.Nearest(name, names)
	names = slices.DeleteFunc(names, func(name string) bool { return !policy.IsName(name) })
	if meant != "" && !policy.IsName(meant) || len(names) == 0 && len(l.named) > 0 {
		return "rename the group that is meant, and write its new name"
	}
	return near.DidYouMean(name, names, groupPrefix)
}

// expand fills in the spec's origins; their number is known.
func (p *source) expand(origins int) {
	if origins > 0 {
		p.spec.CORS.AllowOrigins = make([]string, 0, origins)
	}
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

// checkUnused warns about groups that no policy names, and about empty groups.
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
