package wire_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corsgate/corsgate/server/wire"
)

// msg joins fields to a message.
func msg(fields ...[]byte) []byte { return slices.Concat(fields...) }

// sub is a length-delimited field.
func sub(num protowire.Number, content ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), msg(content...))
}

func str(num protowire.Number, s string) []byte { return sub(num, []byte(s)) }

func varint(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func double(num protowire.Number, bits uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), bits)
}

func group(num protowire.Number, fields ...[]byte) []byte {
	return protowire.AppendGroup(protowire.AppendTag(nil, num, protowire.StartGroupType), num, msg(fields...))
}

// header is a HeaderValue in a HeaderMap.
func header(key, raw string) []byte { return sub(1, str(1, key), str(3, raw)) }

// asked headers are those of a request that list.test allows.
func askedHeaders() []byte {
	return msg(header(":method", "GET"), header(":authority", "list.test"), header(":path", "/"), header("origin", app))
}

// entry is a field of a map.
func entry(num protowire.Number, key string, value ...[]byte) []byte {
	return sub(num, str(1, key), msg(value...))
}

// Processing requests as a sender of another mind may write them. What they
// mean the generated code says.
func oddEncodings() map[string][]byte {
	const route = "xds.route_metadata.filter_metadata['corsgate'].policy"
	request := func(headers ...[]byte) []byte { return sub(2, sub(1, headers...)) }
	attributes := func(fields ...[]byte) []byte { return entry(9, "f", sub(2, fields...)) }
	metadata := func(entries ...[]byte) []byte { return sub(8, entries...) }
	ask := request(askedHeaders())
	return map[string][]byte{
		"an empty message":                                        {},
		"the headers' message in two parts":                       msg(request(header(":authority", "list.test")), request(header("origin", app), header(":method", "GET"))),
		"the header map in two parts":                             sub(2, sub(1, header(":authority", "list.test")), sub(1, header("origin", app))),
		"one header in two parts of the map":                      sub(2, sub(1, header("origin", app)), sub(1, header("origin", evil))),
		"another kind after the headers":                          msg(ask, sub(4, str(1, "body"))),
		"the headers after another kind":                          msg(sub(7), ask),
		"the headers, another kind, and other headers":            msg(ask, sub(3, sub(1, header("vary", "x"))), request(header(":authority", "public.test"), header("origin", evil))),
		"response headers after request headers":                  msg(ask, sub(3, sub(1, header("vary", "x")))),
		"a kind of another wire type":                             msg(ask, varint(3, 1), double(4, 1)),
		"headers of another wire type":                            sub(2, varint(1, 7), group(1, askedHeaders()), sub(1, askedHeaders(), varint(1, 3))),
		"unknown fields everywhere":                               msg(varint(99, 1), sub(2, double(77, 5), sub(1, group(9, str(1, "x"), group(2)), sub(1, str(1, "origin"), str(8, "y"), str(3, app)))), group(5), str(200000, "z")),
		"a key and a value twice":                                 request(sub(1, str(1, "vary"), str(3, "x"), str(1, "origin"), str(3, app))),
		"a value beside a raw value":                              request(sub(1, str(1, "origin"), str(3, evil), str(2, app))),
		"a raw value that is empty after all":                     request(sub(1, str(1, "origin"), str(3, evil), str(2, app), str(3, ""))),
		"a header without a key":                                  request(sub(1, str(3, app)), askedHeaders()),
		"a header without a value":                                request(sub(1, str(1, "origin")), askedHeaders()),
		"numbers and lengths longer than they need be":            {0x92, 0x80, 0x00, 0x86, 0x80, 0x00, 0x0a, 0x83, 0x00, 0x0a, 0x80, 0x00},
		"attributes before the headers":                           msg(attributes(entry(1, route, sub(2, str(3, "star")))), ask),
		"an attribute without a key":                              msg(ask, sub(9, sub(2, entry(1, route, sub(2, str(3, "star")))))),
		"attributes without a value":                              msg(ask, attributes(entry(1, route, sub(2, str(3, "star")))), entry(9, "f")),
		"attributes with two values":                              msg(ask, entry(9, "f", sub(2, entry(1, "x", sub(2, str(3, "y")))), sub(2, entry(1, route, sub(2, str(3, "star")))))),
		"attributes with the value before the key":                msg(ask, sub(9, sub(2, entry(1, route, sub(2, str(3, "star")))), str(1, "f"))),
		"attributes of one filter twice":                          msg(ask, attributes(entry(1, route, sub(2, str(3, "star")))), attributes(entry(1, route, sub(2, str(3, "public"))))),
		"attributes of one filter twice, the last without":        msg(ask, attributes(entry(1, route, sub(2, str(3, "star")))), attributes(entry(1, "x", sub(2, str(3, "public"))))),
		"attributes of many filters":                              msg(ask, entry(9, "c", sub(2)), entry(9, "b", sub(2, entry(1, route, sub(2, str(3, "star"))))), entry(9, "a", sub(2, entry(1, route, sub(2, str(3, ""))))), entry(9, "b", sub(2, entry(1, route, sub(2, str(3, "public")))))),
		"an attribute twice":                                      msg(ask, attributes(entry(1, route, sub(2, str(3, "star"))), entry(1, route, sub(2, str(3, "public"))))),
		"an attribute twice, the last without a value":            msg(ask, attributes(entry(1, route, sub(2, str(3, "star"))), entry(1, route))),
		"an attribute whose value is in two parts":                msg(ask, attributes(entry(1, route, sub(2, varint(4, 1)), sub(2, str(3, "star"))))),
		"an attribute whose value is null after all":              msg(ask, attributes(entry(1, route, sub(2, str(3, "star"), varint(1, 0))))),
		"an attribute whose value is a number after all":          msg(ask, attributes(entry(1, route, sub(2, str(3, "star"), double(2, 0x409fa00000000000))))),
		"an attribute whose value is of another wire type":        msg(ask, attributes(entry(1, route, sub(2, str(3, "star"), varint(2, 1), str(1, ""), str(4, ""), double(3, 1), varint(5, 1))))),
		"metadata in two parts":                                   msg(ask, metadata(entry(1, "corsgate", sub(2, entry(1, "policy", sub(2, str(3, "star")))))), metadata(entry(1, "other", sub(2)))),
		"metadata of the namespace twice":                         msg(ask, metadata(entry(1, "corsgate", sub(2, entry(1, "policy", sub(2, str(3, "star"))))), entry(1, "corsgate", sub(2)))),
		"metadata of the namespace with two values":               msg(ask, metadata(entry(1, "corsgate", sub(2, entry(1, "policy", sub(2, str(3, "star")))), sub(2)))),
		"metadata with the value before the key, and a later key": msg(ask, metadata(sub(1, sub(2, entry(1, "policy", sub(2, str(3, "star")))), str(1, "other"), str(1, "corsgate")))),
		"names in upper case":                                     request(header(":METHOD", "GET"), header(":Authority", "list.test"), header("ORIGIN", app)),
		"names with letters that look like others":                request(askedHeaders(), header("orİgin", evil), header("upgrade\u212a", "x")),
		"a long name": request(askedHeaders(), header(strings.Repeat("origin", 100), evil)),
	}
}

// malformed messages cannot be read, and neither side may read on.
func malformed() map[string][]byte {
	request := sub(2, sub(1, askedHeaders()))
	return map[string][]byte{
		"a message that is cut":             request[:len(request)-1],
		"a tag without a field":             msg(request, []byte{0x12}),
		"a tag that is cut":                 msg(request, []byte{0x92}),
		"a field with the number 0":         msg(request, []byte{0x02, 0x00}),
		"an unknown wire type":              msg(request, []byte{0x17}),
		"the end of a group that began not": msg(request, []byte{0x14}),
		"a group without an end":            msg(request, []byte{0x13}),
		"a length above the message's":      msg(request, []byte{0x12, 0x05, 'x'}),
		"a length of more than 64 bits":     msg(request, []byte{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}),
		"a header that is cut":              sub(2, sub(1, askedHeaders(), []byte{0x0a, 0x02, 0x0a, 0x09})),
		"an attribute that is cut":          msg(request, sub(9, []byte{0x0a, 0x05})),
		"metadata that is cut":              msg(request, sub(8, []byte{0x0a, 0x05})),
		"a value that is cut":               msg(request, sub(8, entry(1, "corsgate", sub(2, entry(1, "policy", sub(2, []byte{0x1a, 0x05})))))),
		"an attribute's value that is cut":  msg(request, entry(9, "f", sub(2, entry(1, "xds.route_metadata.filter_metadata['corsgate'].policy", sub(2, []byte{0x11, 0x05}))))),
		"a late attribute that is cut":      msg(sub(3), entry(9, "f", sub(2, entry(1, "request.headers['origin']", sub(2, []byte{0x11, 0x05}))))),
	}
}

func TestProcessReadsOddEncodings(t *testing.T) {
	set := testSet(t)
	for name, message := range oddEncodings() {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t, set, "")
			defer d.exchange.End()
			if _, ok, _ := (&oracle{serves: set, observe: d.oracle.observe}).process(message); !ok {
				t.Fatal("the generated code does not accept it")
			}
			d.want = seen{}
			d.process(t, message)
			d.process(t, encoded(t, responseMessage("vary: x")))
		})
	}
}

func TestProcessRefusesMalformedMessages(t *testing.T) {
	set := testSet(t)
	for name, message := range malformed() {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t, set, "")
			defer d.exchange.End()
			if _, ok, _ := d.oracle.process(message); ok {
				t.Fatal("the generated code accepts it")
			}
			answer, err := d.exchange.Process(t.Context(), nil, message)
			if !errors.Is(err, wire.ErrMalformed) || answer != nil || len(d.have.decisions) > 0 {
				t.Errorf("got %x, %v after %d decisions, want ErrMalformed", answer, err, len(d.have.decisions))
			}
		})
	}
}

func TestCheckRefusesMalformedMessages(t *testing.T) {
	for name, message := range map[string][]byte{
		"a message that is cut":     {0x0a, 0x05},
		"a context that is cut":     sub(1, []byte{0x22, 0x05}),
		"a request that is cut":     sub(1, sub(4, []byte{0x12, 0x05})),
		"an extension that is cut":  sub(1, sub(10, []byte{0x0a, 0x05})),
		"a header that is cut":      sub(1, sub(4, sub(2, sub(3, []byte{0x0a, 0x05})))),
		"a raw header that is cut":  sub(1, sub(4, sub(2, sub(13, sub(1, []byte{0x0a, 0x05}))))),
		"route metadata that's cut": sub(1, sub(13, []byte{0x0a, 0x05})),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t, testSet(t), "")
			defer d.exchange.End()
			answer, err := d.exchange.Check(t.Context(), nil, message)
			if !errors.Is(err, wire.ErrMalformed) || answer != nil {
				t.Errorf("got %x, %v, want ErrMalformed", answer, err)
			}
		})
	}
}

// mangled returns b with its fields, and those of the messages in it,
// repeated, reordered, dropped, and split in two at random.
func mangled(rng *rand.Rand, b []byte, depth int) []byte {
	var fields [][]byte
	for rest := b; len(rest) > 0; {
		num, typ, n := protowire.ConsumeField(rest)
		if n < 0 {
			return b // no message, but a text
		}
		fields = append(fields, mangledField(rng, num, typ, rest[:n], depth)...)
		rest = rest[n:]
	}
	switch rng.IntN(8) {
	case 0:
		rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	case 1:
		fields = slices.Insert(fields, rng.IntN(len(fields)+1), varint(protowire.Number(1+rng.IntN(15)), rng.Uint64()))
	case 2:
		fields = append(fields, fields[rng.IntN(len(fields)+1):]...)
	}
	return msg(fields...)
}

// mangledField returns what becomes of one field.
func mangledField(rng *rand.Rand, num protowire.Number, typ protowire.Type, field []byte, depth int) [][]byte {
	if rng.IntN(20) == 0 {
		return nil
	}
	if typ != protowire.BytesType || depth == 0 {
		return [][]byte{field}
	}
	_, _, n := protowire.ConsumeTag(field)
	content, _ := protowire.ConsumeBytes(field[n:])
	content = mangled(rng, content, depth-1)
	if rng.IntN(6) == 0 {
		cut := boundary(rng, content)
		return [][]byte{sub(num, content[:cut]), sub(num, content[cut:])}
	}
	return [][]byte{sub(num, content)}
}

// boundary returns the end of one of the fields of b.
func boundary(rng *rand.Rand, b []byte) int {
	ends := []int{0}
	for at := 0; at < len(b); {
		_, _, n := protowire.ConsumeField(b[at:])
		if n < 0 {
			break
		}
		at += n
		ends = append(ends, at)
	}
	return ends[rng.IntN(len(ends))]
}

// nesting is how deep messages are mangled: down to the text of a Value.
const nesting = 10

func TestMangledMessages(t *testing.T) {
	const rounds = 4
	set := testSet(t)
	rng := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for _, c := range conversations() {
		for range rounds {
			d := newDuel(t, set, c.named)
			for _, message := range c.encoded(t) {
				if !d.process(t, mangled(rng, message, nesting)) {
					break
				}
				compared++
			}
			d.exchange.End()
		}
	}
	for _, q := range questions() {
		for range rounds {
			d := newDuel(t, set, q.named)
			d.check(t, mangled(rng, q.encoded(t), nesting))
			d.exchange.End()
		}
	}
	if compared < 500 {
		t.Errorf("only %d messages were compared", compared)
	}
}
