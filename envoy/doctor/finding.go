package doctor

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Place says where in Envoy's configuration something is wrong. An empty part is not
// meant.
type Place struct {
	Listener    string `json:"listener,omitempty"`
	FilterChain string `json:"filterChain,omitempty"`
	Filter      string `json:"filter,omitempty"`
	RouteConfig string `json:"routeConfig,omitempty"`
	VirtualHost string `json:"virtualHost,omitempty"`
	Route       string `json:"route,omitempty"`
	Cluster     string `json:"cluster,omitempty"`
	Counter     string `json:"counter,omitempty"`
	URL         string `json:"url,omitempty"`
}

// String returns the parts that are meant, the outermost first.
func (p Place) String() string {
	var parts []string
	for _, part := range []struct{ word, name string }{
		{"listener", p.Listener}, {"filter chain", p.FilterChain}, {"filter", p.Filter},
		{"route config", p.RouteConfig}, {"virtual host", p.VirtualHost}, {"route", p.Route},
		{"cluster", p.Cluster}, {"counter", p.Counter}, {"", p.URL},
	} {
		if part.name != "" {
			parts = append(parts, strings.TrimSpace(part.word+" "+part.name))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "envoy")
}

// filter returns p with a filter.
func (p Place) filter(name string) Place {
	p.Filter = name
	return p
}

// Finding is one thing that is wrong.
type Finding struct {
	// Code is the rule's, and stays the same from version to version.
	Code  string       `json:"code"`
	Level policy.Level `json:"level"`
	Place Place        `json:"place"`
	// What is wrong, what a user sees because of it, and what to write instead.
	What  string `json:"what"`
	Seen  string `json:"seen"`
	Write string `json:"write"`
}

// Report is all that was found.
type Report struct {
	// Envoy is the version that was read, or empty.
	Envoy string `json:"envoy,omitempty"`
	// Findings are sorted by their level, the errors first.
	Findings []Finding `json:"findings"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	// Probes is how many requests were sent.
	Probes int `json:"probes,omitempty"`
}

// maxSame bounds the findings of one code: a rule that is broken by each of ten thousand
// routes is one mistake.
const maxSame = 20

// add adds findings, and counts and sorts them.
func (r *Report) add(list ...Finding) {
	r.Findings = append(r.Findings, list...)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Level, b.Level) })
	r.Errors, r.Warnings, r.Notes = 0, 0, 0
	for _, f := range r.Findings {
		switch f.Level {
		case policy.Error:
			r.Errors++
		case policy.Warning:
			r.Warnings++
		default:
			r.Notes++
		}
	}
}
