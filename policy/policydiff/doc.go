// Package policydiff compares two sets of policies by what they decide: which
// origins, methods and headers get another verdict, and whether access widens.
//
// It asks both sets about probes that it makes of what is written in them: for
// each pattern that one of them has alone, origins that it is made for and near
// misses (another scheme or port, the apex, a deeper label, a sibling, a domain
// of somebody else that ends or begins alike); every method and header name,
// and some that nobody lists; the hosts and paths of all policies. Recorded
// requests can be asked about besides. What the probes have in common is
// skipped, so that lists of a million origins cost what differs in them.
//
// Every change comes with a request that shows it.
package policydiff
