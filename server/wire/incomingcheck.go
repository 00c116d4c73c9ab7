package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corsgate/corsgate/server/contract"
)

// checked is what only a CheckRequest has.
type checked struct {
	method, host, path string
	// headers are the known entries of the map that Envoy fills without
	// encode_raw_headers; mapped counts those of header_map, which it fills with.
	headers []line
	mapped  int
	// policy and headersMode are context extensions.
	policy, headersMode string
	// routeNamed is the policy by the route's metadata.
	routeNamed string
}

func (c *checked) reset() {
	clear(c.headers)
	*c = checked{headers: c.headers[:0]}
}

// readCheck reads a CheckRequest.
func (m *incoming) readCheck(message []byte) {
	m.kind = inRequestHeaders
	f := fields{rest: message}
	for f.next() {
		if f.isBytes(checkAttributes) {
			m.readContext(f.data)
		}
	}
	m.note(&f)
	if m.check.mapped == 0 {
		m.addMapHeaders()
	}
}

// readContext reads an AttributeContext.
func (m *incoming) readContext(b []byte) {
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.isBytes(contextRequest):
			m.readCheckedRequest(f.data)
		case f.isBytes(contextExtensions):
			m.readExtension(f.data)
		case f.isBytes(contextMetadata):
			m.named = m.readMetadata(f.data, m.named)
		case f.isBytes(contextRouteMetadata):
			m.check.routeNamed = m.readMetadata(f.data, m.check.routeNamed)
		}
	}
	m.note(&f)
}

func (m *incoming) readCheckedRequest(b []byte) {
	f := fields{rest: b}
	for f.next() {
		if f.isBytes(contextRequestHTTP) {
			m.readHTTP(f.data)
		}
	}
	m.note(&f)
}

// readHTTP reads an HttpRequest.
func (m *incoming) readHTTP(b []byte) {
	f := fields{rest: b}
	for f.next() {
		if f.typ != protowire.BytesType {
			continue
		}
		switch f.num {
		case httpMethod:
			m.check.method = text(f.data)
		case httpPath:
			m.check.path = text(f.data)
		case httpHost:
			m.check.host = text(f.data)
		case httpHeaderMap:
			m.check.mapped += m.readHeaderMap(f.data)
		case httpHeaders:
			m.readMapHeader(f.data)
		}
	}
	m.note(&f)
}

func (m *incoming) readMapHeader(entry []byte) {
	key, value := m.readEntry(entry)
	if f := fieldOf(key); f != fieldUnknown {
		m.check.headers = append(m.check.headers, line{f, key, value})
	}
}

// addMapHeaders takes the headers of the map. Envoy has joined repeated ones;
// names that differ in case only are joined in the order of their bytes.
func (m *incoming) addMapHeaders() {
	var seen [fieldCount]bool
	for _, h := range m.check.headers {
		if seen[h.field] {
			m.check.headers = lastOfEach(m.check.headers)
			break
		}
		seen[h.field] = true
	}
	for _, h := range m.check.headers {
		m.request.add(h.field, h.value)
	}
}

func (m *incoming) readExtension(entry []byte) {
	key, value := m.readEntry(entry)
	switch string(key) {
	case contract.Policy:
		m.check.policy = text(value)
	case contract.Headers:
		m.check.headersMode = text(value)
	}
}

// readEntry reads an entry of a map<string, string>.
func (m *incoming) readEntry(entry []byte) (key, value []byte) {
	f := fields{rest: entry}
	for f.next() {
		switch {
		case f.isBytes(entryKey):
			key = f.data
		case f.isBytes(entryValue):
			value = f.data
		}
	}
	m.note(&f)
	return key, value
}
