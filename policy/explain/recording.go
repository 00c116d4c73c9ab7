package explain

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

// Unknown is the credentials mode of a recorded request without credentials: the page may
// have asked for some and had none. Both possibilities are explained.
const Unknown browser.Credentials = "unknown"

// bothWays answers a question for both credentials modes. It returns the report of the mode
// that explains the recording, with a note about the other mode.
func (ps Policies) bothWays(q Question, a asked) Report {
	a.Credentials = browser.SameOrigin
	without := ps.report(q, a)
	a.Credentials = browser.Include
	with := ps.report(q, a)
	r := without
	switch {
	case without.Allowed == with.Allowed:
		if with.Remedy.needsMore(without.Remedy) {
			r.note("a recording does not tell whether the page asks for credentials: with credentials: include the policy needs allowCredentials: true besides")
		}
	case q.Failed != "" && !without.isOtherFailure():
		r = with
		r.note("the recording says that it failed, which credentials: include explains: without credentials the page may read the answer")
	default:
		r.note("a recording does not tell whether the page asks for credentials: with credentials: include " + with.Because)
	}
	r.hearRecording()
	return r
}

func (r *Report) note(text string) { r.Notes = append(r.Notes, text) }

// needsMore reports whether r also allows credentials, unlike without.
func (r *Remedy) needsMore(without *Remedy) bool {
	return r.allowsCredentials() && !without.allowsCredentials()
}

func (r *Remedy) allowsCredentials() bool {
	if r == nil {
		return false
	}
	for _, c := range r.Changes {
		if c.Field == fieldCredentials {
			return true
		}
	}
	return false
}

// hearRecording believes a recording that the request failed: the report does not say that
// the page may read an answer that it could not read.
func (r *Report) hearRecording() {
	failed := r.Question.Failed
	switch blocked := !r.Allowed && !r.Undecided; {
	case failed == "" || r.FailsOtherwise:
	case r.isOtherFailure() && blocked:
		r.note("the recording says " + failed + ", which is not a failure of CORS")
	case r.isOtherFailure():
		r.failOtherwise("the recording says " + failed + ", which is not a failure of CORS: look at the network, TLS and the browser's extensions")
	case r.Undecided:
		r.fail(fmt.Sprintf("the recording says that it failed (%s), and has no headers of the upstream's answer, which decide here: which CORS headers did it have%s?", failed, r.orLost()))
	case r.Allowed:
		r.fail(fmt.Sprintf("the recording says that it failed (%s), and nothing in these policies explains it: was it recorded with other ones, or does the upstream answer differently%s?", failed, r.orLost()))
	}
}

// orLost also asks whether the request got lost, unless it has an answer.
func (r *Report) orLost() string {
	if r.Question.Upstream.answers() {
		return ""
	}
	return ", or did the request not get there"
}

// fail makes the verdict "blocked".
func (r *Report) fail(because string) { r.Allowed, r.Undecided, r.Because = false, false, because }

// failOtherwise makes the verdict a failure that no policy has caused.
func (r *Report) failOtherwise(because string) {
	r.fail(because)
	r.FailsOtherwise, r.Cause, r.Remedy = true, "", nil
}

// isOtherFailure reports whether the failure in the recording is not one of CORS. CORS does
// not apply in other modes.
func (r *Report) isOtherFailure() bool {
	return r.Question.Mode != CORS || isOtherError(r.Question.Failed)
}

// isOtherError reports whether Chromium names an error of the network. For CORS
// it says net::ERR_FAILED.
func isOtherError(text string) bool {
	return strings.HasPrefix(text, "net::") && text != "net::ERR_FAILED"
}
