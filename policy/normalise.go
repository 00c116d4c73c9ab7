package policy

import "strings"

// normalise returns the one normal form of s: what is the default is left
// out, header names are in lower case, paths have one form of escapes and no
// trailing slash, and a repeated entry of a list is dropped, the order kept. It
// is idempotent, keeps what s decides, and shares no list with s.
func normalise(s Spec) Spec {
	s.Hosts = unique(s.Hosts, strings.ToLower)
	s.Paths = unique(s.Paths, normalPrefix)
	s.CORS = normaliseCORS(s.CORS)
	s.Mode = orZero(s.Mode, ModeEnforce)
	s.UpstreamHeaders = orZero(s.UpstreamHeaders, UpstreamReplace)
	s.UnmatchedPreflights = orZero(s.UnmatchedPreflights, UnmatchedReject)
	s.DeniedRequests = orZero(s.DeniedRequests, DeniedPass)
	s.PreflightStatus = orZero(s.PreflightStatus, 204)
	s.PreflightLists = orZero(s.PreflightLists, ListsFull)
	s.Dangerously = unique(s.Dangerously, func(o OptIn) OptIn { return o })
	return s
}

func normaliseCORS(c CORS) CORS {
	same := func(s string) string { return s }
	c.AllowOrigins = unique(c.AllowOrigins, same)
	if c.AllowOrigins == nil {
		c.AllowOrigins = []string{} // its JSON is a list in any case
	}
	c.AllowOriginRegexes = unique(c.AllowOriginRegexes, same)
	c.AllowMethods = unique(c.AllowMethods, same)
	c.AllowHeaders = unique(c.AllowHeaders, strings.ToLower)
	c.ExposeHeaders = unique(c.ExposeHeaders, strings.ToLower)
	if c.MaxAge != nil {
		age := *c.MaxAge
		c.MaxAge = &age
	}
	return c
}

// orZero returns v, or the zero value for the default one.
func orZero[T comparable](v, byDefault T) T {
	var zero T
	if v == byDefault {
		return zero
	}
	return v
}

// unique returns the normal forms of list in its order, each once; nil when it
// is empty.
func unique[T ~string](list []T, normal func(T) T) []T {
	if len(list) == 0 {
		return nil
	}
	kept := make([]T, 0, len(list))
	seen := make(map[T]struct{}, len(list))
	for _, entry := range list {
		entry = normal(entry)
		seen[entry] = struct{}{}
		if len(seen) > len(kept) {
			kept = append(kept, entry)
		}
	}
	return kept
}
