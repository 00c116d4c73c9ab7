package doctor

import (
	"fmt"
	"iter"

	"github.com/corsgate/corsgate/policy"
)

// report takes what a rule finds.
type report func(level policy.Level, p Place, what, seen, write string)

// check is one rule. It looks at the facts, and reports what breaks it.
type check struct {
	code string
	find func(f *facts, report report)
}

// checks are all rules, in the order in which somebody would look: is it there, does it
// stand where it must, does nobody else interfere, is it asked as it must be, does it
// answer, and is what serves what was meant.
var checks = []check{
	{"unreadable", unreadParts},
	{"envoy-too-old", tooOld},
	{"filters-missing", filtersMissing},
	{"chain-unguarded", chainUnguarded},
	{"never-enabled", neverEnabled},
	{"switched-off", switchedOff},
	{"half-switched-off", halfSwitchedOff},
	{"host-without-part", hostWithoutPart},
	{"preflights-not-routed", preflightsNotRouted},
	{"host-not-routed", hostsNotRouted},
	{"port-not-routed", portsNotRouted},
	{"names-no-filter", lostConfigs},
	{"filter-before", filterBefore},
	{"filter-between", filterBetween},
	{"wrong-order", wrongOrder},
	{"asked-twice", askedTwice},
	{"router-missing", routerMissing},
	{"router-not-last", routerNotLast},
	{"native-cors", nativeCORS},
	{"cors-header-added", corsHeaderAdded},
	{"origin-changed", originChanged},
	{"csrf-behind", csrfBehind},
	{"body-limit", bodyLimit},
	{"path-not-normalised", pathNotNormalised},
	{"paths-refused", pathsRefused},
	{"not-grpc", notGRPC},
	{"requests-not-sent", requestsNotSent},
	{"responses-not-edited", responsesNotEdited},
	{"bodies-sent", bodiesSent},
	{"answers-ignored", answersIgnored},
	{"immediate-answers-off", immediateAnswersOff},
	{"mode-override", modeOverride},
	{"headers-withheld", headersWithheld},
	{"credentials-sent", credentialsSent},
	{"route-cache-cleared", routeCacheCleared},
	{"mutations-refused", mutationsRefused},
	{"metadata-refused", metadataRefused},
	{"asked-by-chance", askedByChance},
	{"asked-about-some", askedAboutSome},
	{"policy-unknown", policyUnknown},
	{"name-not-sent", nameNotSent},
	{"apply-incomplete", applyIncomplete},
	{"default-missing", defaultMissing},
	{"timeout", timeouts},
	{"failure-modes-differ", failureModesDiffer},
	{"fails-open", failsOpen},
	{"fails-with-500", failsWith500},
	{"bare-filter", bareFilter},
	{"cluster-missing", clusterMissing},
	{"cluster-not-http2", clusterNotHTTP2},
	{"cluster-unhealthy", clusterUnhealthy},
	{"cluster-health-check", clusterHealthCheck},
	{"cluster-limits", clusterLimits},
	{"cluster-keepalive", clusterKeepalive},
	{"filter-not-delivered", filterNotDelivered},
	{"filter-refused", filterRefused},
	{"filter-out-of-date", filterOutOfDate},
	{"update-refused", updateRefused},
	{"service-not-ready", serviceNotReady},
	{"misused", misused},
	{"counter", counted},
}

// Codes returns the codes of all rules, and those of probes.
func Codes() (codes []string) {
	for _, c := range checks {
		codes = append(codes, c.code)
	}
	return append(codes, codeProbe, codeProbePort, codeProbeFailed, codeProbeUnfinished)
}

// Examine judges what is known of an Envoy. It fails only if that is not an Envoy's
// configuration.
func Examine(in Input) (Report, error) {
	f, err := read(in)
	if err != nil {
		return Report{}, err
	}
	r := Report{Findings: []Finding{}}
	if f.version.known() {
		r.Envoy = f.version.String()
	}
	for _, c := range checks {
		r.add(c.run(f)...)
	}
	return r, nil
}

// run returns what breaks the rule. Of many findings it keeps some, and says how many
// there are.
func (c check) run(f *facts) (list []Finding) {
	more := 0
	c.find(f, func(level policy.Level, p Place, what, seen, write string) {
		if len(list) == maxSame {
			more++
			return
		}
		list = append(list, Finding{Code: c.code, Level: level, Place: p, What: what, Seen: seen, Write: write})
	})
	if more > 0 {
		list[maxSame-1].What += fmt.Sprintf(" (and %d more of this kind)", more)
	}
	return list
}

// guarded returns the connection managers that have corsgate's filters.
func (f *facts) guarded() (list []*manager) {
	for _, m := range f.managers {
		if len(m.decides()) > 0 {
			list = append(list, m)
		}
	}
	return list
}

// asks ranges over the filters that ask corsgate. It leaves out those within a compiled
// filter, which corsgate itself has written.
func (f *facts) asks() iter.Seq2[*manager, *ask] {
	return func(yield func(*manager, *ask) bool) {
		for _, m := range f.guarded() {
			for _, a := range m.asks() {
				if !a.inside && !yield(m, a) {
					return
				}
			}
		}
	}
}
