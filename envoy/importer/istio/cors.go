package istio

import (
	"slices"
	"strconv"
	"strings"
	"time"

	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// corsFields are the fields of a CorsPolicy.
var corsFields = []string{
	"allow_origin", "allow_origins", "allow_methods", "allow_headers", "expose_headers", "max_age", "allow_credentials", "unmatched_preflights",
}

// corsReader reads a CorsPolicy.
type corsReader struct {
	cors     *source.CORS
	findings []source.Finding
}

// readCORS returns what Istio has Envoy do (TranslateCORSPolicy in Istio's route.go).
func readCORS(n tree.Node) *corsReader {
	c := &corsReader{}
	for _, f := range n.ProtoOthers(corsFields...) {
		c.tell(source.Decide, f.Node, "is not a field of Istio's CorsPolicy: it is not read", "")
	}
	c.cors = &source.CORS{
		Origins:           c.origins(n),
		Methods:           c.names(n.Proto("allow_methods"), true),
		Headers:           c.names(n.Proto("allow_headers"), true),
		Expose:            c.names(n.Proto("expose_headers"), false),
		Credentials:       n.Proto("allow_credentials").True(),
		MaxAge:            c.maxAge(n.Proto("max_age")),
		ForwardsUnmatched: c.forwards(n.Proto("unmatched_preflights")),
		KeepsUpstream:     true,
	}
	c.methods(n.Proto("allow_methods"))
	if len(c.cors.Origins) == 0 {
		c.noOrigins(n)
	}
	return c
}

func (c *corsReader) tell(f source.Fidelity, n tree.Node, message, hint string) {
	c.findings = append(c.findings, n.Finding(f, message, hint))
}

func (c *corsReader) noOrigins(n tree.Node) {
	if c.cors.ForwardsUnmatched {
		c.tell(source.Dropped, n, "no origin is allowed: the policy does nothing", "")
	} else {
		c.tell(source.Decide, n, "no origin is allowed, and Envoy answers each preflight without CORS headers: a policy needs an origin", "")
	}
	c.cors = nil
}

// origins reads allowOrigins, or else allowOrigin.
func (c *corsReader) origins(n tree.Node) (list []source.Origin) {
	origins, old := n.Proto("allow_origins"), n.Proto("allow_origin")
	if origins.Exists() {
		if old.Exists() {
			c.tell(source.Dropped, old, "Istio does not read allowOrigin beside allowOrigins", "")
		}
		for _, o := range origins.Entries() {
			list = append(list, c.origin(o)...)
		}
		return list
	}
	if old.Exists() {
		c.tell(source.Equal, old, "is deprecated: Istio reads its entries as exact", "")
	}
	for _, o := range old.Entries() {
		list = append(list, source.EnvoyOrigin(o.Text(), source.EnvoyExact))
	}
	return list
}

// matchers are the fields of a StringMatch.
var matchers = []struct {
	name string
	kind source.EnvoyMatch
}{
	{"exact", source.EnvoyExact},
	{"prefix", source.EnvoyPrefix},
	{"regex", source.EnvoyRegex},
}

// origin reads a StringMatch. A text, which Istio refuses, is read as an exact one.
func (c *corsReader) origin(n tree.Node) []source.Origin {
	if n.IsText() {
		c.tell(source.Differs, n, "Istio does not load a text here: it is read as an exact origin", "")
		return []source.Origin{source.EnvoyOrigin(n.Text(), source.EnvoyExact)}
	}
	for _, f := range n.ProtoOthers("exact", "prefix", "regex") {
		c.tell(source.Decide, f.Node, "Istio has no such matcher: it is not read", "list the origins that are meant in the policy")
	}
	for _, m := range matchers {
		text := n.Field(m.name)
		if !text.IsText() {
			continue
		}
		if text.String() == "" {
			c.tell(source.Differs, text, "Istio does not load an empty matcher", "")
		}
		o := source.EnvoyOrigin(text.Text(), m.kind)
		if f, told := envoyimport.Everybody(o); told {
			c.findings = append(c.findings, f)
		}
		return []source.Origin{o}
	}
	return nil
}

// names reads a list of names. Istio sends them in one text; to "*" alone, Envoy grants what a
// preflight asks for, if echoes.
func (c *corsReader) names(n tree.Node, echoes bool) source.Names {
	if n.IsText() {
		c.tell(source.Differs, n, "Istio does not load a text here: it wants a list; it is read as it was meant", "")
	}
	names := source.Names{Place: n.Place()}
	for _, item := range n.Entries() {
		names.Items = append(names.Items, item.Text())
	}
	if echoes && len(names.Items) == 1 && names.Items[0].Text == "*" {
		return source.Names{Place: n.Place(), Echo: true}
	}
	return names
}

// istioMethods are those that Istio loads.
var istioMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"}

func (c *corsReader) methods(n tree.Node) {
	for _, item := range n.Items() {
		if !slices.Contains(istioMethods, item.String()) {
			c.tell(source.Differs, item, "Istio does not load this: it wants methods in upper case, one in each entry", "")
		}
	}
}

func (c *corsReader) forwards(n tree.Node) bool {
	switch n.String() {
	case "IGNORE", "2":
		return false
	case "", "UNSPECIFIED", "FORWARD", "0", "1":
	default:
		c.tell(source.Decide, n, "Istio knows only FORWARD and IGNORE", "")
	}
	return true
}

// maxAge reads a duration. Istio does not load some of what is read here.
func (c *corsReader) maxAge(n tree.Node) *source.MaxAge {
	text := strings.TrimSpace(n.String())
	if text == "" {
		return nil
	}
	age := &source.MaxAge{Place: n.Place()}
	d, err := time.ParseDuration(text)
	if err == nil {
		age.Seconds = int(d / time.Second)
		if d < time.Second || d%time.Second != 0 {
			c.tell(source.Differs, n, "Istio wants whole seconds, 1s and more", "")
		}
		return age
	}
	number, isDays := strings.CutSuffix(text, "d")
	age.Seconds, err = strconv.Atoi(number)
	switch {
	case err != nil:
		c.tell(source.Decide, n, "this is not a duration: it is not read", `for Istio, write "24h"`)
		return nil
	case isDays:
		age.Seconds = min(age.Seconds, 1<<31) * 24 * 60 * 60
		c.tell(source.Differs, n, "Istio does not load days: they are read as 24 hours each", `for Istio, write "24h"`)
	default:
		c.tell(source.Differs, n, "Istio does not load a duration without a unit: it is read as seconds", `for Istio, write "`+number+`s"`)
	}
	return age
}
