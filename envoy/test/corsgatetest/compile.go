package corsgatetest

import (
	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
)

// Compile compiles what an Envoy asks for, as "corsgate serve" does.
func Compile(set *policy.Set, name string) (list []ecds.Resource, err error) {
	c, _, err := envoy.ParseResourceName(name)
	if err != nil {
		return nil, err
	}
	compiled, err := c.Compile(set)
	if err != nil {
		return nil, err
	}
	for _, r := range compiled.Resources {
		list = append(list, ecds.Resource{Name: r.Name, Version: r.Version, Stamp: r.Stamp, Config: r.Filter})
	}
	return list, nil
}
