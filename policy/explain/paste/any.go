package paste

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/printable"
)

// Any reads what Command or HAR reads. Skipped are those of a Recording. The error also says
// if CORS is not about any of its requests.
func Any(text string) (questions []explain.Question, skipped []string, err error) {
	if !strings.HasPrefix(strings.TrimLeft(text, byteOrderMark+" \t\r\n"), "{") {
		questions, err = Command(text)
		return questions, nil, err
	}
	r, err := HAR(text)
	if err == nil && len(r.Questions) == 0 {
		err = fmt.Errorf("none of its %s has an Origin or failed, so CORS is not about any", printable.Counted(r.Entries, "request", "requests"))
	}
	return r.Questions, r.Skipped, err
}
