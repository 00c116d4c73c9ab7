package corsgatetest

import (
	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
)

// Compiler returns what compiles for the Envoys that ask for a resource of that name, as
// "corsgate serve" does.
func Compiler(name string) (ecds.Compile, error) {
	c, _, err := envoy.ParseResourceName(name)
	if err != nil {
		return nil, err
	}
	compiler, err := c.Compiler()
	if err != nil {
		return nil, err
	}
	return func(set *policy.Set) (list []ecds.Resource, err error) {
		compiled, err := compiler.Compile(set)
		if err != nil {
			return nil, err
		}
		for _, r := range compiled.Resources {
			list = append(list, ecds.Resource{Name: r.Name, Version: r.Version, Stamp: r.Stamp, Encoded: r.Encoded})
		}
		return list, nil
	}, nil
}
