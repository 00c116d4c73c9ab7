package main

import (
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// watchEnd is what the watch prints when it has run all cases.
const watchEnd = "waiting for a change; Ctrl-C ends\n"

func scriptWatch(ts *testscript.TestScript, _ bool, args []string) {
	servedOf(ts).start(ts, "watch.log", append([]string{"test", "--watch"}, args...))
}

// scriptWatched waits until a run is over of which the output matches, and
// forgets what was printed so far.
func scriptWatched(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(`(?s)` + args[0] + `.*` + regexp.QuoteMeta(watchEnd))
	log := ts.MkAbs("watch.log")
	var text []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(log)
		if re.Match(text) {
			// The log is open for appending: what comes next begins the file.
			ts.Check(os.Truncate(log, 0))
			return
		}
	}
	ts.Fatalf("the watch has not printed %q:\n%s", args[0], text)
}
