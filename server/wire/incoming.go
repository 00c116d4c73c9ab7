package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corsgate/corsgate/server/contract"
)

// noText stands for a value that cannot be a name. So it names an unknown
// policy, instead of none.
const noText = "(no text)"

// incoming is what was read from one message. All of it shares memory with the
// message or with buf.
type incoming struct {
	bad      bool // the message is malformed
	kind     protowire.Number
	request  requestHeaders
	response responseHeaders
	// attributes are entries of a map<string, Struct>: the values of the CEL
	// expressions that the filter's configuration asks Envoy for, under the name
	// of the filter. The first look-up sorts them.
	attributes []line
	sorted     bool
	// named is the policy that dynamic metadata names.
	named string
	mode  mode

	check checked
	buf   []byte // values that had to be made from the message's bytes
}

func (m *incoming) reset() {
	m.request.reset()
	m.response.reset()
	m.check.reset()
	clear(m.attributes)
	m.attributes, m.sorted = m.attributes[:0], false
	m.bad, m.kind, m.named, m.mode = false, 0, "", mode{}
	m.buf = m.buf[:0]
}

// note is called after each walk over a message.
func (m *incoming) note(f *fields) { m.bad = m.bad || f.bad }

// readProcessing reads a ProcessingRequest.
func (m *incoming) readProcessing(message []byte) {
	f := fields{rest: message}
	for f.next() {
		switch {
		case f.isVarint(inObservabilityMode):
			m.mode.ignored = f.varint() != 0
		case f.typ != protowire.BytesType:
		case inRequestHeaders <= f.num && f.num <= inResponseTrailers:
			m.readKind(f.num, f.data)
		case f.num == inMetadataContext:
			m.named = m.readMetadata(f.data, m.named)
		case f.num == inAttributes:
			m.attributes = append(m.attributes, line{key: m.keyOf(f.data), value: f.data})
		case f.num == inProtocolConfig:
			m.readProtocol(f.data)
		}
	}
	m.note(&f)
}

// readKind reads a member of the oneof request.
func (m *incoming) readKind(kind protowire.Number, b []byte) {
	if m.kind != 0 && m.kind != kind { // another member replaces it
		m.request.reset()
		m.response.reset()
	}
	m.kind = kind
	if kind != inRequestHeaders && kind != inResponseHeaders {
		return
	}
	f := fields{rest: b}
	for f.next() {
		if f.isBytes(httpHeadersHeaders) {
			m.readHeaderMap(f.data)
		}
	}
	m.note(&f)
}

// readHeaderMap reads the headers of the message's kind, and returns how many
// there are.
func (m *incoming) readHeaderMap(b []byte) (count int) {
	f := fields{rest: b}
	for f.next() {
		if f.isBytes(headerMapHeaders) {
			m.readHeader(f.data)
			count++
		}
	}
	m.note(&f)
	return count
}

// readHeader reads a HeaderValue: Envoy fills raw_value, other data planes
// value.
func (m *incoming) readHeader(b []byte) {
	var key, value, raw []byte
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.isBytes(headerKey):
			key = f.data
		case f.isBytes(headerValue):
			value = f.data
		case f.isBytes(headerRawValue):
			raw = f.data
		}
	}
	m.note(&f)
	if len(raw) > 0 {
		value = raw
	}
	if m.kind == inResponseHeaders {
		m.response.add(key, value)
		return
	}
	m.request.add(fieldOf(key), value)
}

// attribute returns the value of that expression, or "" if Envoy has not sent it.
// Other data planes may use another filter name than Envoy. If several have
// the value, the first in the order of names counts.
func (m *incoming) attribute(expression string) string {
	if !m.sorted {
		m.attributes, m.sorted = lastOfEach(m.attributes), true
	}
	for _, filter := range m.attributes {
		if v := m.structText(filter.value, expression); v != "" {
			return v
		}
	}
	return ""
}

// lastOfEach returns the entries of a map in the order of their keys: if
// several have the same key, the last counts.
func lastOfEach(entries []line) []line {
	slices.SortStableFunc(entries, func(a, b line) int { return bytes.Compare(a.key, b.key) })
	kept := entries[:0]
	for i, e := range entries {
		if i+1 == len(entries) || !bytes.Equal(e.key, entries[i+1].key) {
			kept = append(kept, e)
		}
	}
	clear(entries[len(kept):]) // so that nothing keeps the message in memory
	return kept
}

// readMetadata returns the policy that a Metadata names. If this part of one
// names none, it returns before.
func (m *incoming) readMetadata(b []byte, before string) string {
	f := fields{rest: b}
	for f.next() {
		if f.isBytes(metadataFilterMetadata) && string(m.keyOf(f.data)) == contract.Namespace {
			before = m.structText(f.data, contract.Policy)
		}
	}
	m.note(&f)
	return before
}

// keyOf returns the key of an entry of a map.
func (m *incoming) keyOf(entry []byte) (key []byte) {
	f := fields{rest: entry}
	for f.next() {
		if f.isBytes(entryKey) {
			key = f.data
		}
	}
	m.note(&f)
	return key
}

// structText returns the text at name of the Struct that is the value of entry.
func (m *incoming) structText(entry []byte, name string) (v string) {
	f := fields{rest: entry}
	for f.next() {
		if f.isBytes(entryValue) {
			v = m.fieldText(f.data, name, v)
		}
	}
	m.note(&f)
	return v
}

// fieldText returns the text at name of a Struct. If this part of one has
// none, it returns before.
func (m *incoming) fieldText(b []byte, name, before string) string {
	f := fields{rest: b}
	for f.next() {
		if f.isBytes(structFields) && string(m.keyOf(f.data)) == name {
			before = m.entryText(f.data)
		}
	}
	m.note(&f)
	return before
}

// entryText returns the text of the Value that is the value of entry.
func (m *incoming) entryText(entry []byte) (v string) {
	f := fields{rest: entry}
	for f.next() {
		if f.isBytes(entryValue) {
			v = m.valueText(f.data, v)
		}
	}
	m.note(&f)
	return v
}

// valueText returns a Value as text. If this part of one has none, it returns
// before. Metadata is written in YAML, where a name like 2024 is a number.
func (m *incoming) valueText(b []byte, before string) string {
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.num == valueNull && f.typ == protowire.VarintType:
			before = ""
		case f.num == valueNumber && f.typ == protowire.Fixed64Type:
			before = m.numberText(binary.LittleEndian.Uint64(f.data))
		case f.isBytes(valueString):
			before = text(f.data)
		case f.num == valueBool && f.typ == protowire.VarintType, f.isBytes(valueStruct), f.isBytes(valueList):
			before = noText
		}
	}
	m.note(&f)
	return before
}

func (m *incoming) numberText(bits uint64) string {
	start := len(m.buf)
	m.buf = strconv.AppendFloat(m.buf, math.Float64frombits(bits), 'f', -1, 64)
	return text(m.buf[start:])
}
