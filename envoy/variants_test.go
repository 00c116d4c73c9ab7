package envoy_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy"
)

// variant is a Config and what was chosen in it.
type variant struct {
	name   string
	config envoy.Config
}

// options are what varies between the variants, and the choices of each.
var options = [][]func(*envoy.Config) string{
	chooseProfile(),
	{choose(envoy.ByMatcher), choose(envoy.ByRoute)},
	{choose(envoy.FailOpen), choose(envoy.FailClosed)},
	{choose(envoy.WithoutOriginStrip), choose(envoy.WithoutOriginLeave), manage("api.test"), manage("api.test", "*.api.test")},
	{sendRouteName(false), sendRouteName(true)},
	{connect("127.0.0.1"), connect("[::1]"), connect("some.host"), connect("unix")},
}

// choose sets the option that has the type of v.
func choose(v any) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		switch v := v.(type) {
		case envoy.Profile:
			c.Profile = v
			c.Compiled.Folder = "/etc/envoy/corsgate"
		case envoy.MatchBy:
			c.MatchBy = v
		case envoy.FailureMode:
			c.Fail = v
		case envoy.WithoutOrigin:
			c.WithoutOrigin = v
		}
		return fmt.Sprint(v)
	}
}

func chooseProfile() (choices []func(*envoy.Config) string) {
	for _, p := range envoy.Profiles() {
		choices = append(choices, choose(p))
	}
	return choices
}

func sendRouteName(send bool) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		c.RouteName = send
		return fmt.Sprintf("route name %v", send)
	}
}

func manage(hosts ...string) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		c.ManagedHosts = hosts
		return fmt.Sprintf("%d managed hosts", len(hosts))
	}
}

// connect sets the addresses; with unix, all are sockets that may be one.
func connect(host string) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		c.Listen, c.Admin = "127.0.0.1:0", "[::1]:0"
		c.Upstream, c.Service = host+":8080", host+":9001"
		if host == "unix" {
			c.Listen, c.Admin = "unix:///tmp/corsgate-listen.sock", ""
			c.Upstream, c.Service = "unix:///tmp/corsgate up.sock", "unix:///tmp/corsgate.sock"
		}
		return host
	}
}

// variants are all combinations of the options that make sense: a compiled filter
// matches by itself and knows the hosts.
func variants() []variant {
	all := []variant{{}}
	for _, choices := range options {
		var more []variant
		for _, v := range all {
			for _, set := range choices {
				next := v
				next.name = strings.TrimPrefix(v.name+"/"+set(&next.config), "/")
				more = append(more, next)
			}
		}
		all = more
	}
	return slices.DeleteFunc(all, func(v variant) bool {
		c := v.config
		return c.Profile == envoy.NoTrip && (c.MatchBy == envoy.ByRoute || c.WithoutOrigin == envoy.WithoutOriginLeave || len(c.ManagedHosts) > 0)
	})
}

// sample is every seventh variant: each choice of each option is in it, since no
// option has a multiple of 7 choices.
func sample() []variant {
	var some []variant
	for i, v := range variants() {
		if i%7 == 0 {
			some = append(some, v)
		}
	}
	return some
}

// with is a Config that is valid, and changed.
func with(change func(*envoy.Config)) envoy.Config {
	c := envoy.Config{Profile: envoy.OneTrip, Listen: "127.0.0.1:10000", Upstream: "127.0.0.1:8080", Service: "127.0.0.1:9001"}
	change(&c)
	return c
}
