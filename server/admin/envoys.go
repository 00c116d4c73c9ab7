package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
)

// Envoys are those that compiled policies are delivered to; *ecds.Server has them.
type Envoys interface {
	// Envoys returns those that are connected.
	Envoys() []ecds.Envoy
	// Await waits until all have acknowledged or refused what serves, or ctx has ended,
	// and returns them.
	Await(ctx context.Context) []ecds.Envoy
}

const (
	// deliverTimeout bounds the wait of a reload for Envoys.
	deliverTimeout = 30 * time.Second
	// maxTold bounds the Envoys that a line names.
	maxTold = 10
)

// pending is the answer to a reload that Envoys have not acknowledged yet.
type pending struct {
	// Message names them, on one line.
	Message string `json:"message"`
	process
}

// loaded answers a reload of good policies, once Envoys have them.
func (s *Server) loaded(ctx context.Context, w http.ResponseWriter, status live.Status) {
	var envoys []ecds.Envoy
	if s.Envoys != nil {
		ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
		defer cancel()
		envoys = s.Envoys.Await(ctx)
	}
	p := s.shown(status, envoys)
	switch refused, waiting := in(ecds.Refused, envoys), in(ecds.Waiting, envoys); {
	case len(refused) > 0:
		s.writeJSON(w, http.StatusUnprocessableEntity, refusal{told("the service has the policies, and these Envoys have refused them: ", refused), []policyfile.Diagnostic{}, refused})
	case len(waiting) > 0:
		s.writeJSON(w, http.StatusAccepted, pending{told("the service has the policies, and these Envoys have not acknowledged them yet: ", waiting), p})
	default:
		s.writeJSON(w, http.StatusOK, p)
	}
}

// in returns the Envoys in a state.
func in(state ecds.State, envoys []ecds.Envoy) (list []ecds.Envoy) {
	for _, e := range envoys {
		if e.State == state {
			list = append(list, e)
		}
	}
	return list
}

// told names Envoys, with what one has refused.
func told(what string, envoys []ecds.Envoy) string {
	texts := make([]string, 0, maxTold+1)
	for _, e := range envoys[:min(len(envoys), maxTold)] {
		texts = append(texts, fmt.Sprintf("%q at %s", e.Node, e.Address)+why(e))
	}
	if more := len(envoys) - maxTold; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return what + strings.Join(texts, ", ")
}

// why returns the text of a refusal, if there is one.
func why(e ecds.Envoy) string {
	for _, r := range e.Resources {
		if r.Refused != nil {
			return fmt.Sprintf(" (%s: %q)", r.Name, r.Refused.Error)
		}
	}
	return ""
}
