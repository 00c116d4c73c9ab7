package envoy

import (
	"cmp"
	"errors"
	"regexp"
	"strings"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// view is what the templates read.
type view struct {
	facts
	Listen, Upstream, Service, Admin address
	ManagedHosts                     []string
	ByRoute, Strip, FailOpen         bool
	RouteName                        bool
	AllowCustomMethods, MergeSlashes bool
	MessageTimeout                   string
	// ErrorStatus is what a request gets if corsgate does not answer and Envoy fails
	// closed.
	ErrorStatus int
	// Root is the filter of a compiled configuration, as YAML.
	Root string
	// FilterName is the name of that filter. ECDS says that the service delivers what it
	// finds.
	FilterName string
	ECDS       bool
	// Inline says that the filter itself is in the configuration.
	Inline bool
	// Everywhere says that corsgate.static is on without a virtual host that enables it.
	Everywhere bool
	// ServiceTLS is the folder of Envoy's certificate for the service, or empty.
	ServiceTLS string
	// NamedPolicies says that a compiled configuration looks for names of policies.
	NamedPolicies bool
	// ByLua says that Envoy answers by itself with Lua.
	ByLua bool
	// Feed and Stats are those of Compiled.
	Feed  uint32
	Stats bool
}

// ManagedAuthorities returns an expression for the authorities of the managed hosts, or "".
func (v view) ManagedAuthorities() string {
	var hosts []string
	for _, host := range v.ManagedHosts {
		hosts = append(hosts, strings.Replace(regexp.QuoteMeta(host), `\*`, ".+", 1))
	}
	if len(hosts) == 0 {
		return ""
	}
	return "(?i)(" + strings.Join(hosts, "|") + ")(:[0-9]+)?"
}

// endpoint is a cluster with one address.
type endpoint struct {
	Cluster string
	Address address
}

// view resolves c's defaults. Empty addresses stay empty: Filters does not need all of
// them.
func (c Config) view() (view, error) {
	v := view{
		facts:              c.Profile.facts(),
		ManagedHosts:       c.ManagedHosts,
		ByRoute:            c.MatchBy == ByRoute,
		Strip:              c.WithoutOrigin != WithoutOriginLeave,
		FailOpen:           c.Fail != FailClosed,
		RouteName:          c.RouteName,
		AllowCustomMethods: c.AllowCustomMethods,
		MergeSlashes:       c.MergeSlashes,
		MessageTimeout:     seconds(cmp.Or(c.MessageTimeout, DefaultMessageTimeout)),
		NamedPolicies:      c.Compiled.NamedPolicies,
		FilterName:         c.filterName(),
		ECDS:               c.Compiled.ECDS,
		Inline:             c.Compiled.Inline,
		ByLua:              c.Compiled.Reply == notrip.ByLua,
		Feed:               c.Compiled.Feed,
		Stats:              c.Compiled.Stats,
		ErrorStatus:        503,
	}
	return v, errors.Join(
		fill(&v.Listen, c.Listen), fill(&v.Upstream, c.Upstream), fill(&v.Service, c.Service), fill(&v.Admin, c.Admin),
	)
}

// fill sets a to what s says; an empty s leaves it empty.
func fill(a *address, s string) (err error) {
	if s != "" {
		*a, err = parseAddress(s)
	}
	return err
}

// filter is one filter of the chain.
type filter struct {
	view
	Name     string
	Disabled bool
}

// Filter names a filter; a disabled one waits for a route to enable it.
func (v view) Filter(name string, disabled bool) filter {
	return filter{view: v, Name: name, Disabled: disabled}
}

// virtualHost is a virtual host, or the part of one that corsgate needs.
type virtualHost struct {
	view
	// Static says whether answers to requests without an Origin are stripped.
	Static bool
	// Routes says that the host is complete, with its route to the upstream.
	Routes bool
}

// VirtualHost makes a whole virtual host. If the service is asked about every
// request, there is nothing static.
func (v view) VirtualHost(strip bool) virtualHost {
	return virtualHost{view: v, Static: strip && !v.EveryRequest, Routes: true}
}

// VirtualHostPart makes what is to add to a virtual host.
func (v view) VirtualHostPart() virtualHost {
	return virtualHost{view: v, Static: v.Strip && !v.EveryRequest}
}

// Names reports whether a route and a virtual host may name a policy by metadata.
func (v view) Names() bool {
	return v.PerRoute == "" && (!v.facts.Compiled || v.NamedPolicies && v.Service.IsSet())
}

// Asks reports whether there is a service to ask.
func (v view) Asks() bool { return v.Service.IsSet() }

// TwoRoutes reports whether each route is there twice, with an Origin and without.
func (h virtualHost) TwoRoutes() bool { return h.ByRoute && !h.EveryRequest }

// PerFilter reports whether the virtual host, or its routes, configure filters.
func (h virtualHost) PerFilter() bool { return h.Static || h.ByRoute || h.PerRoute != "" }

// branch is one way to edit a response.
type branch struct {
	Namespace string
	// Name is the name of the branch: the word by which a decision chooses it, if one does.
	Name    policy.Apply
	Comment string
	// UnlessAllowed leaves an answer alone that has an Access-Control-Allow-Origin.
	UnlessAllowed bool
	// Set writes the decision's headers, and Merge merges "Origin" into Vary.
	Set, Merge bool
	// AddVary adds "Origin" to Vary: the part of Merge for a Vary that lacks it.
	AddVary bool
	Headers []contract.Edited
}

// Adding returns the part of b for answers whose Vary lacks "Origin".
func (b branch) Adding() branch {
	b.Name, b.AddVary = b.Name+"_vary", true
	return b
}

// Branches returns the ways to edit a response. If Envoy sends responses to the service,
// the service sets the headers itself, after Envoy has removed the upstream's.
func (v view) Branches() []branch {
	set := !v.Responses
	branches := []branch{
		{Name: policy.ApplyReplace, Comment: "replace: the decision's headers instead of the upstream's.", Set: set, Merge: true},
		{Name: policy.ApplyDefer, Comment: "defer: as replace, unless the upstream has allowed the origin itself.", UnlessAllowed: true, Set: set, Merge: true},
		{Name: policy.ApplyPublic, Comment: "public: the answer is the same for every origin, so Vary stays as it is.", Set: set},
		{Name: policy.ApplyStrip, Comment: "strip: corsgate has not answered.", Merge: true},
	}
	for i := range branches {
		branches[i].Namespace = v.Namespace
		branches[i].Headers = contract.EditedHeaders()
	}
	return branches
}

// StaticBranch returns the way to edit the response to a request without an
// Origin.
func (v view) StaticBranch() branch { return branch{Name: "static", Merge: true} }
