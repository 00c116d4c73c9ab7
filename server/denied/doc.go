// Package denied keeps the most frequent denied origins of each policy, in
// memory that no traffic can grow: for the page that asks "who is turned away,
// and should they be?".
//
// The counting is Filtered Space-Saving (Homem and Carvalho, "Finding top-k
// elements in data streams", 2010), which is Space-Saving (Metwally, Agrawal
// and El Abbadi, 2005) behind a filter: an origin replaces the least frequent
// one only when it has likely come as often. So a flood of made-up origins, each
// of which comes once, does not displace those that keep coming.
package denied
