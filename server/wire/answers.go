package wire

import (
	"slices"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

const allowOrigin = "access-control-allow-origin"

// corsResponseHeaders are the response headers of the CORS protocol (Fetch,
// #http-responses) and of the withdrawn Private Network Access: what an upstream
// may have sent and the policy decides instead.
var corsResponseHeaders = []string{
	allowOrigin,
	"access-control-allow-credentials",
	"access-control-expose-headers",
	"access-control-allow-methods",
	"access-control-allow-headers",
	"access-control-max-age",
	"access-control-allow-private-network",
}

// metadataKeys are the response headers that the apply filter sets, and where
// it reads them.
var metadataKeys = func() map[string]string {
	keys := map[string]string{}
	for _, h := range contract.EditedHeaders() {
		keys[h.Name] = h.Key
	}
	return keys
}()

// answers is a set with its encoded answers.
type answers struct {
	set     *policy.Set
	encoded []*answer // :: policy.Answer.ID
}

// answer is what of a policy.Answer can be encoded before a request comes.
type answer struct {
	apply policy.Apply
	// status is the HttpStatus of a reply, for an ImmediateResponse and a
	// DeniedHttpResponse alike.
	status []byte
	// mutation are the headers for ext_proc, checked those for ext_authz.
	mutation, checked template
	// entries are the fields of the dynamic metadata.
	entries template
}

// encodeAfter encodes the answers of set, but for those that it shares with prev, which
// may be nil.
func encodeAfter(prev *answers, set *policy.Set) *answers {
	all := &answers{set: set, encoded: make([]*answer, len(set.Answers()))}
	var have []*policy.Answer
	if prev != nil {
		have = prev.set.Answers()
	}
	for i, a := range set.Answers() {
		switch {
		case a == nil:
		case i < len(have) && have[i] == a:
			all.encoded[i] = prev.encoded[i]
		default:
			all.encoded[i] = encodeAnswer(a)
		}
	}
	return all
}

func encodeAnswer(a *policy.Answer) *answer {
	e := &answer{apply: applyOf(a)}
	inCheck := option{num: okResponseHeaders, value: headerValue}
	if a.Action == policy.Reply {
		e.status = appendStatus(nil, immediateStatus, a.Status)
		inCheck.num = deniedHeaders
	}
	e.entries.fix(func(b []byte) []byte { return appendEntry(b, contract.Apply, string(e.apply)) })
	for _, h := range a.Headers {
		e.mutation.add(h, inMutation.overwrite, h.Name)
		e.checked.add(h, inCheck.overwrite, h.Name)
		if key, ok := metadataKeys[h.Name]; ok {
			e.entries.add(h, appendEntry, key)
		}
	}
	return e
}

// applyOf returns how a edits the upstream's response. A reply is not
// edited: the apply filter would strip its headers on the way out.
func applyOf(a *policy.Answer) policy.Apply {
	if a.Action != policy.Edit || a.Apply == "" {
		return policy.ApplyNone
	}
	return a.Apply
}

// template is a run of encoded fields, with holes for what is echoed.
type template []part

// part is fixed, or a hole for the value of a header.
type part struct {
	fixed []byte
	hole  policy.Header
	name  string
	write writer
}

// writer appends a field of that name to b.
type writer func(b []byte, name, value string) []byte

// add adds the field of h, which w writes under name.
func (t *template) add(h policy.Header, w writer, name string) {
	switch {
	case h.From != policy.FromPolicy:
		*t = append(*t, part{hole: h, name: name, write: w})
	case usable(h.Value):
		t.fix(func(b []byte) []byte { return w(b, name, h.Value) })
	}
}

// fix adds what write appends.
func (t *template) fix(write func([]byte) []byte) {
	if n := len(*t); n > 0 && (*t)[n-1].write == nil {
		(*t)[n-1].fixed = slices.Clip(write((*t)[n-1].fixed))
		return
	}
	*t = append(*t, part{fixed: slices.Clip(write(nil))})
}

// appendTo appends the fields with the values of v.
func (t template) appendTo(b []byte, v *policy.Verdict) []byte {
	for i := range t {
		p := &t[i]
		if p.write == nil {
			b = append(b, p.fixed...)
		} else if value := v.Value(p.hole); usable(value) {
			b = p.write(b, p.name, value)
		}
	}
	return b
}

// usable reports whether a header is set to value. A string that is not UTF-8
// would make the whole answer unmarshalable.
func usable(value string) bool { return value != "" && utf8.ValidString(value) }

// removed is the removal of corsResponseHeaders. They are removed unseen, since
// forward_rules may hide them.
var removed = encodeRemoved()

func encodeRemoved() (b []byte) {
	for _, name := range corsResponseHeaders {
		b = appendText(b, mutationRemove, name)
	}
	return b
}
