package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// patience bounds every wait of a script.
const patience = servertest.Patience

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"corsgate": main})
}

// TestScripts runs the command line as users do: each script is a process.
// Besides testscript's own commands there are those of scriptCommands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                scriptCommands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			s := &served{}
			e.Values[served{}] = s
			e.Defer(s.kill)
			// Under the race detector every process would sleep a second at its end.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			// health gives up sooner than a busy machine answers.
			e.Setenv("CORSGATE_TIMEOUT", patience.String())
			return nil
		},
	})
}

// scriptCommands are the commands that scripts have besides testscript's own.
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits":   scriptExits,   // exits CODE PROGRAM ARG...: runs it and wants that exit code
		"serve":   scriptServe,   // serve ARG...: starts corsgate serve; $ADMIN is its address, serve.log its log
		"signal":  scriptSignal,  // signal TERM|INT|HUP: sends it to what serve started
		"ended":   scriptEnded,   // ended CODE: waits until it has ended with that exit code
		"http":    scriptHTTP,    // http STATUS METHOD PATH: asks its admin listener; stdout is the body
		"await":   scriptAwait,   // await PATH REGEXP: asks until the body matches
		"logged":  scriptLogged,  // logged REGEXP: waits until its log matches
		"watch":   scriptWatch,   // watch ARG...: starts corsgate test --watch
		"watched": scriptWatched, // watched REGEXP: waits until what it has printed since then matches
		"until":   scriptUntil,   // until REGEXP PROGRAM ARG...: runs it again until its standard output matches
		"repeat":  scriptRepeat,  // repeat FILE N TEXT: writes TEXT N times

		"freeport": scriptFreePort, // freeport NAME: sets $NAME to a port that nobody listens on
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	var exit *exec.ExitError
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // what it prints counts
		if re.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%q has not printed %q", args[1:], re)
}

func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	_, port, err := net.SplitHostPort(envoytest.FreeAddress())
	ts.Check(err)
	ts.Setenv(args[0], port)
}

func scriptRepeat(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(args[2], n)), 0o600))
}

// served is the corsgate that a script has started.
type served struct {
	cmd   *exec.Cmd
	log   string
	admin string // address of the admin listener
	ended chan struct{}
}

// kill ends what a script left running.
func (s *served) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

func servedOf(ts *testscript.TestScript) *served { return ts.Value(served{}).(*served) }

// adminLine is what the log says when the admin listener is open.
var adminLine = regexp.MustCompile(`"admin":"([^"]+)"`)

func scriptServe(ts *testscript.TestScript, _ bool, args []string) {
	s := servedOf(ts)
	flags := []string{"serve", "--grpc-listen", "127.0.0.1:0", "--drain-delay", "0s"}
	if ts.Getenv(variable("admin-listen")) == "" {
		flags = append(flags, "--admin-listen", "127.0.0.1:0")
	}
	args = append(flags, args...)
	s.start(ts, "serve.log", args)
	s.admin = s.awaitLog(ts, adminLine)[1]
	ts.Setenv("ADMIN", s.admin)
}

// start starts corsgate in the background; what it prints goes to a file.
func (s *served) start(ts *testscript.TestScript, name string, args []string) {
	s.kill()
	s.log = ts.MkAbs(name)
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	s.cmd = exec.Command("corsgate", args...)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = ts.MkAbs("."), serveEnvironment(ts), log, log
	envoy.EndWithUs(s.cmd)
	ts.Check(s.cmd.Start())
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait()
	}()
}

// serveEnvironment returns the variables of serve's flags that a script has set.
func serveEnvironment(ts *testscript.TestScript) []string {
	env := os.Environ()
	newServe().Flags().VisitAll(func(f *pflag.Flag) {
		env = append(env, variable(f.Name)+"="+ts.Getenv(variable(f.Name)))
	})
	return env
}

// awaitLog waits until the log matches re.
func (s *served) awaitLog(ts *testscript.TestScript, re *regexp.Regexp) []string {
	var log []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		log, _ = os.ReadFile(s.log)
		if m := re.FindSubmatch(log); m != nil {
			return strings.Split(string(bytes.Join(m, []byte("\x00"))), "\x00")
		}
	}
	ts.Fatalf("the log does not match %q:\n%s", re, log)
	return nil
}

func scriptLogged(ts *testscript.TestScript, _ bool, args []string) {
	servedOf(ts).awaitLog(ts, regexp.MustCompile(args[0]))
}

func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt, "HUP": syscall.SIGHUP}
	ts.Check(servedOf(ts).cmd.Process.Signal(signals[args[0]]))
}

func scriptEnded(ts *testscript.TestScript, _ bool, args []string) {
	s := servedOf(ts)
	select {
	case <-s.ended:
	case <-time.After(patience):
		ts.Fatalf("corsgate has not ended")
	}
	if code := s.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// ask returns the status and body of an answer of the admin listener.
func (s *served) ask(method, path string) (status int, body string, err error) {
	req, err := http.NewRequest(method, "http://"+s.admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func scriptHTTP(ts *testscript.TestScript, _ bool, args []string) {
	status, body, err := servedOf(ts).ask(args[1], args[2])
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), body)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("status %d, want %s: %s", status, args[0], body)
	}
}

func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[1])
	var body string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		_, body, _ = servedOf(ts).ask(http.MethodGet, args[0])
		if re.MatchString(body) {
			return
		}
	}
	ts.Fatalf("%s does not match %q: %s", args[0], re, body)
}
