// Package policydiff compares two sets of policies by what they decide: which
// origins, methods and headers get another verdict, and whether access widens.
//
// It makes probes from the policies, and asks both sets about them: for each pattern that
// only one of them has, origins that the pattern matches and near misses (another scheme or
// port, the apex, a deeper label, a sibling, a domain of somebody else that ends or begins
// alike); every method and header name, and some that nobody lists; the hosts and paths of
// all policies. It can ask about recorded requests, too. It skips what both sets have, so
// that lists of a million origins cost only as much as their differences.
//
// Every change comes with a request that shows it.
package policydiff
