package decisionlog

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/contract"
)

// traceparent is the gRPC metadata key of W3C Trace Context.
const traceparent = "traceparent"

// Append appends the line of a decision. Its words are those of the
// metadata that Envoy gets; what is empty is left out.
func Append(ctx context.Context, b []byte, now time.Time, r *policy.Request, d *policy.Decision, compiled bool) []byte {
	b = append(b, `{"time":"`...)
	b = append(now.UTC().AppendFormat(b, time.RFC3339Nano), '"')
	if compiled {
		b = append(b, `,"decided":"compiled"`...)
	}
	b = appendField(b, "policy", d.Policy)
	b = appendField(b, "reason", d.Reason.String())
	b = appendField(b, "origin", r.Origin)
	b = appendField(b, "method", r.Method)
	b = appendField(b, "host", r.Authority)
	b = appendField(b, "path", withoutQuery(r.Path))
	b = appendField(b, "request_method", r.RequestMethod)
	b = appendField(b, "request_headers", r.RequestHeaders)
	b = appendField(b, "sec_fetch_site", r.SecFetchSite)
	b = appendField(b, "upgrade", r.Upgrade)
	b = appendField(b, "protocol", r.Protocol)
	b = appendField(b, "named_policy", r.Policy)
	if isClipped(r) {
		b = append(b, `,"clipped":true`...)
	}
	b = appendShadow(b, d)
	b = appendField(b, "route", cmp.Or(r.Route, first(ctx, contract.RouteMetadata)))
	b = appendField(b, "trace_id", traceID(first(ctx, traceparent)))
	return append(b, "}\n"...)
}

// isClipped reports whether the line has not all of r, so that nobody takes it
// for the request.
func isClipped(r *policy.Request) bool {
	for _, value := range []string{r.Origin, r.Method, r.Authority, withoutQuery(r.Path), r.RequestMethod, r.RequestHeaders, r.SecFetchSite, r.Upgrade, r.Protocol, r.Policy} {
		if len(value) > printable.MaxBytes {
			return true
		}
	}
	return false
}

func appendShadow(b []byte, d *policy.Decision) []byte {
	if d.Shadow.Answer == nil {
		return b
	}
	b = appendField(b, "shadow_policy", d.Shadow.Policy)
	b = appendField(b, "shadow_reason", d.Shadow.Reason.String())
	b = strconv.AppendBool(append(b, `,"shadow_differs":`...), d.ShadowDiffers)
	if d.ShadowDiffers {
		b = appendDifferences(b, d.Verdict.Differences(&d.Shadow))
	}
	return b
}

// appendDifferences appends a list of what the policy in shadow would do
// otherwise; it has at least one member.
func appendDifferences(b []byte, list policy.Differences) []byte {
	before := `,"shadow_differences":["`
	for _, d := range list {
		b = appendEscaped(append(b, before...), d.String())
		before = `","`
	}
	return append(b, `"]`...)
}

// appendField appends a member of an object.
func appendField(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), key...), `":"`...)
	if text := Text(value); IsQuoted(text) {
		b = appendEscaped(b, text)
	} else {
		b = append(b, text...)
	}
	return append(b, '"')
}

// Text returns a value as an [Entry] has it. It is clipped; one that is more than
// printable ASCII, or has a quote or a backslash, stands in quotes of its own and escaped
// as Go does it, for a request's bytes may be anything.
func Text(value string) string {
	clipped := printable.Clip(value)
	if printable.IsPlain(clipped) {
		return clipped
	}
	return strconv.QuoteToASCII(clipped)
}

// IsQuoted reports whether a text of an [Entry] is quoted, as Text does it.
func IsQuoted(text string) bool { return strings.HasPrefix(text, `"`) }

// appendEscaped appends printable ASCII as the inside of a JSON string.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c == '\\' || c == '"' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}

// withoutQuery leaves out what often holds secrets.
func withoutQuery(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}

// first returns the first value of a gRPC metadata key.
func first(ctx context.Context, key string) string {
	for _, v := range metadata.ValueFromIncomingContext(ctx, key) {
		return v
	}
	return ""
}

// traceID returns the trace-id of a traceparent (W3C Trace Context, section
// 3.2.2), or nothing if it is not one.
func traceID(parent string) string {
	version, rest, _ := strings.Cut(parent, "-")
	id, _, found := strings.Cut(rest, "-")
	if !found || len(version) != 2 || version == "ff" || len(id) != 32 || !isHex(id) || strings.Trim(id, "0") == "" {
		return ""
	}
	return id
}

// isHex reports whether s has lower-case hexadecimal digits only.
func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
