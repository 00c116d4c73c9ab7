package wire

import (
	"fmt"
	"reflect"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// TestNoBytesThatAreNotUTF8 takes a decision that no policy makes: an echoed
// origin that is not one, and names that are not. A string that is not UTF-8
// makes a whole answer unmarshalable.
func TestNoBytesThatAreNotUTF8(t *testing.T) {
	for _, action := range []policy.Action{policy.Pass, policy.Edit, policy.Reply} {
		a := &policy.Answer{Action: action, Status: 204, Apply: policy.ApplyReplace, Headers: []policy.Header{
			{Name: "access-control-allow-origin", From: policy.FromOrigin},
			{Name: "access-control-expose-headers", Value: "x-\xff"},
		}}
		bad := policy.Verdict{Origin: "https://\xff", Policy: "\xfe", Answer: a}
		x := &Exchange{
			set:      &answers{encoded: []*answer{encodeAnswer(a)}},
			request:  policy.Request{Origin: bad.Origin},
			decision: policy.Decision{Verdict: bad, Shadow: bad},
		}
		for _, c := range []struct {
			what   string
			answer []byte
			into   proto.Message
		}{
			{"request headers", x.appendNamespaced(x.appendRequestAnswer(nil), outDynamicMetadata), &extprocv3.ProcessingResponse{}},
			{"response headers", x.appendResponseAnswer(nil), &extprocv3.ProcessingResponse{}},
			{"a question", x.appendMetadata(x.appendCheckAnswer(nil), checkDynamicMetadata), &authv3.CheckResponse{}},
		} {
			if err := proto.Unmarshal(c.answer, c.into); err != nil {
				t.Errorf("action %d: the answer to %s: %v", action, c.what, err)
			}
		}
	}
}

// TestAnswersThatStayAreNotEncodedAgain replaces a policy, adds one and removes one: the
// answers of the set after are encoded as from scratch, and those that stay only once.
func TestAnswersThatStayAreNotEncodedAgain(t *testing.T) {
	valid := func(methods ...string) *policy.Valid {
		var specs []policy.Spec
		for i, m := range methods {
			if m != "" {
				specs = append(specs, policy.Spec{
					Name: fmt.Sprint("p", i), Hosts: []string{fmt.Sprintf("h%d.test", i)},
					CORS: policy.CORS{AllowOrigins: []string{"https://a.test"}, AllowMethods: []string{m}},
				})
			}
		}
		v, problems := policy.Validate(specs)
		if v == nil {
			t.Fatal(problems)
		}
		return v
	}
	var set *policy.Set
	var have *answers
	for _, methods := range [][]string{{"PUT", "PUT"}, {"PUT", "DELETE"}, {"PUT", "", "PATCH"}, {"", "", "PATCH"}, {"PUT", "PUT"}} {
		before := set
		set = policy.CompileAfter(set, valid(methods...))
		next := encodeAfter(have, set)
		for id, want := range encodeAfter(nil, set).encoded {
			if !reflect.DeepEqual(bytesOf(next.encoded[id]), bytesOf(want)) {
				t.Errorf("%q: answer %d is another one's", methods, id)
			}
			if stays := before != nil && id < len(have.encoded) && before.Answers()[id] == set.Answers()[id]; stays && next.encoded[id] != have.encoded[id] {
				t.Errorf("%q: answer %d is encoded again", methods, id)
			}
		}
		have = next
	}
}

// bytesOf returns what of an encoded answer can be compared.
func bytesOf(a *answer) (all [][]byte) {
	if a == nil {
		return nil
	}
	all = append(all, []byte(a.apply), a.status)
	for _, t := range []template{a.mutation, a.checked, a.entries} {
		for _, p := range t {
			all = append(all, p.fixed, []byte(p.name))
		}
	}
	return all
}
