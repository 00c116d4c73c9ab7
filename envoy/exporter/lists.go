package exporter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// The bounds of the Gateway API: names in a list, and the methods that it knows.
const maxNames = 64

var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// lists writes the methods and the headers of a policy.
func (e *exporter) lists(i int, r *rule) {
	c := &e.policies.Specs[i].CORS
	r.methods = starred(c.AllowMethods, r.credentials || e.target.plainLists)
	r.headers = starred(c.AllowHeaders, r.credentials || e.target.plainLists)
	if slices.Contains(c.AllowHeaders, "*") && !r.credentials {
		e.withoutCredentials(i, slices.ContainsFunc(c.AllowHeaders, isAuthorization))
	}
	r.exposed = c.ExposeHeaders
	if !e.target.plainLists {
		return
	}
	r.methods = slices.DeleteFunc(r.methods, func(method string) bool {
		known := method == "*" || slices.Contains(knownMethods, method)
		if !known {
			e.note(i, "cors.allowMethods", source.Finding{Fidelity: source.Narrowed, Value: method, Message: "there is no such method there, so it is left out"})
		}
		return !known
	})
	r.headers = e.few(i, "cors.allowHeaders", r.headers)
	r.exposed = e.few(i, "cors.exposeHeaders", r.exposed)
}

// starred returns a list for browsers to read. If it has "*" and that has to stand alone, it
// is all that there is: with credentials, Envoy grants what is asked for only then.
func starred(names []string, alone bool) []string {
	if alone && slices.Contains(names, "*") {
		return []string{"*"}
	}
	return slices.Clone(names)
}

// withoutCredentials is about a list of headers with "*" in a policy without credentials.
// There the star does not cover the authorization header (Fetch, #http-new-header-syntax),
// but Envoy grants what is asked for if the list is "*", and Chromium takes it so anyway.
func (e *exporter) withoutCredentials(i int, covered bool) {
	f := source.Finding{Fidelity: source.Widened, Value: "*", Message: `"*" covers the authorization header there, too`, Hint: `list the headers instead of "*"`}
	if covered {
		f.Fidelity, f.Value, f.Message = source.Narrowed, "authorization", `"*" stands alone there, and some gateways do not let it cover the authorization header`
	}
	if !covered || e.target.plainLists {
		e.note(i, "cors.allowHeaders", f)
	}
}

func isAuthorization(name string) bool { return strings.EqualFold(name, "authorization") }

// few returns as many names as there may be.
func (e *exporter) few(i int, field string, names []string) []string {
	if len(names) <= maxNames {
		return names
	}
	e.note(i, field, source.Finding{
		Fidelity: source.Narrowed, Value: names[maxNames], Message: fmt.Sprintf("there may be %d names there, so the last %d are left out", maxNames, len(names)-maxNames),
	})
	return names[:maxNames]
}

// age writes how long browsers keep a preflight's answer.
func (e *exporter) age(i int, r *rule) {
	age := e.policies.Specs[i].CORS.MaxAge
	r.maxAge = age
	switch {
	case age == nil && e.target.plainLists:
		e.note(i, "cors.maxAge", source.Finding{Fidelity: source.Default, Message: "5 seconds, which is what browsers take anyway"})
	case age != nil && *age == 0 && e.target.someAge:
		least := 1
		r.maxAge = &least
		e.note(i, "cors.maxAge", source.Finding{Fidelity: source.Clamped, Value: "0", Message: "1 second is the least there"})
	}
}
