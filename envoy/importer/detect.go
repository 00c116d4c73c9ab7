package importer

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/contour"
	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/envoygateway"
	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/ingressnginx"
	"github.com/corsgate/corsgate/envoy/importer/istio"
	"github.com/corsgate/corsgate/envoy/importer/kong"
	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/traefik"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy/printable"
)

// Auto has each document say of which system it is.
const Auto = "auto"

const nginxSystem = "nginx"

// system is one whose configuration is YAML or JSON.
type system struct {
	name   string
	what   string // it reads
	claims func(doc tree.Node) bool
	read   func(docs []tree.Node) source.Config
}

// systems are in the order in which they are asked about a part of a document that is not
// an object of Kubernetes.
var systems = []system{
	{"envoy", "Envoy's bootstrap, config dump or resources", envoyimport.Claims, envoyimport.Read},
	{"contour", "HTTPProxy", contour.Claims, contour.Read},
	{"istio", "VirtualService, EnvoyFilter", istio.Claims, istio.Read},
	{"gateway-api", "HTTPRoute", gatewayapi.Claims, gatewayapi.Read},
	{"envoy-gateway", "SecurityPolicy, with the routes that it is for", envoygateway.Claims, envoygateway.Read},
	{"ingress-nginx", "Ingress with nginx.ingress.kubernetes.io annotations", ingressnginx.Claims, ingressnginx.Read},
	{"traefik", "Middleware with headers, and the routers that use it", traefik.Claims, traefik.Read},
	{"kong", "the cors plugin, in KongPlugin or a declarative configuration", kong.Claims, kong.Read},
}

// Systems returns the words of --from.
func Systems() []string {
	words := []string{Auto}
	for _, s := range systems {
		words = append(words, s.name)
	}
	return append(words, nginxSystem)
}

// ErrNothing is for an input in which nothing is about CORS.
var ErrNothing = errors.New("nothing in the input is about CORS, or nobody understands it")

// Understood says for people what can be read, by system.
func Understood() (list []string) {
	for _, s := range systems {
		list = append(list, s.name+": "+s.what)
	}
	return append(list, nginxSystem+": nginx.conf, with what it includes")
}

// Read returns what the systems do whose configurations are in files. from is a system, or
// Auto. An error has its place.
func Read(from string, files []source.File) ([]source.Config, error) {
	d := detector{from: from}
	var bad []error
	var conf []source.File
	if d.isMeant(nginxSystem) {
		conf = nginxFiles(files)
	}
	for _, f := range files {
		isPart := slices.ContainsFunc(conf, func(c source.File) bool { return c.Path == f.Path })
		switch {
		case f.Outside != "":
			d.told = append(d.told, source.Finding{Fidelity: source.Decide, Place: source.Place{File: f.Path}, Value: f.Outside,
				Message: "this is a link to what is not in the folder: it is not read", Hint: "give what it leads to, too"})
		case isPart:
			bad = append(bad, d.addNginx(f))
		case f.Again && d.from != nginxSystem: // it is read by its other name
		case len(files) > 1 && d.isForeign(f):
			d.told = append(d.told, source.Finding{Fidelity: source.Dropped, Place: source.Place{File: f.Path},
				Message: "this is neither YAML nor JSON nor an nginx.conf, and has no word of CORS: it is not read"})
		default:
			bad = append(bad, d.add(f))
		}
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	return d.configs()
}

// isForeign reports whether a file cannot be read, and is not about CORS.
func (d *detector) isForeign(f source.File) bool {
	if d.from == nginxSystem || aboutCORS.Match(f.Text) {
		return false
	}
	_, _, err := documents(f)
	return err != nil
}

// nginxFiles returns the files of nginx.conf: those that look like it, and what they include.
func nginxFiles(files []source.File) (conf []source.File) {
	var others []source.File
	for _, f := range files {
		switch {
		case f.Outside != "":
		case isNginx(f):
			conf = append(conf, f)
		default:
			others = append(others, f)
		}
	}
	return append(conf, nginx.Included(conf, others)...)
}

// detector sorts files and documents by the systems that they are of.
type detector struct {
	from  string
	nginx []source.File
	docs  []tree.Node
	told  []source.Finding
}

// helm finds what begins a template of Helm, helmOnly what no other has, and traefikOnly what
// those of Traefik have.
var (
	helm        = regexp.MustCompile(`\{\{-?\s*(template|define|if|range|with|end|\$)`)
	helmOnly    = regexp.MustCompile(`\{\{[^{}\n]*(\.(Values|Release|Chart|Capabilities|Files|Template)\b|\b(include|toYaml|tpl|nindent)\b)`)
	traefikOnly = regexp.MustCompile(`\{\{-?\s*env\b|\buntil\b`)
)

// toml finds a table.
var toml = regexp.MustCompile(`(?m)^\s*\[\[?[\w.-]+\]\]?\s*$`)

// variable finds what envsubst replaces, in braces.
var variable = regexp.MustCompile(`\$\{[A-Z][A-Z0-9_]*\}`)

// placeholder finds "{{ name }}" outside of comments, as Jinja, Ansible and Go fill it in.
var placeholder = regexp.MustCompile(`(?m)^[^#\n]*?(\{\{[^{}\n]*\}\})`)

// asTemplate returns an error for an nginx.conf that has to be filled in before it is read.
func asTemplate(f source.File) error {
	at := placeholder.FindSubmatchIndex(f.Text)
	if at == nil {
		return nil
	}
	place := source.Place{File: printable.Name(f.Path), Line: 1 + bytes.Count(f.Text[:at[2]], []byte("\n")), Column: 0}
	return fmt.Errorf("%s:%d: %q is a template: fill it in first, and import what comes of it", place.File, place.Line, f.Text[at[2]:at[3]])
}

// tellVariables tells of what a file is to have replaced.
func (d *detector) tellVariables(f source.File) {
	at := variable.FindIndex(f.Text)
	if at == nil || !aboutCORS.Match(f.Text) {
		return
	}
	if name := f.Text[at[0]+2 : at[1]-1]; bytes.Contains(f.Text, append([]byte("$"), name...)) {
		return // nginx sets it
	}
	d.told = append(d.told, source.Finding{
		Fidelity: source.Decide, Place: source.Place{File: f.Path, Line: 1 + bytes.Count(f.Text[:at[0]], []byte("\n")), Column: 1 + at[0] - (1 + bytes.LastIndexByte(f.Text[:at[0]], '\n'))},
		Value: string(f.Text[at[0]:at[1]]), Message: "the file is a template with variables, and is read as it is: they stand for nothing",
		Hint: "fill them in first, as in 'envsubst < FILE | corsgate import -'",
	})
}

// addNginx adds a file of nginx.
func (d *detector) addNginx(f source.File) error {
	d.tellVariables(f)
	d.nginx = append(d.nginx, f)
	return asTemplate(f)
}

func (d *detector) add(f source.File) error {
	if isNginx(f) && d.isMeant(nginxSystem) || d.from == nginxSystem {
		return d.addNginx(f)
	}
	d.tellVariables(f)
	docs, told, err := documents(f)
	switch {
	case isHelm(f, err):
		return fmt.Errorf("%s is a template of Helm: render it first, as in 'helm template CHART | corsgate import -'", printable.Name(f.Path))
	case err != nil && placeholder.Match(f.Text):
		return asTemplate(f)
	case err != nil && toml.Match(f.Text):
		return fmt.Errorf("%s: this looks like TOML, which is not read: write it as YAML", printable.Name(f.Path))
	}
	d.told = append(d.told, told...)
	for _, doc := range tree.Unlist(docs) {
		if !d.embedded(doc) {
			d.docs = append(d.docs, doc)
		}
	}
	return err
}

// embedded adds the files within a ConfigMap that are about CORS, and reports whether there
// are any.
func (d *detector) embedded(doc tree.Node) (found bool) {
	if doc.Field("kind").String() != "ConfigMap" {
		return false
	}
	for _, f := range doc.Field("data").Fields() {
		if !strings.Contains(f.String(), "\n") || !aboutCORS.MatchString(f.String()) {
			continue
		}
		// The text begins in the line below. What is above it counts as empty lines.
		at := f.Place()
		path := at.File
		if slices.ContainsFunc(d.nginx, func(f source.File) bool { return f.Path == path }) {
			path += "#" + f.Key.Text // each has a name of its own
		}
		if d.add(source.File{Path: path, Text: []byte(strings.Repeat("\n", at.Line) + f.String())}) == nil {
			found = true
		}
	}
	return found
}

// isHelm reports whether a file is a template of Helm. Rules of alerts and dashboards have
// placeholders, too, and are YAML.
func isHelm(f source.File, err error) bool {
	if helmOnly.Match(f.Text) {
		return true
	}
	return err != nil && helm.Match(f.Text) && !traefikOnly.Match(f.Text)
}

func (d *detector) isMeant(system string) bool { return d.from == Auto || d.from == system }

// configs reads the documents.
func (d *detector) configs() (configs []source.Config, err error) {
	d.docs = tree.Unlist(d.docs)
	claimed := make([]string, len(d.docs))
	for _, s := range d.readers() {
		if !d.claim(s, claimed) {
			continue
		}
		configs = append(configs, s.read(d.docs))
	}
	if len(d.nginx) > 0 {
		c, err := nginx.Read(d.nginx)
		if err != nil {
			return nil, err
		}
		configs = append(configs, c)
	}
	d.tellUnclaimed(claimed)
	if !slices.ContainsFunc(configs, func(c source.Config) bool { return len(c.Routes)+len(c.Findings) > 0 }) {
		return nil, d.nothing()
	}
	return append(configs, source.Config{Findings: d.told}), nil
}

// nothing returns why nothing was read.
func (d *detector) nothing() error {
	for _, doc := range d.docs {
		if _, about := naming(doc); about && isPatch(doc) {
			return fmt.Errorf("%s: this is a patch of Kustomize: %s", doc.Place(), buildPatch)
		}
	}
	return ErrNothing
}

const buildPatch = "build it first, as in 'kubectl kustomize FOLDER | corsgate import -'"

// isPatch reports whether a document is a patch (RFC 6902, section 4), or has some.
func isPatch(doc tree.Node) bool {
	return doc.Field("kind").String() == "Kustomization" || slices.ContainsFunc(doc.Items(), func(item tree.Node) bool { return item.Field("op").IsText() && item.Field("path").IsText() })
}

// readers are the systems to ask. Those that extend the Gateway API read its routes by
// themselves.
func (d *detector) readers() (all []system) {
	extends := d.extension()
	for _, s := range systems {
		claims := s.claims
		switch {
		case !d.isMeant(s.name), extends != "" && s.name == "gateway-api":
			continue
		case s.name == extends:
			s.claims = func(doc tree.Node) bool { return claims(doc) || gatewayapi.Claims(doc) }
		}
		all = append(all, s)
	}
	return all
}

// extension returns the system that extends the Gateway API in the input, if any does.
func (d *detector) extension() string {
	switch {
	case d.from != Auto:
	case slices.ContainsFunc(d.docs, envoygateway.Claims):
		return "envoy-gateway"
	case slices.ContainsFunc(d.docs, kong.IsPlugin):
		return "kong"
	case slices.ContainsFunc(d.docs, func(doc tree.Node) bool { return doc.Field("kind").String() == "HTTPRoute" && traefik.Claims(doc) }):
		return "traefik"
	}
	return ""
}

// claim notes the documents that are of a system, and reports whether there are any. If the
// user has named the system, all of them are.
func (d *detector) claim(s system, claimed []string) (found bool) {
	for i, doc := range d.docs {
		switch {
		case d.from != Auto:
			claimed[i], found = s.name, true
		case !s.claims(doc):
		case claimed[i] == "":
			claimed[i], found = s.name, true
		case doc.Field("kind").Exists():
			found = true // both have a part of it
		default:
			d.told = append(d.told, source.Finding{Fidelity: source.Decide, Place: doc.Place(),
				Message: fmt.Sprintf("it may be of %s, too: it is read as %s", s.name, claimed[i]), Hint: "name the system with --from"})
		}
	}
	return found
}

// aboutCORS finds what is about CORS.
var aboutCORS = regexp.MustCompile(`(?i)\bcors|access-?control-?(allow|expose|max)|allow_?origin`)

// tellUnclaimed tells of documents that name CORS and are of no system.
func (d *detector) tellUnclaimed(claimed []string) {
	for i, doc := range d.docs {
		if claimed[i] != "" {
			continue
		}
		if at, found := naming(doc); found {
			hint := "name its system with --from, if it is one of those"
			if isPatch(doc) {
				hint = buildPatch
			}
			d.told = append(d.told, source.Finding{Fidelity: source.Decide, Place: at.Place(), Field: at.Path(),
				Message: "it names CORS, and nobody understands it: it is not read", Hint: hint})
		}
	}
}

// naming returns the first node within n that names CORS.
func naming(n tree.Node) (at tree.Node, found bool) {
	if aboutCORS.MatchString(n.String()) || aboutCORS.MatchString(n.Name()) {
		return n, true
	}
	for _, f := range n.Fields() {
		if at, found := naming(f.Node); found {
			return at, true
		}
	}
	for _, item := range n.Items() {
		if at, found := naming(item); found {
			return at, true
		}
	}
	return tree.Node{}, false
}
