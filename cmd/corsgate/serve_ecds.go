package main

import (
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
)

// ecdsFlags are the flags of serve about the delivery of compiled policies.
type ecdsFlags struct {
	joinedFlags
	budget size
}

var ecdsWords = joinedWords{
	flag: "ecds", help: "deliver the compiled policies to the Envoys of 'envoy-config --profile no-trip --ecds', on --grpc-listen",
	client: "gets them", open: "read all that the policies say",
	allow: "has no effect without --ecds", remote: "gives the policies to whoever reaches it",
}

// define defines the flags.
func (f *ecdsFlags) define(flags *pflag.FlagSet) {
	f.budget = notrip.DefaultBudget
	f.joinedFlags.define(flags, &ecdsWords)
	flags.Var(&f.budget, "no-trip-budget", "`SIZE` that the compiled policies of an Envoy may have; Envoy asks about what does not fit")
}

// server returns the server that delivers the compiled policies, or nil.
func (f *ecdsFlags) server() *ecds.Server {
	if !f.on {
		return nil
	}
	return &ecds.Server{Compiler: f.compiler, Allowed: f.allowed}
}

// compiler returns a compiler of sets for the Envoys that ask for a resource of that
// name.
func (f *ecdsFlags) compiler(name string) (ecds.Compile, error) {
	c, _, err := envoy.ParseResourceName(name)
	if err != nil {
		return nil, err
	}
	c.Compiled.Budget = int(f.budget)
	compiler, err := c.Compiler()
	if err != nil {
		return nil, err
	}
	return func(set *policy.Set) ([]ecds.Resource, error) {
		compiled, err := compiler.Compile(set)
		if err != nil {
			return nil, err
		}
		list := make([]ecds.Resource, 0, len(compiled.Resources))
		for _, r := range compiled.Resources {
			list = append(list, ecds.Resource{Name: r.Name, Version: r.Version, Stamp: r.Stamp, Encoded: r.Encoded})
		}
		return list, nil
	}, nil
}
