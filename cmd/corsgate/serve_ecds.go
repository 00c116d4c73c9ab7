package main

import (
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/addr"
	"github.com/corsgate/corsgate/server/ecds"
)

// ecdsFlags are what the flags of serve say of who gets the compiled policies.
type ecdsFlags struct {
	on, remote bool
	allowed    []string
	budget     size
}

// define defines the flags.
func (f *ecdsFlags) define(flags *pflag.FlagSet) {
	f.budget = notrip.DefaultBudget
	flags.BoolVar(&f.on, "ecds", false, "deliver the compiled policies to the Envoys of 'envoy-config --profile no-trip --ecds', on --grpc-listen")
	flags.StringSliceVar(&f.allowed, "ecds-allow", nil, "the only `NAME` (DNS, URI, e-mail, IP) of a client certificate that gets them, repeatable; all by default")
	flags.BoolVar(&f.remote, "ecds-insecure-allow-remote", false, "let --grpc-listen be another address than loopback without client certificates; whoever reaches it can read all that the policies say")
	flags.Var(&f.budget, "no-trip-budget", "`SIZE` that the compiled policies of an Envoy may have; what does not fit in is asked about")
}

// check reports who may get policies and should not, on a listener at that address.
func (f *ecdsFlags) check(listen string, t *tlsFlags) error {
	a, err := addr.Parse(listen)
	mutual := t.clientCA != ""
	switch {
	case err != nil:
		return err // which checkListen has told
	case !f.on && len(f.allowed) > 0:
		return misused("add --ecds, or leave it out", "--ecds-allow says who gets what --ecds delivers")
	case !f.on:
		return nil
	case len(f.allowed) > 0 && !mutual:
		return misused("add --grpc-tls-client-ca", "--ecds-allow has nobody to vouch for the names")
	case a.Path == "" && !a.IsLoopback() && !mutual && !f.remote:
		return misused("listen on 127.0.0.1 or a Unix socket, or add --grpc-tls-cert, --grpc-tls-key and --grpc-tls-client-ca, or say --ecds-insecure-allow-remote when nobody else can reach the address",
			"--ecds on %s, without client certificates, gives the policies to whoever reaches it", listen)
	}
	return nil
}

// server returns what delivers the compiled policies, or nil.
func (f *ecdsFlags) server() *ecds.Server {
	if !f.on {
		return nil
	}
	return &ecds.Server{Compile: f.compile, Allowed: f.allowed}
}

// compile compiles a set for the Envoys that ask for a resource of that name.
func (f *ecdsFlags) compile(set *policy.Set, name string) ([]ecds.Resource, error) {
	c, _, err := envoy.ParseResourceName(name)
	if err != nil {
		return nil, err
	}
	c.Compiled.Budget = int(f.budget)
	compiled, err := c.Compile(set)
	if err != nil {
		return nil, err
	}
	list := make([]ecds.Resource, 0, len(compiled.Resources))
	for _, r := range compiled.Resources {
		list = append(list, ecds.Resource{Name: r.Name, Version: r.Version, Config: r.Filter})
	}
	return list, nil
}
