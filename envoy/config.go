package envoy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// MatchBy says how Envoy finds the requests that it asks corsgate about.
type MatchBy string

// The ways to find them.
const (
	// ByMatcher lets a composite filter match each request. It needs one block for each
	// listener.
	ByMatcher MatchBy = "matcher"
	// ByRoute keeps the filters off, and lets routes enable them. Each route is there
	// twice, with an Origin and without. Requests without an Origin then pass no matcher.
	// A request that matches no route gets a 404 without CORS headers.
	ByRoute MatchBy = "route"
)

// WithoutOrigin says what happens to the answer to a request without an Origin. Envoy
// never asks corsgate about such a request, except in [TwoPhase], which ignores this.
type WithoutOrigin string

// What may happen to such an answer.
const (
	// WithoutOriginStrip removes the upstream's CORS headers and merges
	// "Origin" into Vary.
	WithoutOriginStrip WithoutOrigin = "strip"
	// WithoutOriginLeave changes nothing.
	WithoutOriginLeave WithoutOrigin = "leave"
)

// FailureMode says what Envoy does when corsgate does not answer.
type FailureMode string

// The failure modes.
const (
	// FailOpen forwards the request; the response carries no CORS header at all.
	FailOpen FailureMode = "open"
	// FailClosed answers 503; after MessageTimeout, ext_proc answers 504.
	FailClosed FailureMode = "closed"
)

// DefaultMessageTimeout is how long Envoy waits for corsgate's answer.
const DefaultMessageTimeout = 500 * time.Millisecond

// Config describes an Envoy that asks corsgate. Its methods write the
// configuration; a Config is not changed by them. An address is HOST:PORT,
// where the host is an IP address or a name to resolve.
type Config struct {
	// Profile is required.
	Profile Profile
	// Listen is where Envoy takes traffic: IP:PORT, or a Unix socket
	// ("unix:///PATH"). Port 0 lets the system choose. Required, except for Filters.
	Listen string
	// Upstream is the application: HOST:PORT or "unix:///PATH". Required, except for
	// Filters.
	Upstream string
	// Service is corsgate's gRPC address: HOST:PORT or "unix:///PATH". Required, except
	// for NoTrip without ECDS, where empty means that there is nobody to ask.
	Service string
	// MatchBy defaults to ByMatcher.
	MatchBy MatchBy
	// WithoutOrigin defaults to WithoutOriginStrip.
	WithoutOrigin WithoutOrigin
	// ManagedHosts are the only hosts to which WithoutOriginStrip applies: names without
	// a port, or "*.example.com". Empty means every host.
	ManagedHosts []string
	// Fail defaults to FailOpen.
	Fail FailureMode
	// MessageTimeout is how long Envoy waits for corsgate's answer, 1ms to 1m;
	// 0 means DefaultMessageTimeout.
	MessageTimeout time.Duration
	// RouteName lets Envoy send the name of the route, for the decision log.
	RouteName bool
	// AllowCustomMethods lets methods through over HTTP/1 that Envoy does not know. Envoy
	// warns about it at every start.
	AllowCustomMethods bool
	// MergeSlashes lets routes and the upstream see one slash instead of several. It
	// changes no decision.
	MergeSlashes bool
	// Compiled is for NoTrip, and required there.
	Compiled Compiled
	// Admin is the address of Envoy's own admin listener: IP:PORT or
	// "unix:///PATH". Empty means none.
	Admin string
}

// managedHost matches a host name, with or without "*." before it, as in the domains of a
// virtual host.
var managedHost = regexp.MustCompile(`^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)

// Validate reports every mistake in c, as the bootstrap needs it.
func (c Config) Validate() error {
	return errors.Join(c.validateFilters(), listenAddress("listen", c.Listen), remoteAddress("upstream", c.Upstream), c.validateAdmin())
}

// validateFilters reports the mistakes in what the filters and the cluster need.
func (c Config) validateFilters() error {
	return errors.Join(c.validateOptions(), c.validateService())
}

// validateOptions reports the mistakes in what the filters depend on.
func (c Config) validateOptions() error {
	return errors.Join(
		oneOf("profile", c.Profile, Profiles()...),
		oneOf("match-by", c.MatchBy, "", ByMatcher, ByRoute),
		oneOf("without-origin", c.WithoutOrigin, "", WithoutOriginStrip, WithoutOriginLeave),
		oneOf("fail", c.Fail, "", FailOpen, FailClosed),
		c.validateTimeout(),
		c.validateManagedHosts(),
		c.validateCompiled(),
	)
}

func (c Config) validateService() error {
	if c.Profile == NoTrip && c.Service == "" && !c.Compiled.ECDS {
		return nil
	}
	return remoteAddress("service", c.Service)
}

func (c Config) validateAdmin() error {
	if c.Admin == "" {
		return nil
	}
	return listenAddress("admin", c.Admin)
}

func (c Config) validateTimeout() error {
	if c.MessageTimeout != 0 && (c.MessageTimeout < time.Millisecond || c.MessageTimeout > time.Minute) {
		return fmt.Errorf("message timeout %v: write 1ms to 1m", c.MessageTimeout)
	}
	return nil
}

func (c Config) validateManagedHosts() error {
	var errs []error
	for i, host := range c.ManagedHosts {
		if !managedHost.MatchString(host) {
			errs = append(errs, fmt.Errorf("managed host %q: write a lower-case host name without a port, or *. and one", host))
		} else if slices.Contains(c.ManagedHosts[:i], host) {
			errs = append(errs, fmt.Errorf("managed host %q is there twice: remove one", host))
		}
	}
	if len(c.ManagedHosts) > 0 && c.WithoutOrigin == WithoutOriginLeave {
		errs = append(errs, errors.New("managed hosts are those that without-origin strip holds for: leave them out, or without-origin leave"))
	}
	return errors.Join(errs...)
}

// oneOf reports a value that is not in a closed list; an empty one in the list
// stands for a default and is not named.
func oneOf[T ~string](what string, got T, list ...T) error {
	if slices.Contains(list, got) {
		return nil
	}
	words := slices.DeleteFunc(slices.Clone(list), func(v T) bool { return v == "" })
	return fmt.Errorf("%s %q: write one of %q", what, got, words)
}
