package wire

import (
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields walks the fields of one encoded message.
type fields struct {
	rest []byte // what is still to be read
	num  protowire.Number
	typ  protowire.Type
	data []byte // the field's content; of a length-delimited one without its length
	bad  bool   // the message is malformed; nothing more is read
}

// next reads a field and tells whether there was one.
func (f *fields) next() bool {
	if b := f.rest; len(b) >= 2 && b[0]&0x87 == byte(protowire.BytesType) && b[1] < 0x80 && b[0] >= 1<<3 {
		// A small number and a short content, as most fields have.
		if end := 2 + int(b[1]); end <= len(b) {
			f.num, f.typ = protowire.Number(b[0]>>3), protowire.BytesType
			f.data, f.rest = b[2:end], b[end:]
			return true
		}
	}
	return len(f.rest) > 0 && f.nextOfAny()
}

func (f *fields) nextOfAny() bool {
	num, typ, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		return f.fail()
	}
	content := f.rest[n:]
	f.num, f.typ = num, typ
	if typ == protowire.BytesType {
		f.data, n = protowire.ConsumeBytes(content)
	} else {
		n = protowire.ConsumeFieldValue(num, typ, content)
		f.data = content[:max(n, 0)]
	}
	if n < 0 {
		return f.fail()
	}
	f.rest = content[n:]
	return true
}

func (f *fields) fail() bool {
	f.bad, f.rest, f.data = true, nil, nil
	return false
}

// isBytes reports whether the field is the length-delimited one of that
// number. One of another type is an unknown field.
func (f *fields) isBytes(num protowire.Number) bool {
	return f.num == num && f.typ == protowire.BytesType
}

// isVarint reports whether the field is the number of that number.
func (f *fields) isVarint(num protowire.Number) bool {
	return f.num == num && f.typ == protowire.VarintType
}

// varint returns the number that the field is, which isVarint has told.
func (f *fields) varint() uint64 {
	v, _ := protowire.ConsumeVarint(f.data)
	return v
}

// text returns b as a string that shares its memory: it is valid as long as
// nobody writes to b.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // no copy for each header; the comment says how long it is valid
