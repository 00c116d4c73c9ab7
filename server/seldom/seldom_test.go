package seldom_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/server/seldom"
)

func TestOneThingIsLoggedOnceInEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log, often, other := slog.New(slog.NewTextHandler(&text, nil)), seldom.Log{}, seldom.Log{}
		for range 3 {
			often.Tell(log.Warn, "often", "n", 1)
		}
		other.Tell(log.Error, "other")
		time.Sleep(seldom.Interval)
		often.Tell(log.Warn, "often", "n", 2)
		var got []string
		for line := range strings.Lines(text.String()) {
			_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
			got = append(got, line)
		}
		want := []string{
			"level=WARN msg=often n=1 not_logged_before=0", "level=ERROR msg=other not_logged_before=0", "level=WARN msg=often n=2 not_logged_before=2",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q", got)
		}
	})
}
