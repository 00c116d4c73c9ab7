package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

func TestDeniedOffersALineOnlyForWhatIsNear(t *testing.T) {
	l := newLab(t, specs...)
	wants(t, l.page(t, "/console/denied"), "Nothing is known to be denied.", "tells only with --feed")
	for range 3 {
		l.decide(get("https://app.test:8443", "closed.test", "/"))
	}
	l.decide(get("https://stranger.example", "closed.test", "/"))
	l.decide(policy.Request{Method: "OPTIONS", Authority: "api.test", Path: "/v1", Origin: "https://app.test", RequestMethod: "GET", RequestHeaders: "x-a,x-b"})
	l.decide(policy.Request{Policy: "gone", Method: "GET", Authority: "api.test", Path: "/v1", Origin: "https://app.test"})
	wants(t, l.page(t, "/console/denied"), "Denials: 4", "https://app.test:8443 request_blocked 3",
		`This line would allow it: allowOrigins: [..., "https://app.test:8443"] . Every page of https://app.test:8443 could then read whatever closed.test answers, with the cookies`,
		"A policy that does not exist", "no file has it", `asked for x-a,x-b`, `This line would allow it, apart from what else the preflight asks for: allowHeaders: [..., "x-a", "x-b"] . Pages of each origin that the policy allows could then send that, too.`)
	var list struct {
		Policies []struct {
			Policy  string
			Origins []struct{ Origin, Nearest, Allow, Opens, Try string }
		}
	}
	l.json(t, "/console/denied", &list)
	if list.Policies[0].Policy != "closed" {
		t.Fatalf("the policy that denies most is not the first: %+v", list)
	}
	stranger := list.Policies[0].Origins[1]
	if stranger.Origin != `"https://stranger.example"` || stranger.Allow != "" || stranger.Opens != "" || stranger.Try == "" {
		t.Errorf("%+v", stranger)
	}
	for _, p := range list.Policies {
		for _, o := range p.Origins {
			if p.Policy == "" {
				if o.Try != "" {
					t.Errorf("a policy that does not exist can be tried: %+v", o)
				}
				continue
			}
			if resp, body := l.ask(t, "GET", o.Try, ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, "Blocked</span>") && p.Policy != "next" {
				t.Errorf("%s: %d", o.Try, resp.StatusCode)
			}
		}
	}
}

func TestAnOriginThatIsAllowedByNowIsLeftOut(t *testing.T) {
	l := newLab(t, specs...)
	l.decide(policy.Request{Policy: "closed", Method: "GET", Authority: "closed.test", Path: "/", Origin: "https://new.test"})
	s := specs[3]
	s.CORS.AllowOrigins = []string{"https://new.test"}
	l.set = newLab(t, s).set
	wants(t, l.page(t, "/console/denied"), "All of it is allowed by now.")
}

func TestDeniedSaysThatAPolicyInShadowOpensNothingYet(t *testing.T) {
	l := newLab(t, specs...)
	for range 3 {
		l.decide(get("https://next.test:8443", "api.test", "/"))
	}
	l.decide(get("https://app.test:8443", "closed.test", "/"))
	const yet = "The policy is in shadow, so this changes nothing yet. Once it is enforced: every page of https://next.test:8443 could then read whatever api.test answers, but without the cookies of its visitors."
	text := l.page(t, "/console/denied")
	wants(t, text, yet)
	if strings.Count(text, "in shadow, so") != 1 {
		t.Errorf("it is said of a policy in force, too:\n%s", text)
	}
	var list struct {
		Policies []struct {
			Policy  string
			Origins []struct{ Opens string }
		}
	}
	l.json(t, "/console/denied", &list)
	if len(list.Policies) != 2 || list.Policies[0].Policy != "closed" || list.Policies[1].Policy != "next" || list.Policies[1].Origins[0].Opens != yet {
		t.Errorf("the policy in force is not the first: %+v", list)
	}
}
