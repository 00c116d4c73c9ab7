package e2e

import "testing"

func TestExchanges(t *testing.T) {
	eachSetup(t, func(t *testing.T, s *setup) { s.compare(t, exchanges) })
}

// compare sends the exchanges over each version of HTTP, and prints a line for each
// difference.
func (s *setup) compare(t *testing.T, all []exchange) {
	t.Helper()
	got := map[string][]string{} // :: id -> lines
	for client := range clients {
		for _, e := range all {
			got[e.id(s, client)] = e.send(t, s, client)
		}
	}
	reasons := s.reasons(t, len(got))
	for client := range clients {
		for _, e := range all {
			id := e.id(s, client)
			for _, line := range differences(e.wanted(s), append(got[id], reasons[id])) {
				t.Errorf("%s: %s", id, line)
			}
		}
	}
}
