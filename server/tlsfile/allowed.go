package tlsfile

import (
	"context"
	"slices"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Allowed are the only subject alternative names, as in Files.AllowedSANs, of clients
// that may use a gRPC service that is not for all whom the listener lets in. Empty means
// everybody.
type Allowed []string

// Admits reports whether the client of a call may use the service. Its names are those
// that its certificate vouches for.
func (a Allowed) Admits(ctx context.Context) (names []string, ok bool) {
	if len(a) == 0 {
		return nil, true
	}
	if p, known := peer.FromContext(ctx); known {
		if info, isTLS := p.AuthInfo.(credentials.TLSInfo); isTLS {
			names = ClientNames(info.State)
		}
	}
	return names, a.haveOneOf(names)
}

func (a Allowed) haveOneOf(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(a, name) })
}
