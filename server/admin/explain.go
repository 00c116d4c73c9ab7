package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/corsgate/corsgate/policy/explain"
)

// maxQuestion bounds the body of POST /explain.
const maxQuestion = 256 << 10

// errNoPolicies is the answer before the first load.
var errNoPolicies = errors.New("there are no policies yet, GET /status says why")

// explain answers a question about the policies that are served now. Answers
// are worked out one at a time: with a million origins one takes seconds.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	var q explain.Question
	body := http.MaxBytesReader(w, r.Body, maxQuestion)
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	if err := in.Decode(&q); err != nil {
		writeText(w, http.StatusBadRequest, `the question cannot be read, send JSON as {"origin": "https://app.example.com", "url": "https://api.example.com/"}: `+err.Error())
		return
	}
	// net/http sees that a client leaves only when its body was read to the end.
	_, _ = io.Copy(io.Discard, body)
	var report explain.Report
	var err error
	if busy := s.Work(r.Context(), func() { report, err = s.answer(q) }); busy != nil {
		writeText(w, http.StatusServiceUnavailable, busy.Error())
		return
	}
	switch {
	case errors.Is(err, errNoPolicies):
		writeText(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		writeText(w, http.StatusBadRequest, err.Error())
	default:
		s.writeJSON(w, http.StatusOK, report)
	}
}

// answer uses the set that serves when it is called, so that waiting requests keep no old
// set in memory.
func (s *Server) answer(q explain.Question) (explain.Report, error) {
	set := s.Set()
	if set == nil {
		return explain.Report{}, errNoPolicies
	}
	return explain.Policies{Set: set}.Explain(q)
}

// Work calls f, whose answer takes long and much memory, when it is its turn: one at a time
// is worked out. If the error is not nil, f was not called.
func (s *Server) Work(ctx context.Context, f func()) error {
	return s.gate.pass(ctx, func() {
		if s.Explaining != nil {
			defer s.Explaining()()
		}
		f()
	})
}
