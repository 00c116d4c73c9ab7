package wire

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/contract"
)

// reasonEntries are the fields that name the reason of a decision.
var reasonEntries = encodeReasons()

func encodeReasons() (entries [][]byte) {
	for _, r := range policy.Reasons() {
		entries = append(entries, appendEntry(nil, contract.Reason, r.String()))
	}
	return entries
}

// appendMetadata appends the Struct that says in Envoy's terms what was
// decided, as field num.
func (x *Exchange) appendMetadata(b []byte, num protowire.Number) []byte {
	b, content := begin(b, num)
	return end(x.appendEntries(b), content)
}

// appendNamespaced appends the same under the namespace.
func (x *Exchange) appendNamespaced(b []byte, num protowire.Number) []byte {
	b, content := begin(b, num)
	b, entry, value := beginEntry(b, contract.Namespace)
	b = x.appendMetadata(b, valueStruct)
	return end(end(end(b, value), entry), content)
}

func (x *Exchange) appendEntries(b []byte) []byte {
	d := &x.decision
	b = x.answer().entries.appendTo(b, &d.Verdict)
	b = append(b, reasonEntries[d.Reason]...)
	b = appendUsable(b, contract.Policy, d.Policy)
	if x.request.Origin != "" {
		b = appendQuotedEntry(b, contract.Origin, x.request.Origin)
	}
	if d.Shadow.Answer != nil {
		b = appendShadow(b, d)
	}
	return b
}

// appendUsable appends a string that may not be usable.
func appendUsable(b []byte, key, s string) []byte {
	if !usable(s) {
		return b
	}
	return appendEntry(b, key, s)
}

func appendShadow(b []byte, d *policy.Decision) []byte {
	b = appendUsable(b, contract.ShadowPolicy, d.Shadow.Policy)
	b = appendEntry(b, contract.ShadowReason, d.Shadow.Reason.String())
	b, entry, value := beginEntry(b, contract.ShadowDiffers)
	return end(end(appendNumber(b, valueBool, protowire.EncodeBool(d.ShadowDiffers)), value), entry)
}

// appendQuotedEntry appends bytes of a request, which may not be UTF-8.
func appendQuotedEntry(b []byte, key, s string) []byte {
	b, entry, value := beginEntry(b, key)
	b, content := begin(b, valueString)
	b = appendQuoted(b, printable.Clip(s))
	return end(end(end(b, content), value), entry)
}

// appendQuoted is strconv.AppendQuote, and faster for what is common.
func appendQuoted(b []byte, s string) []byte {
	if !printable.IsPlain(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(append(append(b, '"'), s...), '"')
}
