package ecds

import (
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// typeURL is the type of what is delivered.
const typeURL = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

// request is a message of Envoy's, of either protocol.
type request struct {
	node    *core.Node // of the first one, at least
	typeURL string
	// nonce is that of the response that it answers, and refusal why that was refused.
	nonce   string
	refusal *rpc.Status
	// subscribe are names that are wanted from now on, and unsubscribe those that are not
	// any more. With all, the others are not either, and who has a name already does not
	// want it again.
	subscribe, unsubscribe []string
	all                    bool
	// has are the versions that the Envoy has of before, by name.
	has map[string]string
}

// message is a response, in pieces. The server sends them as they are.
type message [][]byte

// Encoded returns the pieces.
func (m message) Encoded() [][]byte { return m }

// protocol is how Envoy asks and is answered.
type protocol interface {
	receive(stream grpc.ServerStream) (*request, error)
	// response returns the response with one resource.
	response(r *Resource, nonce string) (message, error)
}

// delta is the incremental protocol.
type delta struct{}

func (delta) receive(stream grpc.ServerStream) (*request, error) {
	m := &discovery.DeltaDiscoveryRequest{}
	if err := stream.RecvMsg(m); err != nil {
		return nil, err
	}
	return &request{
		node: m.GetNode(), typeURL: m.GetTypeUrl(), nonce: m.GetResponseNonce(), refusal: m.GetErrorDetail(),
		subscribe: m.GetResourceNamesSubscribe(), unsubscribe: m.GetResourceNamesUnsubscribe(), has: m.GetInitialResourceVersions(),
	}, nil
}

func (delta) response(r *Resource, nonce string) (message, error) {
	entry, err := before(&discovery.Resource{Name: r.Name, Version: r.Version}, len(r.Encoded))
	if err != nil {
		return nil, err
	}
	head, err := before(&discovery.DeltaDiscoveryResponse{SystemVersionInfo: r.Version, TypeUrl: typeURL, Nonce: nonce}, len(entry)+len(r.Encoded))
	return message{head, entry, r.Encoded}, err
}

// world is the protocol of the state of the world.
type world struct{}

func (world) receive(stream grpc.ServerStream) (*request, error) {
	m := &discovery.DiscoveryRequest{}
	if err := stream.RecvMsg(m); err != nil {
		return nil, err
	}
	r := &request{
		node: m.GetNode(), typeURL: m.GetTypeUrl(), nonce: m.GetResponseNonce(), refusal: m.GetErrorDetail(),
		subscribe: m.GetResourceNames(), all: true,
	}
	if r.nonce == "" && len(r.subscribe) == 1 { // of several, it would not say which
		r.has = map[string]string{r.subscribe[0]: m.GetVersionInfo()}
	}
	return r, nil
}

func (world) response(r *Resource, nonce string) (message, error) {
	head, err := before(&discovery.DiscoveryResponse{VersionInfo: r.Version, TypeUrl: typeURL, Nonce: nonce}, len(r.Encoded))
	return message{head, r.Encoded}, err
}

// resourceField is the number of the field with the resource, or the resources, in
// both protocols' responses, and in Resource.
const resourceField protowire.Number = 2

// before returns the bytes of a message, up to a resource of that size: so that all
// Envoys share its bytes.
func before(m proto.Message, size int) ([]byte, error) {
	b, err := proto.Marshal(m)
	b = protowire.AppendTag(b, resourceField, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size)), err
}
