package admin

import (
	"encoding/json"
	"net/http"

	"github.com/corsgate/corsgate/policy/explain"
)

// maxQuestion bounds the body of POST /explain.
const maxQuestion = 256 << 10

// explain answers a question about the policies that are served now. Answers
// are worked out one at a time: with a million origins one takes seconds.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	var q explain.Question
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	in.DisallowUnknownFields()
	if err := in.Decode(&q); err != nil {
		writeText(w, http.StatusBadRequest, `the question cannot be read, send JSON as {"origin": "https://app.example.com", "url": "https://api.example.com/"}: `+err.Error())
		return
	}
	set, specs := s.Served()
	if set == nil {
		writeText(w, http.StatusServiceUnavailable, "there are no policies yet, GET /status says why")
		return
	}
	s.explaining.Lock()
	defer s.explaining.Unlock()
	report, err := explain.Policies{Set: set, Specs: specs}.Explain(q)
	if err != nil {
		writeText(w, http.StatusBadRequest, err.Error())
		return
	}
	s.writeJSON(w, http.StatusOK, report)
}
