package wire

import (
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
			set:      &answers{encoded: []answer{encodeAnswer(a)}},
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
