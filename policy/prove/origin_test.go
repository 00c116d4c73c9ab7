package prove

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// seeds are texts at the edges of what is an origin.
var seeds = []string{
	"https://app.example.com", "http://localhost:3000", "https://a_b.-c.example.com.", "https://xn--bcher-kva.example:65535", "http://a:65536",
	"http://a:80", "http://a:8", "http://a:800", "http://a:081", "https://a:443", "ws://a:80", "wss://a:443", "ftp://a:21", "ftp://a:2", "ftp://a:22",
	"http://0.0.0.0", "http://255.255.255.255", "http://256.1.1.1", "http://1.2.3", "http://1.2.3.4.5", "http://1.2.3.4.", "http://01.2.3.4", "http://1.2.3.4:1",
	"http://a.0x", "http://a.0xf", "http://a.0xg", "http://1.2.3.a", "http://1.2.3.4.a", "http://a.1", "http://260.b", "http://a.25", "http://1.2.3.249", "http://1.2.3.25a",
	"http://[::]", "http://[::1]:8080", "http://[1::]", "http://[2001:db8::1]", "http://[1:2:3:4:5:6:7:8]", "http://[0:1:2:3:4:5:6:7]", "http://[1:0:0:2::]", "http://[1::2:0:0]",
	"http://[1:0:0:2:0:0:0:3]", "http://[1:0:0:2::3]", "http://[0:0:1::]", "http://[::1:0:0]", "http://[1::2:0:0:0:3]", "http://[::ffff:102:304]", "http://[::1.2.3.4]", "http://[1:2:3:4:5:6::]",
	"http://[1:2:3:4:5:6:7::]", "http://[1::0:2]", "http://[fe80::a%25b]", "http://[::12345]", "http://[::01]", "http://[:1]", "http://[1:]", "http://[:]", "http://[]", "http://[::1]a",
	"app://.", "app://", "app://:80", "file://", "chrome-extension://abc", "a+b-c.1://A~!x", "1a://a", "-://a", "htt://a", "https2://a:443", "app://[::1]", "app://a[", "null", "*", "http:/a", "https://a..b",
	"https://.a", "https://a.", "http://", "http://a:", "https://a/", "https://A", "capacitor://localhost:1",
}

// TestOriginsAreThoseOfPolicy holds the machine of origins to the parser of origins, by texts
// at the edges, and by those with some bytes changed.
func TestOriginsAreThoseOfPolicy(t *testing.T) {
	o := newOrigins()
	random := rand.New(rand.NewPCG(1, 2))
	check := func(text string) {
		t.Helper()
		_, err := policy.ParseOrigin(text)
		if got := has(o, text); got != (err == nil) {
			t.Errorf("%q: the machine says %v, policy %v", text, got, err)
		}
	}
	for _, text := range seeds {
		check(text)
		for range 2000 {
			check(mutate(random, text))
		}
	}
}

// mutate changes some bytes of text.
func mutate(random *rand.Rand, text string) string {
	for range 1 + random.IntN(4) {
		i := random.IntN(len(text) + 1)
		tail := text[i:]
		if tail != "" && random.IntN(3) > 0 {
			tail = tail[1:]
		}
		if random.IntN(4) > 0 {
			tail = string("01256789abfx.:-_/[]*A ;0011::"[random.IntN(29)]) + tail
		}
		text = text[:i] + tail
	}
	return text
}

// TestIPv6AddressesAreThoseOfPolicy tries every way in which zeros are part of an address.
func TestIPv6AddressesAreThoseOfPolicy(t *testing.T) {
	o := newOrigins()
	for bits := range 1 << 8 {
		groups := make([]string, 8)
		for i := range groups {
			groups[i] = string("1"[:bits>>i&1]) + "0"[:1-bits>>i&1]
		}
		for from := range 9 {
			for to := from; to <= 8; to++ {
				text := "https://[" + strings.Join(groups[:from], ":") + "::" + strings.Join(groups[to:], ":") + "]"
				if to == from {
					text = "https://[" + strings.Join(groups, ":") + "]"
				}
				_, err := policy.ParseOrigin(text)
				if got := has(o, text); got != (err == nil) {
					t.Errorf("%q: the machine says %v, policy %v", text, got, err)
				}
			}
		}
	}
}
