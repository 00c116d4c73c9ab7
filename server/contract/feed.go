package contract

// DecisionState is the key of Envoy's filter state under which a compiled filter keeps
// what it has decided, until the access log hands it to the feed: a JSON object whose
// members are texts. Three of them are known when policies are compiled: FedSet, the
// stamp of what it was compiled from or the hash of the set, and Policy and Reason. The
// others are FedInputs.
const (
	DecisionState = "corsgate.decision"
	FedSet        = "set"
)

// FedInput is what the feed is told of a request.
type FedInput struct {
	// Key names the member, and Format is what Envoy makes it of.
	Key, Format string
	// Most is how many bytes of it Envoy tells at most.
	Most int
}

// FedInputs are all that a decision looks at, as it is when Envoy decides. A request
// may have longer ones than are told, but such a one decides nothing that a compiled
// filter decides. All of them, of bytes that Envoy escapes, are below the size that
// the service takes a message of.
func FedInputs() []FedInput {
	return []FedInput{
		{"host", "REQ(:AUTHORITY)", 512},
		{"path", "PATH(NQ:PATH)", 8192},
		{"method", "REQ(:METHOD)", 128},
		{"origin", "REQ(ORIGIN)", 1024},
		{"request_method", "REQ(ACCESS-CONTROL-REQUEST-METHOD)", 512},
		{"request_headers", "REQ(ACCESS-CONTROL-REQUEST-HEADERS)", 1024},
		{"request_private_network", "REQ(ACCESS-CONTROL-REQUEST-PRIVATE-NETWORK)", 64},
		{"sec_fetch_site", "REQ(SEC-FETCH-SITE)", 64},
		{"upgrade", "REQ(UPGRADE)", 64},
		{"protocol", "REQ(:PROTOCOL)", 64},
	}
}
