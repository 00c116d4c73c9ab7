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
	field    string
	from     reference
	file     string // the members' file, as it is shown
	*members
	used   bool
	broken bool // something in it could not be read
	listed bool // another group has the members of the same file
}

// members are the origins of a group.
type members struct {
	texts  []string
	places []pos
	fine   bool // all are known to be without a mistake
}

// at returns the place of a member.
func (m *members) at(member int) pos { return m.places[member] }

func (m *members) add(text string, at pos) {
	m.texts, m.places = append(m.texts, text), append(m.places, at)
}

// reference names a group file.
type reference struct {
	name  string // empty if there is none
	text  string // name as it is written
	field string
	at    pos
}

// list is what a group file says.
type list struct {
	members
	sum    sum  // of its content
	broken bool // it could not be read, or not all of it
	cut    bool // its last line has no end
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
	field = clip(field) // the field of each member begins with it
	g := &group{name: key.Value, declared: spot{d.file, posOf(key)}, field: field, file: d.file, members: &members{}}
	before := d.errors
	if !policy.IsName(g.name) {
		d.fail(key, "group-name", field, g.name, "a group's name is 1 to 63 of a-z, 0-9 and hyphen, and does not begin with a hyphen", "rename it")
	}
	d.readMembers(g, value, field)
	g.broken = d.errors > before
	d.groups = append(d.groups, g)
}

// enter enters a group of a file, which may be remembered, with the members that its
// own file has now.
func (l *loader) enter(declared *group) {
	g := *declared
	if g.from.name != "" {
		l.findMembers(&g)
	}
	if first := l.groups[g.name]; first != nil {
		l.fail(g.declared, Diagnostic{
			Code: "group-duplicate", Field: g.field, Value: g.name,
			Reason: fmt.Sprintf("%s:%d has a group of this name", first.declared.file, first.declared.at.line), Hint: "give each group a name of its own",
		})
		return
	}
	l.groups[g.name] = &g
	l.named = append(l.named, &g)
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
				d.readReference(g, n, field, name)
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

func (d *document) readReference(g *group, n *yaml.Node, field, name string) {
	clean := path.Clean(name)
	if name == "" || strings.Contains(name, `\`) || !fs.ValidPath(clean) || clean == "." {
		d.fail(n, "group-file-outside", field, name, "a group's file stands in the policy file's folder or below it",
			`write a relative name, such as "tenants.txt"`)
		return
	}
	g.from, g.file = reference{name: clean, text: name, field: field, at: posOf(n)}, d.l.shown(clean)
}

// findMembers gives g the members of its file. The first group that names the file has
// its mistakes.
func (l *loader) findMembers(g *group) {
	of := l.listed[g.from.name]
	g.listed = of != nil
	if of == nil {
		of = l.readList(g)
		l.listed[g.from.name] = of
	}
	g.members, g.broken = &of.members, g.broken || of.broken
}

// readList reads the file of g, unless it is remembered.
func (l *loader) readList(g *group) *list {
	of := l.before.lists[g.from.name]
	if of == nil {
		of = &list{}
	}
	data, now, err := l.read(g.from.name, l.limits.groupFile, of.sum)
	if err != nil {
		code, reason := unreadable(err)
		l.failFile(g, code, reason, "")
		return &list{broken: true}
	}
	if now != of.sum {
		had := of.texts
		of = l.parseList(g, data)
		of.sum = now
		if slices.Equal(of.texts, had) {
			of.texts = had // what was compiled of them shares their memory
		}
	}
	l.checkEnd(g, of)
	l.now.lists[g.from.name] = of
	return of
}

// failFile adds an error where g names its file.
func (l *loader) failFile(g *group, code, reason, hint string) {
	l.fail(spot{g.declared.file, g.from.at}, Diagnostic{Code: code, Field: g.from.field, Value: g.from.text, Reason: reason, Hint: hint})
}

// parseList reads the content of the file of g.
func (l *loader) parseList(g *group, data []byte) *list {
	if !l.checkText(g.file, data) {
		return &list{broken: true}
	}
	if count, _ := measure(data); count > l.limits.origins {
		l.failFile(g, "too-many-origins", fmt.Sprintf("the file has more than %d origins", l.limits.origins), sharePatterns)
		return &list{broken: true}
	}
	of := l.readLines(g.file, data)
	last := len(of.texts) - 1
	of.cut = last >= 0 && bytes.HasSuffix(data, []byte(of.texts[last]))
	return of
}

// checkEnd warns if the last line has no end: if the file was cut off there,
// what is left may be another site's origin.
func (l *loader) checkEnd(g *group, of *list) {
	if !of.cut {
		return
	}
	last := len(of.texts) - 1
	l.add(g.file, of.at(last), Diagnostic{
		Level: policy.Warning, Code: "group-no-final-newline", Value: of.texts[last],
		Reason: "the file ends in the middle of this line: it may be cut off", Hint: "end the line with a newline",
	})
}

// readLines reads one origin a line. The origins share the memory of one text,
// so each of a million costs three words, and the text between them nothing.
func (l *loader) readLines(file string, data []byte) *list {
	count, size := measure(data)
	of := &list{members: members{texts: make([]string, 0, count), places: make([]pos, 0, count)}}
	var text strings.Builder
	text.Grow(size)
	for at, line := range originLines(data) {
		start := text.Len()
		text.Write(line)
		origin := text.String()[start:]
		if strings.HasPrefix(origin, groupPrefix) {
			of.broken = true
			l.fail(spot{file, at}, Diagnostic{Code: "group-nested", Value: origin, Reason: "a group has no groups", Hint: "write out its origins"})
		}
		of.add(origin, at)
	}
	return of
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

// memos returns what is known of the policies, with their groups' members in place.
func (l *loader) memos() []*policy.Memo {
	memos := make([]*policy.Memo, len(l.policies))
	origins, room := 0, l.limits.regexes
	for i, p := range l.policies {
		l.findGroups(p)
		if origins += p.count; origins > l.limits.origins {
			l.refuse(p, "too-many-origins", fmt.Sprintf("with this policy there are more than %d origins", l.limits.origins))
			return nil
		}
		if room -= p.regexSize(room); room < 0 {
			l.refuse(p, "regexes-too-big", fmt.Sprintf("with this policy the regexes have more than %d characters, each repetition written out", l.limits.regexes))
			return nil
		}
		if p.memo == nil {
			p.memo = newMemo(p.expand())
		}
		memos[i] = p.memo
	}
	return memos
}

// refuse reports that p exceeds a bound.
func (l *loader) refuse(p *judged, code, reason string) {
	l.add(p.file, p.at, Diagnostic{Code: code, Field: p.field(), Value: p.spec.Name, Reason: reason, Hint: sharePatterns})
}

// findGroups looks up the groups that p names. If their members are not those that p
// was judged with, what is known of it is void.
func (l *loader) findGroups(p *judged) {
	p.broken = p.unread
	if !p.grouped {
		return
	}
	before := p.groups
	p.count, p.groups = 0, make([]*group, len(p.origins))
	for i, e := range p.origins {
		name, isGroup := strings.CutPrefix(e.text, groupPrefix)
		if !isGroup {
			p.count++
			continue
		}
		g := l.groups[name]
		if g == nil {
			g = &group{name: name, broken: true, members: &members{}}
			l.unknownGroup(p, i, name)
		}
		g.used = true
		p.broken = p.broken || g.broken
		p.count += len(g.texts)
		if before == nil || before[i].members != g.members {
			p.memo = nil
		}
		p.groups[i] = g
	}
}

// unknownGroup is silent if the group may be in a file that cannot be read.
func (l *loader) unknownGroup(p *judged, i int, name string) {
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

// expand returns the spec with its origins, and notes where those of each entry begin.
func (p *judged) expand() policy.Spec {
	spec := p.spec
	if p.count > 0 {
		spec.CORS.AllowOrigins = make([]string, 0, p.count)
	}
	if p.grouped {
		p.starts = make([]int, len(p.origins))
	}
	for i, e := range p.origins {
		if p.grouped {
			p.starts[i] = len(spec.CORS.AllowOrigins)
		}
		if !p.grouped || p.groups[i] == nil {
			spec.CORS.AllowOrigins = append(spec.CORS.AllowOrigins, e.text)
			continue
		}
		spec.CORS.AllowOrigins = append(spec.CORS.AllowOrigins, p.groups[i].texts...)
	}
	return spec
}

// entryOf returns the index of the entry that the spec's origin came from.
func (p *judged) entryOf(origin int) int {
	if !p.grouped {
		return origin
	}
	i, found := slices.BinarySearch(p.starts, origin)
	if !found {
		return i - 1
	}
	// Empty groups share the start of what follows them.
	for i+1 < len(p.starts) && p.starts[i+1] == origin {
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
		if len(g.texts) == 0 && !g.broken {
			d.Code, d.Reason, d.Hint = "group-empty", "the group has no origin", "list some, or remove it"
			l.add(g.declared.file, g.declared.at, d)
		}
	}
}
