package cases

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"

	"github.com/corsgate/corsgate/policy/respond"
)

// fileYAML is a case file as it is written. Its nodes are decoded one by one,
// so that each case knows its line.
type fileYAML struct {
	About    string            `yaml:"about"`
	Static   *bool             `yaml:"static"`
	Partial  bool              `yaml:"partial"`
	Policies yaml.Node         `yaml:"policies"`
	Groups   map[string]string `yaml:"groups"`
	Cases    []yaml.Node       `yaml:"cases"`
	Load     []yaml.Node       `yaml:"load"`
}

type caseYAML struct {
	Name     string                    `yaml:"name"`
	Why      string                    `yaml:"why"`
	Request  requestYAML               `yaml:"request"`
	Policy   string                    `yaml:"policy"`
	Upstream responseYAML              `yaml:"upstream"`
	Want     *wantYAML                 `yaml:"want"`
	Except   map[Profile]exceptionYAML `yaml:"except"`
	Only     []Profile                 `yaml:"only"`
	Because  string                    `yaml:"because"`
}

type requestYAML struct {
	Method   string    `yaml:"method"`
	Host     string    `yaml:"host"`
	Path     string    `yaml:"path"`
	Protocol string    `yaml:"protocol"`
	Headers  yaml.Node `yaml:"headers"`
}

type responseYAML struct {
	Status  int       `yaml:"status"`
	Headers yaml.Node `yaml:"headers"`
}

type wantYAML struct {
	Policy    string      `yaml:"policy"`
	Reason    string      `yaml:"reason"`
	Shadow    *shadowYAML `yaml:"shadow"`
	Forwarded *bool       `yaml:"forwarded"`
	Status    int         `yaml:"status"`
	Headers   yaml.Node   `yaml:"headers"`
}

type shadowYAML struct {
	Policy  string `yaml:"policy"`
	Reason  string `yaml:"reason"`
	Differs *bool  `yaml:"differs"`
}

type exceptionYAML struct {
	Want    *wantYAML `yaml:"want"`
	Because string    `yaml:"because"`
}

type loadYAML struct {
	Name     string            `yaml:"name"`
	Why      string            `yaml:"why"`
	Policies yaml.Node         `yaml:"policies"`
	Groups   map[string]string `yaml:"groups"`
	Want     *[]string         `yaml:"want"`
	Warnings []string          `yaml:"warnings"`
}

// Parse reads the case file of that name. The error has every mistake, each on
// a line, as FILE:LINE:COL: message, or as a policyfile.Diagnostic.
func Parse(name string, data []byte) (File, error) {
	shown := printable.Name(name)
	if hidden := policyfile.CheckText(shown, data); hidden != nil {
		return File{}, refused(hidden)
	}
	p := parser{mistakes: mistakes{file: shown}, seen: map[string]int{}}
	root := yaml.Node{Line: 1, Column: 1}
	file := p.part(&root)
	if file.refused(yaml.Load(data, &root)); p.err() != nil {
		return File{}, p.err()
	}
	p.dropRepeated(&root)
	var raw fileYAML
	file.load(&root, &raw)
	p.partial = raw.Partial
	f := File{
		Name:   strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)),
		Path:   shown,
		About:  raw.About,
		Static: raw.Static == nil || *raw.Static,
	}
	f.texts = file.texts(f.Name+".yaml", &raw.Policies, raw.Groups)
	for i := range raw.Cases {
		f.Cases = append(f.Cases, p.readCase(&raw.Cases[i]))
	}
	for i := range raw.Load {
		f.Loads = append(f.Loads, p.readLoad(&raw.Load[i]))
	}
	file.check(len(f.Cases)+len(f.Loads) > 0, "cases", "there is none: write some")
	if err := p.err(); err != nil {
		return File{}, err
	}
	return f, nil
}

// refused is the error for the mistakes of a file, each on a line.
func refused(found []policyfile.Diagnostic) error {
	mistakes := make([]error, len(found))
	for i, d := range found {
		mistakes[i] = errors.New(d.String())
	}
	return errors.Join(mistakes...)
}

// parser is one Parse.
type parser struct {
	mistakes
	partial bool           // only what a want names is compared
	seen    map[string]int // :: name of a case -> line
}

// dropRepeated reports fields that are written twice, and drops the later
// ones, so that the rest can be read. It leaves alone the policies, which
// another parser reads, and headers, which may repeat.
func (p *parser) dropRepeated(n *yaml.Node) {
	seen := map[string]int{} // :: field -> line
	var kept []*yaml.Node
	for i, inner := range n.Content {
		if n.Kind != yaml.MappingNode {
			p.dropRepeated(inner)
			continue
		}
		if i%2 == 1 {
			continue
		}
		value := n.Content[i+1]
		if first := seen[inner.Value]; first > 0 && inner.Kind == yaml.ScalarNode {
			p.add(placeOf(inner), fmt.Sprintf("the field %s is written twice, first on line %d", printable.Name(inner.Value), first))
			continue
		}
		seen[inner.Value] = inner.Line
		kept = append(kept, inner, value)
		if inner.Value != "policies" && inner.Value != "headers" {
			p.dropRepeated(value)
		}
	}
	if n.Kind == yaml.MappingNode {
		n.Content = kept
	}
}

// entry returns the part of a case or a load entry that has that name.
func (p *parser) entry(n *yaml.Node, out any, name *string) *part {
	e := p.part(n)
	if named, _ := fieldOf(n, "name"); named != nil {
		e.name = named.Value
	}
	e.load(n, out)
	e.check(*name != "", "name", "it is missing: say in a sentence what the case shows")
	first := p.seen[*name]
	e.check(*name == "" || first == 0, "name", "line %d has the same name", first)
	p.seen[*name] = n.Line
	return e
}

// texts returns the policy file and the group files of a case file.
func (p *part) texts(name string, policies *yaml.Node, groups map[string]string) map[string][]byte {
	if policies.IsZero() {
		p.check(len(groups) == 0, "groups", "there are no policies here that could name them")
		return nil
	}
	text, err := yaml.Dump(policies, yaml.WithUnicode(false)) // escapes of the case file stay escapes
	p.check(err == nil, "policies", "%v", err)
	texts := map[string][]byte{name: text}
	for group, origins := range groups {
		p.check(group != name, "groups", "%s is the name of the policy file", printable.Name(group))
		texts[group] = []byte(origins)
	}
	return texts
}

func (p *parser) readCase(n *yaml.Node) Case {
	var raw caseYAML
	e := p.entry(n, &raw, &raw.Name)
	e.checkCase(&raw)
	c := Case{
		Name: raw.Name, Why: raw.Why, Line: n.Line, Policy: raw.Policy, Only: raw.Only, Because: raw.Because,
		Client: Request{
			Method:   cmp.Or(raw.Request.Method, "GET"),
			Host:     raw.Request.Host,
			Path:     cmp.Or(raw.Request.Path, "/"),
			Protocol: raw.Request.Protocol,
			Headers:  e.sentHeaders("request.headers", &raw.Request.Headers),
		},
		Upstream: respond.Response{Status: cmp.Or(raw.Upstream.Status, 200), Headers: e.sentHeaders("upstream.headers", &raw.Upstream.Headers)},
	}
	c.want = e.readWant("want", raw.Want, &c, Decide, p.partial)
	if p.partial && raw.Want != nil {
		c.overlooks = raw.Want.overlooked()
	}
	c.except = make(map[Profile]exception, len(raw.Except))
	for profile, x := range raw.Except {
		c.except[profile] = exception{because: x.Because, want: e.readWant(exceptField(profile)+".want", x.Want, &c, profile, p.partial)}
	}
	return c
}

func (p *part) checkCase(raw *caseYAML) {
	p.check(raw.Request.Host != "", "request.host", "it is missing")
	p.check((raw.Only == nil) == (raw.Because == ""), "only", "it needs because, and because needs it: name the profiles, and say why the others are left out")
	for _, profile := range raw.Only {
		p.check(profile.known(), "only", "unknown profile %q; there are %q", profile, Profiles())
	}
	for profile, x := range raw.Except {
		field := exceptField(profile)
		p.check(profile.known(), field, "unknown profile; there are %q", Profiles())
		p.check(raw.Only == nil || slices.Contains(raw.Only, profile), field, "only leaves it out")
		p.check(x.Because != "", field+".because", "it is missing: say what Envoy does")
	}
}

func exceptField(profile Profile) string { return "except." + printable.Name(string(profile)) }

// leftOut reports what only a partial want may leave out.
const leftOut = "it is missing: with partial: true above the cases it may be left out"

func (p *part) checkReason(field, word string, partial bool) {
	p.check(partial || word != "", field, leftOut)
	p.check(word == "" || isReason(word), field, "%q is not a reason", word)
}

// readWant returns what the field says that c must give in the profile.
func (p *part) readWant(field string, raw *wantYAML, c *Case, profile Profile, partial bool) Outcome {
	p.check(raw != nil, field, "it is missing")
	if raw == nil {
		return Outcome{}
	}
	asked := c.Asked(profile)
	if asked {
		p.checkReason(field+".reason", raw.Reason, partial)
	}
	p.check(asked || raw.Policy+raw.Reason == "" && raw.Shadow == nil, field, "leave policy, reason and shadow out: without an Origin Envoy does not report them there")
	if raw.Shadow != nil {
		p.check(partial || raw.Shadow.Policy != "", field+".shadow.policy", leftOut)
		p.checkReason(field+".shadow.reason", raw.Shadow.Reason, partial)
	}
	headers := p.headers(field+".headers", &raw.Headers)
	for header := range headers {
		p.check(isCORS(header), field+".headers."+header, "it is never compared; only Access-Control-*, Vary and "+policy.HeaderReason+" are")
	}
	forwarded := raw.Status == 0
	if raw.Forwarded != nil {
		forwarded = *raw.Forwarded
	}
	return Outcome{
		Policy: raw.Policy, Reason: raw.Reason, Shadow: raw.Shadow.wanted(), Forwarded: forwarded,
		Response: respond.Response{Status: cmp.Or(raw.Status, c.Upstream.Status), Headers: headers},
	}
}

// wanted is what a shadow policy must say, by s.
func (s *shadowYAML) wanted() *Shadow {
	if s == nil {
		return nil
	}
	return &Shadow{Policy: s.Policy, Reason: s.Reason, Differs: s.Differs != nil && *s.Differs}
}

// overlooked returns what a partial want leaves out.
func (w *wantYAML) overlooked() overlooks {
	o := overlooks{
		some:   true,
		policy: w.Policy == "", reason: w.Reason == "", shadow: w.Shadow == nil,
		status: w.Status == 0, forwarded: w.Forwarded == nil,
	}
	if s := w.Shadow; s != nil {
		o.shadowPolicy, o.shadowReason, o.shadowDiffers = s.Policy == "", s.Reason == "", s.Differs == nil
	}
	return o
}

func (p *parser) readLoad(n *yaml.Node) LoadCase {
	var raw loadYAML
	e := p.entry(n, &raw, &raw.Name)
	e.check(!raw.Policies.IsZero(), "policies", "it is missing")
	e.check(raw.Want != nil, "want", `it is missing: write "want: []" where it loads`)
	l := LoadCase{
		Name: raw.Name, Why: raw.Why, Line: n.Line, Warnings: raw.Warnings,
		texts: e.texts("policies.yaml", &raw.Policies, raw.Groups),
	}
	if raw.Want != nil {
		l.Errors = *raw.Want
	}
	return l
}
