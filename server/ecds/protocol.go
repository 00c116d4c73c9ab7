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
	// nonce is that of the response that it answers. refusal says why Envoy refused that
	// response.
	nonce   string
	refusal *rpc.Status
	// subscribe are names that Envoy wants from now on, and unsubscribe names that it no
	// longer wants. If all is set, subscribe has all names: Envoy no longer wants any
	// other, and those that it has already are not sent again.
	subscribe, unsubscribe []string
	all                    bool
	// has are the versions that the Envoy already has, by name.
	has map[string]string
}

// message is a response, in pieces. The server sends them as they are.
type message [][]byte

// Encoded returns the pieces.
func (m message) Encoded() [][]byte { return m }

// protocol reads Envoy's requests and makes the responses.
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
	if r.nonce == "" && len(r.subscribe) == 1 { // the version does not say which of several it is for
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

// before returns the bytes of a message that come before a resource of that size. All
// Envoys then share the bytes of the resource.
func before(m proto.Message, size int) ([]byte, error) {
	b, err := proto.Marshal(m)
	b = protowire.AppendTag(b, resourceField, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size)), err
}
