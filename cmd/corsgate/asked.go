package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// The codes of what the profile no-trip says about a policy.
const (
	codeCompiled     = "compiled"      // Envoy decides
	codeAskedSome    = "asked-some"    // Envoy asks about some requests
	codeAskedWhole   = "asked-whole"   // Envoy asks about every request with an Origin
	codeNeedsService = "needs-service" // Envoy would have to, and there is no service
)

// compileFor compiles policies for an Envoy, and says for each one what Envoy asks
// about. If there is no service, a policy that needs one is an error.
func compileFor(c envoy.Config, r policyfile.Result) (*notrip.Result, []policyfile.Diagnostic, error) {
	filters, err := c.Compile(policy.Compile(r.Policies))
	if err != nil {
		return nil, nil, err
	}
	var found []policyfile.Diagnostic
	reports := filters.Policies()
	for i, report := range reports {
		for _, cause := range causesOf(report) {
			if i := indexOf(reports, cause.Other); i >= 0 {
				at := r.Locate(i, "name")
				cause.Hint += fmt.Sprintf(", at %s:%d", at.File, at.Line)
			}
			d := askedFinding(report, cause, c.Service != "")
			at := r.Locate(i, cause.Field)
			d.File, d.Line, d.Column, d.Field, d.Value = at.File, at.Line, at.Column, at.Field, report.Policy
			found = append(found, d)
		}
	}
	return filters, found, nil
}

// indexOf returns where the policy of that name is, or -1.
func indexOf(reports []notrip.Report, name string) int {
	return slices.IndexFunc(reports, func(r notrip.Report) bool { return r.Policy == name })
}

func byPlace(a, b policyfile.Diagnostic) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// causesOf returns at least one cause: an empty one is about the whole policy.
func causesOf(report notrip.Report) []notrip.Cause {
	if len(report.Causes) == 0 {
		return make([]notrip.Cause, 1)
	}
	return report.Causes
}

// askedFinding says what Envoy asks about because of one cause in a policy. The finding has
// no place yet. Without a service, Envoy refuses such requests.
func askedFinding(report notrip.Report, cause notrip.Cause, service bool) policyfile.Diagnostic {
	d := policyfile.Diagnostic{Level: policy.Note, Hint: cause.Hint}
	switch {
	case report.Asked == notrip.AskedAll && service:
		d.Code, d.Reason = codeAskedWhole, "Envoy asks the service about every request with an Origin"
	case report.Asked == notrip.AskedAll:
		d.Level, d.Code, d.Reason = policy.Error, codeNeedsService, "Envoy alone cannot decide about it"
		d.Hint = strings.TrimPrefix(d.Hint+", or have a service", ", or ")
	case report.Asked == notrip.AskedSome && service:
		d.Code, d.Reason = codeAskedSome, "Envoy asks the service about some requests"
	case report.Asked == notrip.AskedSome:
		d.Code, d.Reason = codeAskedSome, "some requests are refused, since there is no service to ask"
	case service:
		d.Code, d.Reason = codeCompiled, "Envoy decides by itself, and asks the service only about odd spellings"
	default:
		d.Code, d.Reason = codeCompiled, "Envoy decides by itself, and refuses odd spellings"
	}
	for _, more := range []string{cause.Field, cause.Reason} {
		if more != "" {
			d.Reason += ": " + more
		}
	}
	return d
}

// compiledWhole counts the policies that Envoy decides about by itself.
func compiledWhole(found []policyfile.Diagnostic) (n int) {
	for _, d := range found {
		if d.Code == codeCompiled {
			n++
		}
	}
	return n
}

// byItself says about how many policies Envoy decides by itself.
func byItself(policies int, found []policyfile.Diagnostic) string {
	whole := compiledWhole(found)
	if whole == policies {
		return "Envoy decides by itself"
	}
	return fmt.Sprintf("Envoy decides about %d by itself, about %d not always", whole, policies-whole)
}
