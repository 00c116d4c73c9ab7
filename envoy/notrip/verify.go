package notrip

import (
	"errors"
	"fmt"

	core "github.com/cncf/xds/go/xds/core/v3"
	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxDepth bounds how deeply messages are nested: Envoy reads a hundred levels, and
// refuses more. Within an Any the count begins again.
const maxDepth = 90

// verify checks what Envoy does not check when it accepts a filter: each named chain
// exists in the composite that names it. A request that meets an unknown name would pass
// untouched. verify also checks each message as Envoy will.
func verify(filter *composite.Composite) error {
	v := &verifier{chains: filter.GetNamedFilterChains(), seen: map[proto.Message]int{}}
	if err := errors.Join(filter.ValidateAll(), v.message(filter.ProtoReflect(), 0)); err != nil {
		return fmt.Errorf("compiled filter: %w; please report it", err)
	}
	return nil
}

// verifier walks the messages of one composite.
type verifier struct {
	chains map[string]*composite.FilterChainConfiguration
	// seen are the messages that it has checked, with their depths: a filter has many
	// messages in several places.
	seen map[proto.Message]int
}

func (v *verifier) message(m protoreflect.Message, depth int) (err error) {
	if depth > maxDepth {
		return fmt.Errorf("messages stand %d deep in each other", depth)
	}
	if before, seen := v.seen[m.Interface()]; seen && before >= depth {
		return nil
	}
	v.seen[m.Interface()] = depth
	if err := v.known(m.Interface()); err != nil {
		return err
	}
	m.Range(func(f protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		err = v.field(f, value, depth+1)
		return err == nil
	})
	return err
}

func (v *verifier) field(f protoreflect.FieldDescriptor, value protoreflect.Value, depth int) (err error) {
	switch {
	case f.IsMap() && f.MapValue().Message() != nil:
		value.Map().Range(func(_ protoreflect.MapKey, entry protoreflect.Value) bool {
			err = v.message(entry.Message(), depth+1)
			return err == nil
		})
	case f.IsMap() || f.Message() == nil:
	case f.IsList():
		for i := 0; i < value.List().Len() && err == nil; i++ {
			err = v.message(value.List().Get(i).Message(), depth)
		}
	default:
		err = v.message(value.Message(), depth)
	}
	return err
}

// known checks one message as its own kind.
func (v *verifier) known(m proto.Message) error {
	switch m := m.(type) {
	case *core.TypedExtensionConfig:
		if m.GetTypedConfig() == nil {
			return errors.New("an extension without a configuration")
		}
	case *anypb.Any:
		return v.packed(m)
	case *composite.ExecuteFilterAction:
		return v.action(m)
	case *xds.RegexMatcher:
		if len(m.GetRegex()) > 2*maxExpression {
			return fmt.Errorf("an expression of %d bytes", len(m.GetRegex()))
		}
	}
	return nil
}

// packed checks what is packed into a.
func (v *verifier) packed(a *anypb.Any) error {
	m, err := a.UnmarshalNew()
	if err != nil {
		return fmt.Errorf("read %s: %w", a.GetTypeUrl(), err)
	}
	if checked, ok := m.(interface{ ValidateAll() error }); ok {
		if err := checked.ValidateAll(); err != nil {
			return err
		}
	}
	inner := v
	if c, ok := m.(*composite.Composite); ok {
		inner = &verifier{chains: c.GetNamedFilterChains(), seen: map[proto.Message]int{}}
	}
	return inner.message(m.ProtoReflect(), 0)
}

// action checks that an action runs one filter, or a chain that exists.
func (v *verifier) action(a *composite.ExecuteFilterAction) error {
	name := a.GetFilterChainName()
	if name == "" {
		if a.GetTypedConfig() == nil && a.GetDynamicConfig() == nil && len(a.GetFilterChain().GetTypedConfig()) == 0 {
			return errors.New("an action without a filter")
		}
		return nil
	}
	if len(v.chains[name].GetTypedConfig()) == 0 {
		return fmt.Errorf("the chain %q does not exist", name)
	}
	return nil
}
