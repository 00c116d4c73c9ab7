package explain

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

// Unknown is the credentials mode of a recorded request that carries no
// credentials: the page may have asked for some and had none. Both ways are
// explained.
const Unknown browser.Credentials = "unknown"

// bothWays answers a question about both credentials modes: the report is that
// of the one which explains what was recorded, and notes the other one.
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
	case q.Failed != "":
		r = with
		r.note("the recording says that it failed, which credentials: include explains: without credentials the page may read the answer")
	default:
		r.note("a recording does not tell whether the page asks for credentials: with credentials: include " + with.Because)
	}
	r.hearRecording()
	return r
}

func (r *Report) note(text string) { r.Notes = append(r.Notes, text) }

// needsMore reports whether r allows credentials besides.
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

// hearRecording takes a recording's word that the request failed: the report
// does not say that the page may read what it could not.
func (r *Report) hearRecording() {
	failed := r.Question.Failed
	switch explained := !r.Allowed && !r.Undecided; {
	case failed == "":
	case isOtherError(failed) && explained:
		r.note("the recording says " + failed + ", which is another failure than CORS's")
	case isOtherError(failed):
		r.fail("the recording says " + failed + ", which is not a failure of CORS: look at the network, TLS and the browser's extensions")
		r.Cause, r.Remedy = "", nil
	case r.Undecided:
		r.fail(fmt.Sprintf("the recording says that it failed (%s), and has no answer of the upstream, which decides here: look at its CORS headers, or did the request not get there?", failed))
	case r.Allowed:
		r.fail(fmt.Sprintf("the recording says that it failed (%s), and nothing in these policies explains it: was it recorded with other ones, does the upstream answer otherwise, or did it not get there?", failed))
	}
}

// fail makes the verdict a blocked one.
func (r *Report) fail(because string) { r.Allowed, r.Undecided, r.Because = false, false, because }

// isOtherError reports whether Chromium names an error of the network. For CORS
// it says net::ERR_FAILED.
func isOtherError(text string) bool {
	return strings.HasPrefix(text, "net::") && text != "net::ERR_FAILED"
}
