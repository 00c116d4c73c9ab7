package doctor

import (
	"strings"

	typed "github.com/cncf/xds/go/xds/type/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3" // ExtensionWithMatcher, within which filters stand
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	commoninputs "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// lenient finds the types of Any messages. Instead of one that is not known it gives an
// empty one, so that an extension of somebody else's does not make the rest unreadable.
// The Any keeps the name of the type.
type lenient struct{}

// FindMessageByURL implements protojson's resolver.
func (lenient) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if t, err := protoregistry.GlobalTypes.FindMessageByURL(url); err == nil {
		return t, nil
	}
	return (&commoninputs.SourceIPInput{}).ProtoReflect().Type(), nil
}

// FindMessageByName implements protojson's resolver.
func (lenient) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

// FindExtensionByName implements protojson's resolver.
func (lenient) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

// FindExtensionByNumber implements protojson's resolver.
func (lenient) FindExtensionByNumber(name protoreflect.FullName, n protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByNumber(name, n)
}

// unpack returns the message in an Any, or nil if its type is not known. A TypedStruct,
// by which Istio gives Envoy types that itself does not know, is read as that type.
func unpack(a *anypb.Any) proto.Message {
	if a.GetTypeUrl() == "" {
		return nil
	}
	m, err := a.UnmarshalNew()
	if err != nil {
		return nil
	}
	s, ok := m.(*typed.TypedStruct)
	if !ok {
		return m
	}
	t, err := protoregistry.GlobalTypes.FindMessageByURL(s.GetTypeUrl())
	if err != nil {
		return nil
	}
	doc, err := protojson.Marshal(s.GetValue())
	inner := t.New().Interface()
	if err != nil || (protojson.UnmarshalOptions{DiscardUnknown: true, Resolver: lenient{}}).Unmarshal(doc, inner) != nil {
		return nil
	}
	return inner
}

// typeName returns the name of the type in an Any, without what every name begins with.
func typeName(a *anypb.Any) string {
	name := a.GetTypeUrl()
	if s, ok := unpackStruct(a); ok {
		name = s.GetTypeUrl()
	}
	return strings.TrimPrefix(name[strings.LastIndexByte(name, '/')+1:], "envoy.extensions.filters.http.")
}

func unpackStruct(a *anypb.Any) (*typed.TypedStruct, bool) {
	s := &typed.TypedStruct{}
	if !a.MessageIs(s) || a.UnmarshalTo(s) != nil {
		return nil, false
	}
	return s, true
}

// maxDepth bounds how deep messages are looked into. A compiled filter has some hundred
// levels at most.
const maxDepth = 2000

// walk calls visit for m and for every message in it, also within Any. It does not look into
// a message for which visit returns false.
func walk(m proto.Message, visit func(proto.Message) bool) { walkTo(m, visit, maxDepth) }

func walkTo(m proto.Message, visit func(proto.Message) bool, depth int) {
	if m == nil || depth == 0 || !m.ProtoReflect().IsValid() || !visit(m) {
		return
	}
	if a, ok := m.(*anypb.Any); ok {
		walkTo(unpack(a), visit, depth-1)
		return
	}
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		each(f, v, func(inner proto.Message) { walkTo(inner, visit, depth-1) })
		return true
	})
}

// each calls visit for the messages that are a field's value.
func each(f protoreflect.FieldDescriptor, v protoreflect.Value, visit func(proto.Message)) {
	switch {
	case f.IsMap():
		if f.MapValue().Message() != nil {
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				visit(v.Message().Interface())
				return true
			})
		}
	case f.Message() == nil:
	case f.IsList():
		for i := range v.List().Len() {
			visit(v.List().Get(i).Message().Interface())
		}
	default:
		visit(v.Message().Interface())
	}
}
