package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// guides is the folder of the guides.
const guides = "cmd/corsgate/guides/"

// TestGuides does what each guide says: it writes its files, whose first line is their
// name, and runs its commands in a shell, in an empty folder.
func TestGuides(t *testing.T) {
	found := 0
	for _, name := range documents(t) {
		title, ok := strings.CutPrefix(name, guides)
		if !ok {
			continue
		}
		found++
		t.Run(title, func(t *testing.T) {
			text := document(t, name)
			g := newGuide(t, strings.Contains(text, "$ envoy "))
			for _, m := range codeBlock.FindAllStringSubmatch(text, -1) {
				g.do(t, m[1], g.moved.Replace(m[2]))
			}
		})
	}
	if found != 3 {
		t.Errorf("%d guides", found)
	}
}

// codeBlock is a block of code in a language.
var codeBlock = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// guide is a reader's folder and machine.
type guide struct {
	folder string
	env    []string
	moved  *strings.Replacer // a guide's addresses to free ones
	at     map[string]string // :: a guide's address -> its free one
}

// newGuide returns an empty folder, and the variables by which the defaults of the
// commands are free addresses.
func newGuide(t *testing.T, withEnvoy bool) *guide {
	t.Helper()
	g := &guide{folder: t.TempDir(), at: map[string]string{}}
	var moved []string
	for _, port := range []string{"8080", "9001", "9002", "10000", "10001"} {
		given := "127.0.0.1:" + port
		g.at[given] = envoytest.FreeAddress()
		moved = append(moved, given, g.at[given])
	}
	g.moved = strings.NewReplacer(moved...)
	path := os.Getenv("PATH")
	if withEnvoy {
		needCurl(t)
		path = envoyOnPath(t) + string(filepath.ListSeparator) + path
	}
	g.env = append(os.Environ(), "PATH="+path, "GORACE=atexit_sleep_ms=0")
	for flag, value := range map[string]string{
		"grpc-listen": g.at["127.0.0.1:9001"], "service": g.at["127.0.0.1:9001"], "listen": g.at["127.0.0.1:10000"],
		"admin-listen": g.at["127.0.0.1:9002"], "drain-delay": "0s",
		// A busy machine answers late.
		"message-timeout": "1m",
	} {
		g.env = append(g.env, variable(flag)+"="+value)
	}
	return g
}

// needCurl skips a test that has no curl, or fails it when CI=true.
func needCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
}

// envoyOnPath returns a folder with a program "envoy", which shares nothing with other
// Envoys of the machine.
func envoyOnPath(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' --disable-hot-restart --concurrency 1 \"$@\"\n", envoytest.Binary(t))
	if err := os.WriteFile(filepath.Join(folder, "envoy"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// do does what a block of code is there for.
func (g *guide) do(t *testing.T, language, block string) {
	t.Helper()
	switch language {
	case "yaml":
		name, text, _ := strings.Cut(strings.TrimPrefix(block, "# "), "\n")
		file := filepath.Join(g.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		// A new file is whole at any time.
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	case "console":
		for session := range strings.SplitSeq("\n"+strings.TrimSuffix(block, "\n"), "\n$ ") {
			if session != "" {
				command, said, _ := strings.Cut(session, "\n")
				g.run(t, command, said)
			}
		}
	default:
		t.Fatalf("nobody knows what to do with %s", language)
	}
}

// serving are the commands that keep their terminal, with the address that each opens.
var serving = map[string]string{
	"corsgate serve ":                                   "127.0.0.1:9002",
	"corsgate demo upstream ":                           "127.0.0.1:8080",
	"envoy -c envoy.yaml":                               "127.0.0.1:10000",
	"envoy --use-dynamic-base-id -c filters/envoy.yaml": "127.0.0.1:10001",
}

// run runs a command, and wants it to print what is said. One that serves is run until
// the guide's end.
func (g *guide) run(t *testing.T, command, said string) {
	t.Helper()
	for begins, address := range serving {
		if strings.HasPrefix(command, begins) {
			g.serve(t, command, g.at[address])
			return
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := g.command(ctx, command)
	printed, _ := cmd.CombinedOutput()
	if got := strings.TrimSuffix(strings.ReplaceAll(string(printed), "\r", ""), "\n"); !shows(said, got) {
		t.Fatalf("%s prints\n%s\nand the guide says\n%s", command, got, said)
	}
}

func (g *guide) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = g.folder, g.env
	return cmd
}

// serve starts a command, and waits until its address is open.
func (g *guide) serve(t *testing.T, command, address string) {
	t.Helper()
	var printed output
	cmd := g.command(t.Context(), "exec "+command)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	envoy.EndWithUs(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s printed\n%s", command, &printed)
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
	}
	t.Fatalf("%s does not listen on %s", command, address)
}
