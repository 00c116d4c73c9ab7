package explain

import (
	"golang.org/x/net/publicsuffix"

	"github.com/corsgate/corsgate/policy"
)

// registrable returns the domain of host that its owner has registered (HTML,
// #registrable-domain). A host without one, such as an address or localhost, is
// its own.
func registrable(host string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return domain
}

// isKin reports whether p and o have one owner. The hosts of other schemes, such as those
// of apps, have no owner.
func isKin(p policy.Pattern, o policy.Origin) bool {
	return defaultPorts[p.Scheme] != "" && defaultPorts[o.Scheme] != "" && registrable(p.Host) == registrable(o.Host)
}

// sameSite is HTML, #same-site: the scheme counts.
func sameSite(a, b policy.Origin) bool {
	return a.Scheme == b.Scheme && registrable(a.Host) == registrable(b.Host)
}
