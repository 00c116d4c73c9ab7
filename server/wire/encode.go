package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// tag returns the tag of a field. It is one byte, as all the numbers that are
// written are below 16.
func tag(num protowire.Number, typ protowire.Type) byte { return byte(num)<<3 | byte(typ) }

// begin begins the message that is field num of what b holds; end, with what
// begin returned, ends it.
func begin(b []byte, num protowire.Number) (out []byte, content int) {
	b = append(b, tag(num, protowire.BytesType), 0) // the length, as long as most are
	return b, len(b)
}

// end writes the length of the message whose content begins there.
func end(b []byte, content int) []byte {
	length := len(b) - content
	if length < 0x80 {
		b[content-1] = byte(length)
		return b
	}
	more := protowire.SizeVarint(uint64(length)) - 1
	for range more {
		b = append(b, 0)
	}
	copy(b[content+more:], b[content:content+length])
	protowire.AppendVarint(b[:content-1], uint64(length))
	return b
}

// appendEmpty appends an empty message, which is not the same as none.
func appendEmpty(b []byte, num protowire.Number) []byte {
	return append(b, tag(num, protowire.BytesType), 0)
}

func appendText(b []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(append(b, tag(num, protowire.BytesType)), s)
}

func appendNumber(b []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(append(b, tag(num, protowire.VarintType)), n)
}

// appendStatus appends an HttpStatus.
func appendStatus(b []byte, num protowire.Number, status int) []byte {
	b, content := begin(b, num)
	return end(appendNumber(b, httpStatusCode, uint64(status)), content)
}

// option is how a HeaderValueOption is written.
type option struct {
	num   protowire.Number // its field
	value protowire.Number // the field of the header's value
}

// inMutation is the form for ext_proc, which reads raw_value only.
var inMutation = option{num: mutationSet, value: headerRawValue}

// overwrite appends a header that replaces, in the form that all data planes
// read alike: Envoy's ext_proc ignores append_action and overwrites when append
// is unset; its ext_authz appends when neither field is set.
func (o option) overwrite(b []byte, name, value string) []byte {
	b, content := o.header(b, name, value)
	return end(appendNumber(b, optionAppendAction, overwriteIfExistsOrAdd), content)
}

// append appends a header that adds: the deprecated append is what Envoy's
// ext_proc reads, and append_action, whose zero value appends, what others do.
func (o option) append(b []byte, name, value string) []byte {
	b, content := o.header(b, name, value)
	b, flag := begin(b, optionAppend)
	return end(end(appendNumber(b, boolValue, 1), flag), content)
}

func (o option) header(b []byte, name, value string) (out []byte, content int) {
	b, content = begin(b, o.num)
	b, header := begin(b, optionHeader)
	b = appendText(appendText(b, headerKey, name), o.value, value)
	return end(b, header), content
}

// beginEntry begins a field of a Struct that holds a Value; ended by end twice.
func beginEntry(b []byte, key string) (out []byte, entry, value int) {
	b, entry = begin(b, structFields)
	b, value = begin(appendText(b, entryKey, key), entryValue)
	return b, entry, value
}

// appendEntry appends a field of a Struct that holds text.
func appendEntry(b []byte, key, s string) []byte {
	b, entry, value := beginEntry(b, key)
	return end(end(appendText(b, valueString, s), value), entry)
}
