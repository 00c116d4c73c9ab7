package notrip

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	mutation "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	setstate "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	fault "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	lua "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	filterstate "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	metadata "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	inputs "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	types "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// chains are the named chains of one composite. Equal chains are stored once.
type chains map[string]*composite.FilterChainConfiguration

// run adds a chain and returns the node that runs it. The chain's name is its role and
// the hash of its content, so that different chains have different names.
func (c chains) run(role string, filters ...*core.TypedExtensionConfig) node {
	chain := &composite.FilterChainConfiguration{TypedConfig: filters}
	hash := sha256.Sum256(pack(chain).GetValue())
	for length := 4; ; length++ {
		name := role + "." + hex.EncodeToString(hash[:length])
		if other := c[name]; other == nil || proto.Equal(other, chain) || length == len(hash) {
			c[name] = chain
			return run(name)
		}
	}
}

// nest returns a filter that goes on matching within a chain. A composite does not
// see the chains around it: it has its own.
func (c *compiler) nest(name string, of func(inner *compiler) node) *core.TypedExtensionConfig {
	inner := *c
	inner.begin()
	return extension(name, inner.composite(of(&inner)))
}

// composite returns the filter that begins at n.
func (c *compiler) composite(n node) *composite.Composite {
	return &composite.Composite{Matcher: n.GetMatcher(), NamedFilterChains: c.chains}
}

func extension(name string, config proto.Message) *core.TypedExtensionConfig {
	return &core.TypedExtensionConfig{Name: name, TypedConfig: pack(config)}
}

// decided writes a decision into the dynamic metadata, for logs. It leaves out how the
// response is edited: no filter reads that, and each word costs time.
func (c *compiler) decided(policyName, reason string) *core.TypedExtensionConfig {
	fields := map[string]*structpb.Value{contract.Reason: structpb.NewStringValue(reason)}
	if policyName != "" && c.PolicyNames {
		fields[contract.Policy] = structpb.NewStringValue(policyName)
	}
	return extension("decision", &metadata.Config{Metadata: []*metadata.Metadata{{
		MetadataNamespace: contract.Namespace, AllowOverwrite: true, Value: &structpb.Struct{Fields: fields},
	}}})
}

// notes returns the filters that note a decision and keep states for the response. When
// the response comes, routes and other filters may have changed the request.
func (c *compiler) notes(policyName, reason string, states ...*setstate.FilterStateValue) []*core.TypedExtensionConfig {
	list := []*core.TypedExtensionConfig{c.decided(policyName, reason)}
	if c.Feed {
		states = append(states, c.fed(policyName, reason))
	}
	if len(states) > 0 {
		list = append(list, extension("state", &filterstate.Config{OnRequestHeaders: states}))
	}
	return list
}

// keepOrigin keeps the Origin.
func keepOrigin() *setstate.FilterStateValue {
	return state(originState, &core.SubstitutionFormatString{Format: &core.SubstitutionFormatString_TextFormatSource{TextFormatSource: &core.DataSource{Specifier: &core.DataSource_InlineString{InlineString: "%REQ(" + origin + ")%"}}}})
}

// fed keeps what the feed reports about a decision. It is JSON, in which Envoy escapes
// values that are not UTF-8: one such value would make the service refuse the batch.
func (c *compiler) fed(policyName, reason string) *setstate.FilterStateValue {
	fields := map[string]*structpb.Value{
		contract.FedSet: structpb.NewStringValue(unstamped),
		contract.Reason: structpb.NewStringValue(reason),
	}
	if policyName != "" {
		fields[contract.Policy] = structpb.NewStringValue(policyName)
	}
	for _, in := range contract.FedInputs() {
		fields[in.Key] = structpb.NewStringValue(fmt.Sprintf("%%%s:%d%%", in.Format, in.Most))
	}
	return state(contract.DecisionState, &core.SubstitutionFormatString{
		Format: &core.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: fields}}, OmitEmptyValues: true,
	})
}

func state(key string, format *core.SubstitutionFormatString) *setstate.FilterStateValue {
	return &setstate.FilterStateValue{
		Key:        &setstate.FilterStateValue_ObjectKey{ObjectKey: key},
		FactoryKey: "envoy.string",
		Value:      &setstate.FilterStateValue_FormatString{FormatString: format},
	}
}

// originState is the key of the Origin in the filter state.
const originState = "corsgate.origin"

// answer gives requests an answer of a policy, for the reason. It leaves out headers
// that echo one of skip, since the request has nothing to echo there.
func (c *compiler) answer(policyName, reason string, a *policy.Answer, skip ...policy.Source) node {
	var states []*setstate.FilterStateValue
	var acts []*core.TypedExtensionConfig
	switch a.Action {
	case policy.Reply:
		// If another filter answers instead, that answer grants nothing, either.
		acts = append(acts, mutate(append([]*mutation.HeaderMutation{stripped()}, setAll(a.Headers, skip)...)))
		acts = append(acts, c.reply(a.Status)...)
	case policy.Edit:
		acts = append(acts, c.apply(a))
		if slices.ContainsFunc(a.Headers, func(h policy.Header) bool { return h.From == policy.FromOrigin }) {
			states = append(states, keepOrigin())
		}
	}
	return c.chains.run(reason, append(c.notes(policyName, reason, states...), acts...)...)
}

// applyFilter is the name of the filter that edits responses.
const applyFilter = "apply"

// apply returns the filter that edits responses as a says, within a chain.
func (c *compiler) apply(a *policy.Answer) *core.TypedExtensionConfig {
	if a.Apply == policy.ApplyPublic {
		return mutate(edits(a, false))
	}
	return c.nest(applyFilter, func(*compiler) node {
		return unlessDeferred(a, first(
			execute("vary", headersOf(edits(a, true))),
			when{varyHasOrigin, execute("headers", headersOf(edits(a, false)))},
		), nil)
	})
}

// edits are the changes that a makes to a response, whether it comes from an upstream
// or from a filter of Envoy.
func edits(a *policy.Answer, addVary bool) []*mutation.HeaderMutation {
	list := []*mutation.HeaderMutation{stripped()}
	for _, h := range a.Headers {
		value := valueOf(h)
		if h.From == policy.FromOrigin {
			value = "%FILTER_STATE(" + originState + ":PLAIN)%"
		}
		list = append(list, appended(h.Name, value, core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
	}
	if addVary {
		list = append(list, appended(vary, "Origin", core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD))
	}
	return list
}

// varyHasOrigin matches a Vary that needs nothing: with "Origin" among its elements,
// or "*" (RFC 9110, section 12.5.5).
var varyHasOrigin = single(response(vary), re2(`(?i)(.*,)?[ \t]*(origin|[*])[ \t]*(,.*)?`))

// unlessDeferred gives n the responses. If a defers to the upstream, responses that
// allow an origin themselves go to alone.
func unlessDeferred(a *policy.Answer, n, alone node) node {
	if a.Apply != policy.ApplyDefer {
		return n
	}
	return first(alone, when{not(single(response(allowOriginHeader), re2(someBytes))), n})
}

func headersOf(response []*mutation.HeaderMutation) *headers.HeaderMutation {
	return &headers.HeaderMutation{Mutations: &headers.Mutations{ResponseMutations: response}}
}

func mutate(response []*mutation.HeaderMutation) *core.TypedExtensionConfig {
	return extension("headers", headersOf(response))
}

func stripped() *mutation.HeaderMutation {
	return &mutation.HeaderMutation{Action: &mutation.HeaderMutation_RemoveOnMatch_{
		RemoveOnMatch: &mutation.HeaderMutation_RemoveOnMatch{KeyMatcher: &inputs.StringMatcher{
			MatchPattern: &inputs.StringMatcher_Prefix{Prefix: "access-control-"}, IgnoreCase: true,
		}},
	}}
}

// setAll sets the headers of an answer in their order, except those from skip.
func setAll(hs []policy.Header, skip []policy.Source) []*mutation.HeaderMutation {
	var list []*mutation.HeaderMutation
	for _, h := range hs {
		if !slices.Contains(skip, h.From) {
			list = append(list, appended(h.Name, valueOf(h), core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
		}
	}
	return list
}

func appended(name, value string, how core.HeaderValueOption_HeaderAppendAction) *mutation.HeaderMutation {
	return &mutation.HeaderMutation{Action: &mutation.HeaderMutation_Append{Append: &core.HeaderValueOption{
		Header: &core.HeaderValue{Key: name, Value: value}, AppendAction: how,
	}}}
}

// valueOf returns the value of h as Envoy's format string. An echoed value is the
// request's own bytes.
func valueOf(h policy.Header) string {
	switch h.From {
	case policy.FromOrigin:
		return "%REQ(" + origin + ")%"
	case policy.FromMethod:
		return "%REQ(" + requestMethod + ")%"
	case policy.FromHeaders:
		return "%REQ(" + requestHeaders + ")%"
	default:
		return strings.ReplaceAll(h.Value, "%", "%%")
	}
}

// replyKey is a key of Envoy's runtime that nobody sets. If an operator sets it,
// Envoy forwards the requests that are answered here.
const replyKey = "corsgate.reply.9b1f6c2e"

// reply answers with an empty body, and with what the filter before it sets.
func (c *compiler) reply(status int) []*core.TypedExtensionConfig {
	if c.Reply == ByLua {
		return []*core.TypedExtensionConfig{extension("reply", &lua.Lua{DefaultSourceCode: &core.DataSource{Specifier: &core.DataSource_InlineString{
			InlineString: fmt.Sprintf(`function envoy_on_request(h) h:respond({[":status"]="%d"}) end`, status),
		}}})}
	}
	return []*core.TypedExtensionConfig{replyByAuthz(status), replyWithoutRoute(status)}
}

// replyByAuthz answers by an ext_authz filter that is off, and that denies because it is
// off. It never calls the cluster.
func replyByAuthz(status int) *core.TypedExtensionConfig {
	return extension("reply", &authz.ExtAuthz{
		Services: &authz.ExtAuthz_GrpcService{GrpcService: &core.GrpcService{TargetSpecifier: &core.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &core.GrpcService_EnvoyGrpc{ClusterName: contract.Namespace},
		}}},
		TransportApiVersion:        core.ApiVersion_V3,
		StatPrefix:                 contract.Namespace,
		ChargeClusterResponseStats: wrapperspb.Bool(false),
		FilterEnabled:              &core.RuntimeFractionalPercent{DefaultValue: &types.FractionalPercent{}},
		DenyAtDisable:              &core.RuntimeFeatureFlag{RuntimeKey: replyKey, DefaultValue: wrapperspb.Bool(true)},
		StatusOnError:              &types.HttpStatus{Code: types.StatusCode(status)},
	})
}

// replyWithoutRoute answers requests that match no route yet, which an ext_authz filter
// lets pass. Its answer has a body, so its status is never 204.
func replyWithoutRoute(status int) *core.TypedExtensionConfig {
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	return extension("reply without a route", &fault.HTTPFault{
		Abort: &fault.FaultAbort{
			ErrorType:  &fault.FaultAbort_HttpStatus{HttpStatus: uint32(status)},
			Percentage: &types.FractionalPercent{Numerator: 100},
		},
		AbortPercentRuntime:           replyKey + ".percent",
		AbortHttpStatusRuntime:        replyKey + ".status",
		MaxActiveFaultsRuntime:        replyKey + ".active",
		DisableDownstreamClusterStats: true,
	})
}
