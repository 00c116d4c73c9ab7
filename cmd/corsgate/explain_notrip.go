package main

import (
	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
)

// noTripOf returns a function that says who decides about a request if the policies are compiled
// into an Envoy that knows the ports, and that can ask.
func noTripOf(set *policy.Set, ports ports) (func(*policy.Request) (explain.NoTrip, error), error) {
	c := envoy.Config{Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, NamedPolicies: true, Ports: ports}}
	filters, err := c.Compile(set)
	if err != nil {
		return nil, err
	}
	asks, err := filters.Resources[0].Asks()
	if err != nil {
		return nil, err
	}
	return func(r *policy.Request) (explain.NoTrip, error) {
		asked, err := asks(r)
		if !asked || err != nil {
			return explain.NoTrip{}, err
		}
		return explain.NoTrip{Asked: true, Why: whyAsked(filters.Policies(), r, set.Decide(r).Policy)}, nil
	}, nil
}

// whyAsked returns the possible reasons to ask about a request that a policy decides. Only
// a reason that is about all requests of the policy is certain.
func whyAsked(reports []notrip.Report, r *policy.Request, name string) (why []string) {
	if r.Policy != "" {
		return []string{"Envoy is given the policy's name"}
	}
	report := notrip.Report{Asked: notrip.AskedSome}
	if i := indexOf(reports, name); i >= 0 {
		report = reports[i]
	}
	for _, cause := range report.Causes {
		text := cause.Reason
		if cause.Field != "" {
			text = cause.Field + ": " + text
		}
		why = append(why, text+" ("+cause.Hint+")")
	}
	if report.Asked != notrip.AskedAll {
		why = append(why, "the spelling of the host or its port (--port), of the origin, of the path, or of the list of headers")
	}
	return why
}
