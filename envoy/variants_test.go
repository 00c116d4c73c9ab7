package envoy_test

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/envoy"
)

// variant is a Config and what was chosen in it.
type variant struct {
	name   string
	config envoy.Config
}

// option is what varies, with its choices: each sets one and returns its name.
type option []func(*envoy.Config) string

// options are what varies between the variants of the profiles that ask.
var options = []option{
	{choose(envoy.OneTrip), choose(envoy.TwoPhase), choose(envoy.ExtAuthz)},
	{choose(envoy.ByMatcher), choose(envoy.ByRoute)},
	{choose(envoy.FailOpen), choose(envoy.FailClosed)},
	{choose(envoy.WithoutOriginStrip), choose(envoy.WithoutOriginLeave), manage("api.test"), manage("api.test", "*.api.test")},
	{sendRouteName(false), sendRouteName(true)},
	{connect("127.0.0.1"), connect("[::1]"), connect("some.host"), connect("unix")},
}

// compiledOptions are what varies between those of no-trip.
var compiledOptions = []option{
	{choose(envoy.NoTrip)},
	{choose(envoy.FailOpen), choose(envoy.FailClosed)},
	{sendRouteName(false), sendRouteName(true)},
	{connect("127.0.0.1"), connect("[::1]"), connect("some.host"), connect("unix")},
	{divide(0), divide(1), divide(16)},
	{serve(true), serve(false), deliver},
}

// choose sets the option that has the type of v.
func choose(v any) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		switch v := v.(type) {
		case envoy.Profile:
			c.Profile = v
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

// divide compiles into that many filters.
func divide(shards int) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		c.Compiled = envoy.Compiled{Folder: "/var/lib/corsgate", Shards: shards}
		return fmt.Sprintf("%d shards", shards)
	}
}

// serve leaves the service, or takes it away.
func serve(served bool) func(*envoy.Config) string {
	return func(c *envoy.Config) string {
		if !served {
			c.Service = ""
		}
		return fmt.Sprintf("served %v", served)
	}
}

// deliver has the service deliver the filters.
func deliver(c *envoy.Config) string {
	c.Compiled.Folder, c.Compiled.ECDS = "", true
	return "delivered"
}

// variants are all combinations of the options.
func variants() []variant {
	return append(combinations(options), combinations(compiledOptions)...)
}

func combinations(options []option) []variant {
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
	return all
}

// compiled is a Config of no-trip that is valid, and changed.
func compiled(change func(*envoy.Config)) envoy.Config {
	return with(func(c *envoy.Config) {
		c.Profile, c.Compiled.Folder = envoy.NoTrip, "/var/lib/corsgate"
		change(c)
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
