package server_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/respond"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
)

// casesMaxMessage takes the longest header of a case, which no Envoy would send.
const casesMaxMessage = 4 << 20

// way is a way to ask the service about a case, and to do with its answer what
// Envoy does.
type way struct {
	name     string
	profiles []cases.Profile // those that ask so
	// takes reports whether the way can show what is wanted of a case; nil: of
	// each.
	takes func(cases.Case) bool
	ask   func(context.Context, cases.Case) (cases.Outcome, error)
}

func TestCasesOverGRPC(t *testing.T) {
	files, err := cases.Files()
	if err != nil {
		t.Fatal(err)
	}
	set, err := cases.Compile(files...)
	if err != nil {
		t.Fatal(err)
	}
	decisions := atomic.Int64{}
	count := observerFunc(func(*policy.Request, *policy.Decision) { decisions.Add(1) })
	conn := serve(t, &server.Server{Handler: handlerOf(t, set, count), MaxMessage: casesMaxMessage})
	proc := processor{extprocv3.NewExternalProcessorClient(conn)}
	authz := authorization{authv3.NewAuthorizationClient(conn)}
	held := []cases.Profile{cases.Decide} // which asks nobody
	for _, w := range []way{
		{name: "one-trip", profiles: []cases.Profile{cases.OneTrip, cases.NoTrip}, ask: proc.oneTrip},
		{name: "two-phase", profiles: []cases.Profile{cases.TwoPhase}, ask: proc.twoPhase},
		{name: "ext-authz", profiles: []cases.Profile{cases.ExtAuthz}, ask: authz.withApply},
		{name: "ext-authz without the apply filter", takes: plainEnough, ask: authz.plain},
	} {
		held = append(held, w.profiles...)
		t.Run(w.name, func(t *testing.T) {
			decisions.Store(0)
			if asked := w.run(t, files); asked == 0 || decisions.Load() != int64(asked) {
				t.Errorf("%d cases took %d decisions, want one each", asked, decisions.Load())
			}
		})
	}
	for _, p := range cases.Profiles() {
		if !slices.Contains(held, p) {
			t.Errorf("no case is asked about as profile %s does: write a way", p)
		}
	}
}

// run asks about each case that the way takes, and returns how many it took.
func (w way) run(t *testing.T, files []cases.File) (asked int) {
	ctx := servertest.Context(t)
	for _, f := range files {
		for _, c := range f.Cases {
			if w.takes != nil && !w.takes(c) {
				continue
			}
			asked++
			got, err := w.ask(ctx, c)
			if err != nil {
				t.Errorf("%s.yaml:%d: %s: %v", f.Name, c.Line, c.Name, err)
				continue
			}
			want, _ := c.Want(cases.Decide)
			for _, line := range got.Diff(want) {
				t.Errorf("%s.yaml:%d: %s: %s", f.Name, c.Line, c.Name, line)
			}
		}
	}
	return asked
}

// requestLines are the headers of the request as Envoy sends them.
func requestLines(c cases.Case) *corev3.HeaderMap {
	pairs := []string{
		":method: " + c.Client.Method, ":scheme: https", ":authority: " + c.Client.Host, ":path: " + c.Client.Path,
	}
	if c.Client.Protocol != "" {
		pairs = append(pairs, ":protocol: "+c.Client.Protocol)
	}
	return headerMap(append(pairs, headerPairs(c.Client.Headers)...)...)
}

// headerPairs lists the lines in the order of their names.
func headerPairs(h respond.Headers) (pairs []string) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, line := range h[name] {
			pairs = append(pairs, name+": "+line)
		}
	}
	return pairs
}

// processor asks by ext_proc.
type processor struct {
	client extprocv3.ExternalProcessorClient
}

// oneTrip asks with the request; the apply filter edits the response.
func (p processor) oneTrip(ctx context.Context, c cases.Case) (cases.Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, answer, err := p.begin(ctx, c)
	if err != nil {
		return cases.Outcome{}, err
	}
	decided := answer.GetDynamicMetadata().GetFields()[casesNamespace].GetStructValue()
	out := outcome(decided, c, answer.GetImmediateResponse())
	applied(decided, out.Response.Headers)
	return out, nil
}

// twoPhase asks with the request and with the response, which the service
// edits itself.
func (p processor) twoPhase(ctx context.Context, c cases.Case) (cases.Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, answer, err := p.begin(ctx, c)
	if err != nil {
		return cases.Outcome{}, err
	}
	decided := answer.GetDynamicMetadata().GetFields()[casesNamespace].GetStructValue()
	out := outcome(decided, c, answer.GetImmediateResponse())
	if !out.Forwarded {
		return out, nil
	}
	pairs := append([]string{":status: " + strconv.Itoa(c.Upstream.Status)}, headerPairs(c.Upstream.Headers)...)
	answer, err = ask(stream, responseHeaders(pairs...))
	if errors.Is(err, io.EOF) { // the service had no more to say, and Envoy goes on
		return out, nil
	}
	if err == nil && answer.GetResponseHeaders() == nil {
		err = fmt.Errorf("the response was answered with %T", answer.GetResponse())
	}
	mutate(out.Response.Headers, answer.GetResponseHeaders().GetResponse().GetHeaderMutation())
	return out, err
}

// casesNamespace is that of the dynamic metadata that the apply filter reads.
const casesNamespace = "corsgate"

// begin sends the request headers of a new stream.
func (p processor) begin(ctx context.Context, c cases.Case) (extprocv3.ExternalProcessor_ProcessClient, *extprocv3.ProcessingResponse, error) {
	stream, err := p.client.Process(ctx)
	if err != nil {
		return nil, nil, err
	}
	in := requestHeaders()
	in.GetRequestHeaders().Headers = requestLines(c)
	if c.Policy != "" {
		withAttributes(in, "envoy.filters.http.ext_proc", map[string]any{
			"xds.virtual_host_metadata.filter_metadata['corsgate'].policy": c.Policy,
		})
	}
	out, err := ask(stream, in)
	if err == nil && out.GetRequestHeaders() == nil && out.GetImmediateResponse() == nil {
		err = fmt.Errorf("the request was answered with %T", out.GetResponse())
	}
	return stream, out, err
}

// ask sends a message and waits for its answer; io.EOF: the service has ended
// the stream.
func ask(stream extprocv3.ExternalProcessor_ProcessClient, in *extprocv3.ProcessingRequest) (*extprocv3.ProcessingResponse, error) {
	if err := stream.Send(in); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return stream.Recv()
}

// outcome is what comes of the case before the response is edited. Its headers
// may be changed.
func outcome(decided *structpb.Struct, c cases.Case, reply *extprocv3.ImmediateResponse) cases.Outcome {
	out := decision(decided)
	if reply != nil {
		out.Response = respond.Response{Status: int(reply.GetStatus().GetCode()), Headers: respond.Headers{}}
		mutate(out.Response.Headers, reply.GetHeaders())
		return out
	}
	out.Forwarded, out.Response = true, upstreamOf(c)
	return out
}

// upstreamOf copies what the upstream answers.
func upstreamOf(c cases.Case) respond.Response {
	headers := respond.Headers{}
	for name, lines := range c.Upstream.Headers {
		headers[name] = slices.Clone(lines)
	}
	return respond.Response{Status: c.Upstream.Status, Headers: headers}
}

// decision reads from the dynamic metadata what the access log shows.
func decision(decided *structpb.Struct) cases.Outcome {
	f := decided.GetFields()
	out := cases.Outcome{Policy: f["policy"].GetStringValue(), Reason: f["reason"].GetStringValue()}
	if reason := f["shadow_reason"].GetStringValue(); reason != "" {
		out.Shadow = &cases.Shadow{
			Policy: f["shadow_policy"].GetStringValue(), Reason: reason, Differs: f["shadow_differs"].GetBoolValue(),
		}
	}
	return out
}

// mutate edits headers as Envoy does for ext_proc: removals come first, only
// raw_value is read, and only append makes a difference to overwriting.
func mutate(h respond.Headers, m *extprocv3.HeaderMutation) {
	for _, name := range m.GetRemoveHeaders() {
		delete(h, name)
	}
	for _, set := range m.GetSetHeaders() {
		name, value := set.GetHeader().GetKey(), string(set.GetHeader().GetRawValue())
		if set.GetAppend().GetValue() {
			h[name] = append(h[name], value)
		} else {
			h[name] = []string{value}
		}
	}
}

// The apply filter, as the generated configuration has it.

// applied edits the headers of a response, a reply's too, as decided. Where
// nothing is decided, Envoy has written "strip".
func applied(decided *structpb.Struct, h respond.Headers) {
	f := decided.GetFields()
	word := cmp.Or(f["apply"].GetStringValue(), "strip")
	switch word {
	case "replace", "public", "strip":
	case "defer":
		if h.Joined("access-control-allow-origin") != "" {
			return
		}
	default:
		return
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool { return strings.HasPrefix(name, "access-control-") })
	if word != "strip" {
		setDecided(h, f)
	}
	if word != "public" {
		varyByOrigin(h)
	}
}

// setDecided sets the decision's headers; a value that is not there sets nothing.
func setDecided(h respond.Headers, f map[string]*structpb.Value) {
	for name, key := range map[string]string{
		"access-control-allow-origin":      "allow_origin",
		"access-control-allow-credentials": "allow_credentials",
		"access-control-expose-headers":    "expose_headers",
	} {
		if value := f[key].GetStringValue(); value != "" {
			h[name] = []string{value}
		}
	}
}

// varies tells whether Vary, its lines joined, has Origin or a star.
var varies = regexp.MustCompile(`(?i)(^|.*,)[ ]*(origin|[*])[ ]*(,.*|$)`)

func varyByOrigin(h respond.Headers) {
	if !varies.MatchString(h.Joined("vary")) {
		h["vary"] = append(h["vary"], "Origin")
	}
}

// authorization asks by ext_authz.
type authorization struct {
	client authv3.AuthorizationClient
}

// withApply asks with raw headers; the apply filter edits the response.
func (a authorization) withApply(ctx context.Context, c cases.Case) (cases.Outcome, error) {
	in := checkRequest(c)
	in.Attributes.Request.Http.HeaderMap = requestLines(c)
	in.Attributes.ContextExtensions["headers"] = "metadata"
	answer, err := a.client.Check(ctx, in)
	if err != nil {
		return cases.Outcome{}, err
	}
	out, err := checked(answer, c)
	applied(answer.GetDynamicMetadata(), out.Response.Headers)
	return out, err
}

// plain asks with headers as text; Envoy adds to the response what it is told.
func (a authorization) plain(ctx context.Context, c cases.Case) (cases.Outcome, error) {
	in := checkRequest(c)
	in.Attributes.Request.Http.Headers = headerTexts(requestLines(c))
	answer, err := a.client.Check(ctx, in)
	if err != nil {
		return cases.Outcome{}, err
	}
	return checked(answer, c)
}

// plainEnough tells the cases where nothing is lost without the apply filter,
// which alone removes headers and merges Vary, and without raw headers.
func plainEnough(c cases.Case) bool {
	for name := range c.Upstream.Headers {
		if strings.HasPrefix(name, "access-control-") || name == "vary" {
			return false
		}
	}
	for _, line := range headerPairs(c.Client.Headers) {
		if !utf8.ValidString(line) {
			return false
		}
	}
	return true
}

// headerTexts are the headers as Envoy sends them without encode_raw_headers:
// joined, and with "!" for what is not UTF-8.
func headerTexts(m *corev3.HeaderMap) map[string]string {
	texts := map[string]string{}
	for _, h := range m.GetHeaders() {
		name, value := h.GetKey(), strings.ToValidUTF8(string(h.GetRawValue()), "!")
		if before, again := texts[name]; again {
			value = before + "," + value
		}
		texts[name] = value
	}
	return texts
}

// checkRequest asks about the case, but for its headers. What is not UTF-8
// becomes "!", as in Envoy.
func checkRequest(c cases.Case) *authv3.CheckRequest {
	extensions := map[string]string{}
	if c.Policy != "" {
		extensions["policy"] = c.Policy
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: extensions,
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method:   strings.ToValidUTF8(c.Client.Method, "!"),
			Host:     strings.ToValidUTF8(c.Client.Host, "!"),
			Path:     strings.ToValidUTF8(c.Client.Path, "!"),
			Protocol: "HTTP/1.1",
		}},
	}}
}

// checked is what comes of the case without the apply filter.
func checked(answer *authv3.CheckResponse, c cases.Case) (cases.Outcome, error) {
	out := decision(answer.GetDynamicMetadata())
	if denied := answer.GetDeniedResponse(); denied != nil {
		out.Response = respond.Response{Status: int(denied.GetStatus().GetCode()), Headers: respond.Headers{}}
		return out, addHeaders(out.Response.Headers, denied.GetHeaders())
	}
	out.Forwarded, out.Response = true, upstreamOf(c)
	return out, addHeaders(out.Response.Headers, answer.GetOkResponse().GetResponseHeadersToAdd())
}

// addHeaders edits headers as Envoy does for ext_authz, which reads
// append_action, and adds if it is not set.
func addHeaders(h respond.Headers, set []*corev3.HeaderValueOption) error {
	for _, s := range set {
		name, value := s.GetHeader().GetKey(), s.GetHeader().GetValue()
		switch s.GetAppendAction() {
		case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
			h[name] = []string{value}
		case corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
			h[name] = append(h[name], value)
		default:
			return fmt.Errorf("%s is to be set by %s", name, s.GetAppendAction())
		}
	}
	return nil
}
