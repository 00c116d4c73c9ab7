package doctor

import (
	"net/http"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// What a probe sends that no policy has. Nobody can register a name in .invalid (RFC 6761,
// section 6.4).
const (
	stranger = "https://corsgate-doctor.invalid"
	label    = "corsgate-doctor"
	noPage   = "/corsgate-doctor/no-such-page"
)

// requests are those of each policy, the first ones of all of them first.
func (p Prober) requests() (list []policy.Request) {
	var each [][]policy.Request
	for _, s := range p.Policies.Specs() {
		if s.Mode == "" || s.Mode == policy.ModeEnforce {
			each = append(each, p.requestsOf(s))
		}
	}
	for i := 0; len(list) < maxProbes; i++ {
		before := len(list)
		for _, of := range each {
			if i < len(of) && len(list) < maxProbes {
				list = append(list, of[i])
			}
		}
		if len(list) == before {
			break
		}
	}
	return list
}

// requestsOf are the requests about one policy. What they get is what Decide says, also if
// another policy takes them.
func (p Prober) requestsOf(s policy.Spec) (list []policy.Request) {
	add := func(method, host, path, origin string) {
		q := policy.Request{Method: method, Authority: host, Path: path, Origin: origin, SecFetchSite: "cross-site"}
		if method == http.MethodOptions {
			q.RequestMethod, q.RequestHeaders = first(s.CORS.AllowMethods, http.MethodGet), first(s.CORS.AllowHeaders, "")
		}
		list = append(list, q)
	}
	paths := sample(s.Paths, "/")
	origins := append(sample(samples(s.CORS.AllowOrigins), stranger), stranger)
	for h, host := range p.hosts(s) {
		for o, origin := range slices.Compact(origins) {
			add(http.MethodOptions, host, paths[0], origin)
			add(http.MethodGet, host, paths[0], origin)
			if with := p.withPort(host); with != "" && h+o == 0 {
				add(http.MethodOptions, with, paths[0], origin)
			}
		}
		add(http.MethodGet, host, paths[0], "")
		add(http.MethodHead, host, paths[len(paths)-1], origins[0])
		add(http.MethodGet, host, strings.TrimSuffix(paths[0], "/")+noPage, origins[0])
		if p.Unsafe && s.DeniedRequests != "" && s.DeniedRequests != policy.DeniedPass {
			add(http.MethodPost, host, paths[0], stranger)
		}
	}
	return list
}

// sample returns the first of a list, or the text for an empty one.
func sample(list []string, otherwise string) []string {
	if len(list) == 0 {
		return []string{otherwise}
	}
	return slices.Clone(list[:min(len(list), maxSamples)])
}

// first returns the first of a list that is not a star, or the other text.
func first(list []string, otherwise string) string {
	for _, one := range list {
		if one != "*" {
			return one
		}
	}
	return otherwise
}

// hosts are those that requests about a policy are for.
func (p Prober) hosts(s policy.Spec) []string {
	list := sample(s.Hosts, p.URL.Host)
	for i := range list {
		list[i] = strings.Replace(list[i], "*", label, 1)
	}
	return list
}

// withPort returns a host as browsers write it if they ask this listener themselves (RFC
// 9110, section 7.2), or "" if that has no port.
func (p Prober) withPort(host string) string {
	if p.URL.Port() == "" || p.URL.Port() == defaultPorts[p.URL.Scheme] || strings.Contains(host, ":") {
		return ""
	}
	return host + ":" + p.URL.Port()
}

// hasPort reports whether a request is for what withPort returns.
func (p Prober) hasPort(q policy.Request) bool {
	host, _, found := strings.Cut(q.Authority, ":")
	return found && q.Authority != p.URL.Host && q.Authority == p.withPort(host)
}

// defaultPorts are those that URLs leave out, by their scheme.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// samples are origins that the patterns likely match.
func samples(patterns []string) (origins []string) {
	for _, one := range patterns {
		one = strings.Replace(one, ":*", ":3000", 1)
		switch {
		case one == "*":
			one = "https://" + label + ".example"
		case strings.HasSuffix(one, "://*"), strings.Contains(one, "://*:"):
			one = strings.Replace(one, "*", label+".example", 1)
		default:
			one = strings.Replace(one, "*", label, 1)
		}
		origins = append(origins, one)
	}
	return origins
}
