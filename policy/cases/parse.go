package cases

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"

	"github.com/corsgate/corsgate/policy/respond"
)

// fileYAML is a case file as it is written. The nodes are decoded one by one,
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
	Method   string      `yaml:"method"`
	Host     string      `yaml:"host"`
	Path     string      `yaml:"path"`
	Protocol string      `yaml:"protocol"`
	Headers  headersYAML `yaml:"headers"`
}

type responseYAML struct {
	Status  int         `yaml:"status"`
	Headers headersYAML `yaml:"headers"`
}

type wantYAML struct {
	Policy    string      `yaml:"policy"`
	Reason    string      `yaml:"reason"`
	Shadow    *shadowYAML `yaml:"shadow"`
	Forwarded *bool       `yaml:"forwarded"`
	Status    int         `yaml:"status"`
	Headers   headersYAML `yaml:"headers"`
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

// Parse reads the case file of that name. The error has every mistake, one a
// line, as FILE:LINE: message, or as a policyfile.Diagnostic.
func Parse(name string, data []byte) (File, error) {
	shown := printable.Name(name)
	if hidden := policyfile.CheckText(shown, data); hidden != nil {
		return File{}, refused(hidden)
	}
	var raw fileYAML
	if err := yaml.Load(data, &raw, yaml.WithKnownFields()); err != nil {
		return File{}, placed(shown, 1, err)
	}
	p := parser{file: shown, partial: raw.Partial, seen: map[string]int{}}
	f := File{
		Name:   strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)),
		Path:   shown,
		About:  raw.About,
		Static: raw.Static == nil || *raw.Static,
	}
	f.texts = p.texts(f.Name+".yaml", 1, &raw.Policies, raw.Groups)
	for i := range raw.Cases {
		f.Cases = append(f.Cases, p.readCase(&raw.Cases[i]))
	}
	for i := range raw.Load {
		f.Loads = append(f.Loads, p.readLoad(&raw.Load[i]))
	}
	p.check(1, len(f.Cases)+len(f.Loads) > 0, "the file has no case: write some under cases or load")
	if err := p.err(); err != nil {
		return File{}, err
	}
	return f, nil
}

// refused is the error of what stands in a file, one a line.
func refused(found []policyfile.Diagnostic) error {
	mistakes := make([]error, len(found))
	for i, d := range found {
		mistakes[i] = errors.New(d.String())
	}
	return errors.Join(mistakes...)
}

// parser is one Parse.
type parser struct {
	file    string
	partial bool // what a want does not name is not compared
	found   []error
	more    int            // mistakes that are not in found
	seen    map[string]int // :: name of a case -> line
}

// maxFound is how many mistakes of a file are told.
const maxFound = 1000

func (p *parser) add(err error) {
	if len(p.found) == maxFound {
		p.more++
		return
	}
	p.found = append(p.found, err)
}

// err returns the mistakes that were found, or nil.
func (p *parser) err() error {
	if p.more > 0 {
		p.found = append(p.found, notShown(p.file, 1, p.more))
	}
	return errors.Join(p.found...)
}

func (p *parser) check(line int, ok bool, format string, args ...any) {
	if !ok {
		p.add(fmt.Errorf("%s:%d: %s", p.file, line, fmt.Sprintf(format, args...)))
	}
}

// decode decodes n strictly into out.
func (p *parser) decode(n *yaml.Node, out any) bool {
	err := n.Load(out, yaml.WithKnownFields())
	if err != nil {
		p.add(placed(p.file, n.Line, err))
	}
	return err == nil
}

// name checks what cases and load entries have in common.
func (p *parser) name(line int, name string) {
	p.check(line, name != "", "name is missing: say in a sentence what the case shows")
	first := p.seen[name]
	p.check(line, name == "" || first == 0, "%q: line %d has the same name", name, first)
	p.seen[name] = line
}

// texts returns the policy file and the group files that stand in a case file.
func (p *parser) texts(name string, line int, policies *yaml.Node, groups map[string]string) map[string][]byte {
	if policies.IsZero() {
		p.check(line, len(groups) == 0, "groups without policies: no policy file names them")
		return nil
	}
	text, err := yaml.Dump(policies, yaml.WithUnicode(false)) // what the case file writes as an escape stays one
	p.check(policies.Line, err == nil, "policies: %v", err)
	texts := map[string][]byte{name: text}
	for group, origins := range groups {
		p.check(line, group != name, "groups: %s is the name of the policy file", printable.Name(group))
		texts[group] = []byte(origins)
	}
	return texts
}

func (p *parser) readCase(n *yaml.Node) Case {
	var raw caseYAML
	if !p.decode(n, &raw) {
		return Case{}
	}
	p.name(n.Line, raw.Name)
	p.checkCase(n.Line, &raw)
	c := Case{
		Name: raw.Name, Why: raw.Why, Line: n.Line, Policy: raw.Policy, Only: raw.Only, Because: raw.Because,
		Client: Request{
			Method:   cmp.Or(raw.Request.Method, "GET"),
			Host:     raw.Request.Host,
			Path:     cmp.Or(raw.Request.Path, "/"),
			Protocol: raw.Request.Protocol,
			Headers:  respond.Headers(raw.Request.Headers),
		},
		Upstream: respond.Response{Status: cmp.Or(raw.Upstream.Status, 200), Headers: respond.Headers(raw.Upstream.Headers)},
	}
	c.want = p.readWant(n.Line, raw.Name, raw.Want, &c, Decide)
	if p.partial && raw.Want != nil {
		c.overlooks = raw.Want.overlooked()
	}
	c.except = make(map[Profile]exception, len(raw.Except))
	for profile, x := range raw.Except {
		c.except[profile] = exception{because: x.Because, want: p.readWant(n.Line, raw.Name, x.Want, &c, profile)}
	}
	return c
}

func (p *parser) checkCase(line int, raw *caseYAML) {
	p.check(line, raw.Request.Host != "", "%q: request.host is missing", raw.Name)
	p.check(line, (raw.Only == nil) == (raw.Because == ""), "%q: only and because come together: name the profiles and what stands against the others", raw.Name)
	for _, profile := range raw.Only {
		p.check(line, profile.known(), "%q: only: unknown profile %q; there are %q", raw.Name, profile, Profiles())
	}
	for profile, x := range raw.Except {
		p.check(line, profile.known(), "%q: except: unknown profile %q; there are %q", raw.Name, profile, Profiles())
		p.check(line, raw.Only == nil || slices.Contains(raw.Only, profile), "%q: except: only leaves %q out", raw.Name, profile)
		p.check(line, x.Because != "", "%q: except.%s: because is missing: say what Envoy does", raw.Name, profile)
	}
}

// readWant returns what is wanted of c in that profile.
func (p *parser) readWant(line int, name string, raw *wantYAML, c *Case, profile Profile) Outcome {
	p.check(line, raw != nil, "%q: want is missing for %q", name, profile)
	if raw == nil {
		return Outcome{}
	}
	if c.Asked(profile) {
		p.check(line, isReason(raw.Reason) || p.partial && raw.Reason == "", "%q: want.reason: %q is not a reason", name, raw.Reason)
	} else {
		p.check(line, raw.Policy+raw.Reason == "" && raw.Shadow == nil,
			"%q: except.%s: leave policy, reason and shadow out: without an Origin nothing is told there", name, profile)
	}
	if raw.Shadow != nil {
		p.check(line, isReason(raw.Shadow.Reason) || p.partial && raw.Shadow.Reason == "", "%q: want.shadow.reason: %q is not a reason", name, raw.Shadow.Reason)
	}
	for header := range raw.Headers {
		p.check(line, isCORS(header), "%q: want.headers: %s is never compared; only Access-Control-*, Vary and x-corsgate-reason are", name, header)
	}
	forwarded := raw.Status == 0
	if raw.Forwarded != nil {
		forwarded = *raw.Forwarded
	}
	return Outcome{
		Policy: raw.Policy, Reason: raw.Reason, Shadow: raw.Shadow.wanted(), Forwarded: forwarded,
		Response: respond.Response{Status: cmp.Or(raw.Status, c.Upstream.Status), Headers: respond.Headers(raw.Headers)},
	}
}

// wanted is what s wants a shadow policy to say.
func (s *shadowYAML) wanted() *Shadow {
	if s == nil {
		return nil
	}
	return &Shadow{Policy: s.Policy, Reason: s.Reason, Differs: s.Differs != nil && *s.Differs}
}

// overlooked returns what a partial want does not name.
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
	if !p.decode(n, &raw) {
		return LoadCase{}
	}
	p.name(n.Line, raw.Name)
	p.check(n.Line, !raw.Policies.IsZero(), "%q: policies is missing", raw.Name)
	p.check(n.Line, raw.Want != nil, `%q: want is missing: write "want: []" where it loads`, raw.Name)
	l := LoadCase{
		Name: raw.Name, Why: raw.Why, Line: n.Line, Warnings: raw.Warnings,
		texts: p.texts("policies.yaml", n.Line, &raw.Policies, raw.Groups),
	}
	if raw.Want != nil {
		l.Errors = *raw.Want
	}
	return l
}
