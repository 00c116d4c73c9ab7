package envoy_test

import (
	"errors"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	// The types of the generated configuration, for every "@type" in it.
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/consistent_hashing/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/metadata/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// decode reads a bootstrap strictly.
func decode(doc []byte) (*bootstrapv3.Bootstrap, error) {
	b := &bootstrapv3.Bootstrap{}
	err := decodeInto(doc, b)
	return b, err
}

// decodeInto reads a message strictly, with all that its Anys hold, and checks
// the rules of each message in it.
func decodeInto(doc []byte, m proto.Message) error {
	if err := protojson.Unmarshal(doc, m); err != nil {
		return err
	}
	var broken []error
	err := protorange.Range(m.ProtoReflect(), func(p protopath.Values) error {
		if inner, ok := p.Index(-1).Value.Interface().(protoreflect.Message); ok {
			broken = append(broken, validate(inner.Interface()))
		}
		return nil
	})
	return errors.Join(append(broken, err)...)
}

// validate checks one message; what an Any holds is checked by itself.
func validate(m proto.Message) error {
	v, ok := m.(interface{ ValidateAll() error })
	if _, isAny := m.(*anypb.Any); isAny || !ok {
		return nil
	}
	return v.ValidateAll()
}
