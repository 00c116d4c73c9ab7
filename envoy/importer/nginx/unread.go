package nginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// known are the headers of CORS that answers have.
var known = []string{
	allowOrigin, "access-control-allow-credentials", "access-control-allow-methods", "access-control-allow-headers",
	"access-control-expose-headers", "access-control-max-age", "access-control-allow-private-network",
}

// unread tells of what is about CORS and is not read.
func (r *reader) unread(d *directive) {
	tell := func(fidelity source.Fidelity, value, message string) {
		r.findings.add(source.Finding{Fidelity: fidelity, Place: d.Place, Field: d.name, Value: value, Message: message})
	}
	switch d.name {
	case "add_header", "more_set_headers":
		name := strings.ToLower(headerName(d))
		switch {
		case strings.HasPrefix(name, "access-control-request-"):
			tell(source.Dropped, headerName(d), "this is a header of requests: in an answer it does nothing")
		case policy.IsCORSHeader(name) && !slices.Contains(known, name):
			tell(source.Dropped, headerName(d), "browsers know no such header: it does nothing")
		}
		return
	case "more_clear_headers", "log_format", "access_log", "if", "map", "set", "location", "server", "http", "proxy_pass_header", "add_trailer":
		return
	}
	for _, arg := range d.args {
		switch lower := strings.ToLower(arg); {
		case !strings.Contains(lower, "access-control-") || strings.HasSuffix(d.name, "_hide_header"):
		case strings.HasSuffix(d.name, "_set_header") || d.name == "more_set_input_headers" || strings.HasSuffix(d.name, "_param"):
			tell(source.Dropped, arg, "this header goes to the upstream, and browsers do not see it: it does nothing for CORS")
		default:
			tell(source.Decide, "", "this has to do with CORS and is not understood: what it does is not imported")
		}
	}
}

// refused tells of names in a map that nginx does not start with.
func (r *reader) refused(m *mapping) {
	for _, e := range m.refused {
		r.findings.add(source.Finding{
			Fidelity: source.Decide, Place: e.Place, Field: "map", Value: e.name,
			Message: "nginx does not start with this: in a map with hostnames, a star is the first part of a name, or its last one: it is left out",
			Hint:    "write a regex, as in ~^https://[^.]+\\.example\\.com$, or list the origins",
		})
	}
}

func headerName(d *directive) string {
	name := d.arg(0)
	if d.name == "more_set_headers" {
		for _, text := range optionsOf(d).headers {
			name, _, _ = strings.Cut(text, ":")
		}
	}
	return strings.TrimSpace(name)
}

func setsOrigin(d *directive) bool {
	switch d.name {
	case "add_header":
		return strings.EqualFold(d.arg(0), allowOrigin)
	case "more_set_headers":
		return optionsOf(d).isAbout(allowOrigin)
	}
	return false
}

// unsent tells of headers that no request gets. Those of a location that others lead to, by
// try_files or error_page, are not known to be sent.
func (r *reader) unsent(list []*directive, inner bool) {
	for _, d := range list {
		inner := inner || d.name == "location" && (strings.HasPrefix(d.arg(0), "@") || len(all(d.block, "internal")) > 0)
		f := source.Finding{Fidelity: source.Dropped, Place: d.Place, Field: d.name, Value: d.arg(0), Message: "no request that a browser may make gets this header: other add_header replace it, or its conditions never hold"}
		if inner {
			f.Fidelity, f.Hint = source.Decide, "write a policy for the paths that lead there"
			f.Message = "requests come here from other locations only, which answer some by themselves: what this adds is not imported"
		}
		if setsOrigin(d) && !r.conf.sent[d] {
			r.findings.add(f)
		}
		r.unsent(d.block, inner)
	}
}
