package envoy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/notrip"
)

// maxResourceName bounds the name of a resource, in bytes. A name with all parts and the
// most ports is shorter.
const maxResourceName = 256

// The first part of a resource's name, and those that have a value.
const (
	resourcePart = "corsgate"
	portsPart    = "ports-"
	timeoutPart  = "timeout-"
)

// namedOption is a part of a resource's name that stands for an option of the Envoy.
type namedOption struct {
	word string
	is   func(Config) bool
	set  func(*Config)
}

// namedOptions come after the other parts, in this order.
var namedOptions = []namedOption{
	{"named", func(c Config) bool { return c.Compiled.NamedPolicies }, func(c *Config) { c.Compiled.NamedPolicies = true }},
	{"policy-names", func(c Config) bool { return c.Compiled.namesPolicies() }, func(c *Config) { c.Compiled.PolicyNames = true }},
	{"feed", func(c Config) bool { return c.Compiled.Feed > 0 }, func(c *Config) { c.Compiled.Feed = WholeFeed }},
	{"lua", func(c Config) bool { return c.Compiled.Reply == notrip.ByLua }, func(c *Config) { c.Compiled.Reply = notrip.ByLua }},
	{"closed", func(c Config) bool { return c.Fail == FailClosed }, func(c *Config) { c.Fail = FailClosed }},
	{"route-name", func(c Config) bool { return c.RouteName }, func(c *Config) { c.RouteName = true }},
}

// ResourceName returns the name by which c's Envoy asks for a filter by extension config
// discovery; shard is 0 if there are no others. The name has all that a filter depends on
// besides the policies, since one service delivers to Envoys with different options:
//
//	corsgate-3-of-16.ports-8080-8443.timeout-250ms.named.lua
func (c Config) ResourceName(shard int) string {
	return notrip.Options{Shards: c.Compiled.Shards, Suffix: c.resourceSuffix()}.ResourceName(shard)
}

// resourceSuffix returns all parts but the first, each with a dot before it.
func (c Config) resourceSuffix() string {
	parts := []string{""}
	if ports := c.Compiled.ports(); len(ports) > 0 {
		parts = append(parts, portsPart+strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", "-"), "[]"))
	}
	if timeout := cmp.Or(c.MessageTimeout, DefaultMessageTimeout); timeout != DefaultMessageTimeout {
		parts = append(parts, fmt.Sprintf("%s%dms", timeoutPart, timeout.Milliseconds()))
	}
	for _, o := range namedOptions {
		if o.is(c) {
			parts = append(parts, o.word)
		}
	}
	return strings.Join(parts, ".")
}

// filterName returns the name of the filter in Envoy's configuration. If the service
// delivers the filter, it is the name of the resource.
func (c Config) filterName() string {
	if c.Compiled.ECDS && c.Compiled.Shards <= 1 {
		return c.ResourceName(0)
	}
	return resourcePart
}

// ParseResourceName is the inverse of ResourceName: it returns the options of the Envoy to
// deliver to, and which filter it asks for.
func ParseResourceName(name string) (c Config, shard int, err error) {
	c = Config{Profile: NoTrip, Compiled: Compiled{ECDS: true}}
	if len(name) > maxResourceName {
		return c, 0, fmt.Errorf("a resource name of %d bytes: write at most %d, as \"corsgate envoy-config --ecds\" does", len(name), maxResourceName)
	}
	first, rest, some := strings.Cut(name, ".")
	if shard, err = c.readFirst(first); some && err == nil {
		err = c.readParts(strings.Split(rest, "."))
	}
	if err == nil {
		err = c.validateOptions()
	}
	if again := c.ResourceName(shard); err == nil && again != name {
		err = fmt.Errorf("write %q", again)
	}
	if err != nil {
		return c, 0, fmt.Errorf("resource %q: %w", name, err)
	}
	return c, shard, nil
}

var shardName = regexp.MustCompile(`^` + resourcePart + `-([0-9]{1,3})-of-([0-9]{1,3})$`)

// readFirst reads the first part, and returns which filter it names.
func (c *Config) readFirst(part string) (shard int, err error) {
	if part == resourcePart {
		return 0, nil
	}
	m := shardName.FindStringSubmatch(part)
	if m == nil {
		return 0, fmt.Errorf("write %s, or %s-3-of-16, instead of %q", resourcePart, resourcePart, part)
	}
	shard, _ = strconv.Atoi(m[1])
	c.Compiled.Shards, _ = strconv.Atoi(m[2])
	if shard >= c.Compiled.Shards {
		return 0, fmt.Errorf("of %d shards, write 0 to %d", c.Compiled.Shards, c.Compiled.Shards-1)
	}
	return shard, nil
}

func (c *Config) readParts(parts []string) error {
	for _, part := range parts {
		if err := c.readPart(part); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) readPart(part string) error {
	i := slices.IndexFunc(namedOptions, func(o namedOption) bool { return o.word == part })
	switch {
	case i >= 0:
		namedOptions[i].set(c)
		return nil
	case strings.HasPrefix(part, portsPart):
		return c.readPorts(strings.TrimPrefix(part, portsPart))
	case strings.HasPrefix(part, timeoutPart):
		return c.readTimeout(strings.TrimPrefix(part, timeoutPart))
	}
	return fmt.Errorf("the part %q is not known: configure Envoy with the \"corsgate envoy-config\" of this version, or update corsgate", part)
}

func (c *Config) readPorts(text string) error {
	for one := range strings.SplitSeq(text, "-") {
		port, err := strconv.ParseUint(one, 10, 16)
		if err != nil {
			return fmt.Errorf("port %q: write 1 to 65535", one)
		}
		c.Compiled.Ports = append(c.Compiled.Ports, uint16(port))
	}
	return nil
}

func (c *Config) readTimeout(text string) (err error) {
	if c.MessageTimeout, err = time.ParseDuration(text); err != nil || c.MessageTimeout == 0 {
		return fmt.Errorf("timeout %q: write milliseconds, such as 250ms", text)
	}
	return nil
}
