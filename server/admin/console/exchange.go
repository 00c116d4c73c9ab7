package console

import (
	"net/http"
	"strconv"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// The parties of an exchange, from left to right.
const (
	thePage        = "page"
	theEnvoy       = "envoy"
	theService     = "corsgate"
	theApplication = "application"
)

// arrow is one message between two neighbours, of a drawn exchange.
type arrow struct {
	From, To string
	// Says is the first line of the message, and Headers are those of CORS.
	Says    string
	Headers browser.Headers
	// Bad says that the message makes the request fail.
	Bad bool
}

// Drawn is an exchange as the messages in their order.
type Drawn struct {
	Title  string
	Arrows []arrow
	// Steps are what the browser checks in the answer.
	Steps []browser.Step
	// Hidden are the headers that the page does not see.
	Hidden []string
	// Undecided says that the answer is not known, and that it decides.
	Undecided bool
}

// draw returns what is sent, in order.
func draw(r answer) (drawn []Drawn) {
	if r.Preflight != nil {
		drawn = append(drawn, drawExchange("The preflight, which the browser sends by itself", r.Question.URL, r.Policy.Name, r.Preflight))
	}
	if r.Request != nil {
		drawn = append(drawn, drawExchange("The request", r.Question.URL, r.Policy.Name, r.Request))
	}
	return drawn
}

func drawExchange(title, url, policy string, e *explain.Exchange) Drawn {
	d := Drawn{Title: title, Steps: e.Steps, Hidden: e.Hidden, Undecided: e.Undecided}
	decides := e.Reason
	if policy != "" {
		decides = "policy " + policy + ": " + e.Reason
	}
	d.add(thePage, theEnvoy, e.Method+" "+url, e.Sent)
	d.add(theEnvoy, theService, "what to do with it?", e.Sent)
	d.add(theService, theEnvoy, decides, nil)
	if e.Forwarded {
		d.add(theEnvoy, theApplication, e.Method+" "+url, e.Sent)
		d.add(theApplication, theEnvoy, "its answer", nil)
	}
	d.add(theEnvoy, thePage, status(e.Status), e.Headers)
	d.Arrows[len(d.Arrows)-1].Bad = e.Blocked
	return d
}

func (d *Drawn) add(from, to, says string, headers browser.Headers) {
	d.Arrows = append(d.Arrows, arrow{From: from, To: to, Says: says, Headers: headers})
}

func status(code int) string {
	if code == 0 {
		return "an answer that is not known"
	}
	return strconv.Itoa(code) + " " + http.StatusText(code)
}

// names are those of the parties for people.
var names = map[string]string{thePage: "page", theEnvoy: "Envoy", theService: "corsgate", theApplication: "application"}

func partyName(party string) string { return names[party] }

// isStranger reports whether a remedy would let in an origin that has no kin in the policy.
func isStranger(r answer) bool { return r.Remedy != nil && r.Origin.Stranger() }

// isFresh reports whether a remedy is a policy of its own.
func isFresh(r *explain.Remedy) bool { return len(r.Changes) > 0 && r.Changes[0].Field == "name" }
