//go:build linux

package kubernetes

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// upgrade is a manifest that is applied over another one.
type upgrade struct {
	variant
	// has and lacks are what tells it from the one before, in Envoy's configuration.
	has, lacks string
	// right tells which answers pages may get meanwhile.
	right func(request, answer) bool
}

// upgrades returns manifests whose flags differ, which is how those of two versions differ.
// all are the arguments of each, and service are those of the ones that ask corsgate.
func upgrades(all, service []string) []upgrade {
	served := func(args ...string) []string { return slices.Concat(service, all, args) }
	const elsewhere = "localhost:25501"
	return []upgrade{
		{variant{"no-trip", true, served()}, `"corsgate.timeout-60000ms.named"`, "", decided},
		{variant{"no-trip in shards", true, served("--shards", "4")}, `"corsgate-0-of-4.timeout-60000ms.named"`, `"corsgate.timeout-60000ms.named"`, decided},
		{variant{"no-trip that names policies", true, served("--policy-names")}, `"corsgate.timeout-60000ms.named.policy-names"`, `"corsgate-0-of-4.timeout-60000ms.named"`, decided},
		{variant{"one-trip", true, served("--profile", "one-trip")}, `"corsgate.decide"`, `"corsgate.timeout-60000ms.named.policy-names"`, decided},
		{variant{"one-trip that waits longer", true, served("--profile", "one-trip", "--message-timeout", "50s")}, `"50s"`, "", decided},
		{variant{"one-trip that fails closed", true, served("--profile", "one-trip", "--fail", "closed")}, `"status_on_error"`, `"50s"`, decided},
		{variant{"one-trip, the service elsewhere", true, served("--profile", "one-trip", "--service", elsewhere)}, `"localhost"`, `"status_on_error"`, grantedOrNot},
		{variant{"no-trip in the object", false, all}, `"deny_at_disable"`, `"corsgate.decide"`, grantedOrNot},
		{variant{"no-trip again", true, served()}, `"corsgate.timeout-60000ms.named"`, "", grantedOrNot},
	}
}

// tryUpgrades applies one manifest over the other, and removes the last one before corsgate.
// Pages ask all the time, and get what they should.
func tryUpgrades(t *testing.T, startSite func(*testing.T, variant) *site, list []upgrade) {
	t.Helper()
	s := startSite(t, list[0].variant)
	for _, u := range list[1:] {
		s.whileAsked(t, u.row, u.right, func() {
			s.apply(s.manifest(t, u.variant))
			servertest.Await(t, u.row, func() bool {
				config := dump(t)
				return strings.Contains(config, u.has) && (u.lacks == "" || !strings.Contains(config, u.lacks))
			})
			s.awaitDecisions(t, u.variant)
		})
	}
	s.whileAsked(t, "uninstalled", func(_ request, a answer) bool { return a.status/100 == 2 }, func() {
		s.remove()
		s.untouched(t)
		s.corsgate.Kill()
		s.untouched(t)
	})
}

// decided reports whether an answer is what the demo's policies say.
func decided(r request, a answer) bool {
	switch {
	case r.header["Origin"] == unknown:
		return a.status == 200 && a.cors == 0 && a.varies()
	case r.method == "OPTIONS":
		return a.status == 204 && a.allowed == known
	}
	return a.status == 200 && a.allowed == known && a.varies()
}

// grantedOrNot takes besides what pages get while nobody answers Envoy.
func grantedOrNot(r request, a answer) bool {
	return decided(r, a) || a.status == 200 && a.cors == 0 && a.varies()
}

// maxLost is how many requests may meet a connection or a cluster that an update takes
// away: Envoy answers these with 503, and grants nothing.
const maxLost = 2

// whileAsked asks without a pause while something is done, and reports answers that are not
// right.
func (s *site) whileAsked(t *testing.T, what string, right func(request, answer) bool, do func()) {
	t.Helper()
	done := make(chan struct{})
	var asking sync.WaitGroup
	for _, r := range []request{preflight(s.host, known), from(s.host, known), from(s.host, unknown)} {
		asking.Go(func() {
			for n, lost := 0, 0; ; n++ {
				a := ask(t, s.url, r)
				if a.status == 503 && a.cors == 0 && lost < maxLost {
					lost++
					t.Logf("%s: request %d, %s from %s, got 503", what, n, r.method, r.header["Origin"])
					continue
				}
				if !right(r, a) {
					t.Errorf("%s: request %d, %s from %s, got %+v", what, n, r.method, r.header["Origin"], a)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	defer asking.Wait()
	defer close(done)
	do()
}

func TestEnvoyGatewayUpgrades(t *testing.T) {
	envoytest.Full(t)
	tryUpgrades(t, startGateway, upgrades([]string{"--gateway-listener", "http,other,https"}, []string{"--service", serviceAddress}))
}

func TestIstioUpgrades(t *testing.T) {
	needIstio(t)
	tryUpgrades(t, startIstio, upgrades(nil, []string{"--service", serviceAddress}))
}

// tryAnotherName has an object of another name go, as the README says: the new one is applied,
// and then the old one is deleted. No request is without its answer.
func tryAnotherName(t *testing.T, startSite func(*testing.T, variant) *site) {
	t.Helper()
	old, next := variant{"old", true, []string{"--service", serviceAddress}}, variant{"next", true, []string{"--service", serviceAddress, "--shards", "4"}}
	s := startSite(t, old)
	before := regexp.MustCompile(`(?m)^metadata: \{name: corsgate-[a-z0-9-]+,`).ReplaceAllString(s.manifest(t, old), "metadata: {name: corsgate,")
	s.apply(before)
	s.awaitDecisions(t, old)
	s.whileAsked(t, "another name", decided, func() {
		s.apply(s.manifest(t, next) + "---\n" + before)
		s.edit(t, old) // a while with both
		s.apply(s.manifest(t, next))
		servertest.Await(t, "the object of the new name alone", func() bool {
			config := dump(t)
			return strings.Contains(config, `"corsgate-0-of-4.timeout-60000ms.named"`) && !strings.Contains(config, `"corsgate.timeout-60000ms.named"`)
		})
		s.awaitDecisions(t, next)
	})
}

func TestEnvoyGatewayTakesAnotherName(t *testing.T) {
	envoytest.Full(t)
	tryAnotherName(t, startGateway)
}

func TestIstioTakesAnotherName(t *testing.T) {
	needIstio(t)
	tryAnotherName(t, startIstio)
}
