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
			if strings.Contains(text, "$ etcd ") {
				needProgram(t, "etcd")
			}
			g := newGuide(t, strings.Contains(text, "$ envoy "))
			for _, m := range codeBlock.FindAllStringSubmatch(text, -1) {
				g.do(t, m[1], g.moved.Replace(m[2]))
			}
		})
	}
	if found != 5 {
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
	serves map[string]func() // :: command that serves -> what ends it
}

// newGuide returns an empty folder, and the variables by which the defaults of the
// commands are free addresses.
func newGuide(t *testing.T, withEnvoy bool) *guide {
	t.Helper()
	g := &guide{folder: t.TempDir(), at: map[string]string{}, serves: map[string]func(){}}
	var moved []string
	for _, port := range []string{"2379", "2380", "8080", "9001", "9002", "9011", "9012", "10000", "10001", "10010"} {
		given := "127.0.0.1:" + port
		g.at[given] = envoytest.FreeAddress()
		moved = append(moved, given, g.at[given])
	}
	g.moved = strings.NewReplacer(moved...)
	path := os.Getenv("PATH")
	if withEnvoy {
		needProgram(t, "curl")
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
	store, peers := "http://"+g.at["127.0.0.1:2379"], "http://"+g.at["127.0.0.1:2380"]
	g.env = append(g.env, "ETCD_LISTEN_CLIENT_URLS="+store, "ETCD_ADVERTISE_CLIENT_URLS="+store,
		"ETCD_LISTEN_PEER_URLS="+peers, "ETCD_INITIAL_ADVERTISE_PEER_URLS="+peers, "ETCD_INITIAL_CLUSTER=default="+peers)
	return g
}

// needProgram skips a test that lacks a program, or fails it when CI=true.
func needProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && os.Getenv("CI") == "true" {
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
	case "yaml", "nginx":
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
	"etcd --data-dir store":                             "127.0.0.1:2379",
	"corsgate serve ":                                   "127.0.0.1:9002",
	"corsgate demo upstream ":                           "127.0.0.1:8080",
	"envoy -c envoy.yaml":                               "127.0.0.1:10000",
	"envoy --base-id 1 -c envoy-1.yaml":                 "127.0.0.1:10000",
	"envoy --base-id 2 -c envoy-2.yaml":                 "127.0.0.1:10010",
	"envoy --use-dynamic-base-id -c filters/envoy.yaml": "127.0.0.1:10001",
}

// ownAdmin is the flag by which a "corsgate serve" does not have the default address.
var ownAdmin = regexp.MustCompile(`--admin-listen (\S+)`)

// run runs a command, and wants it to print what is said. One that serves is run until
// the guide's end, or until the guide shows it with a Ctrl-C.
func (g *guide) run(t *testing.T, command, said string) {
	t.Helper()
	for begins, given := range serving {
		if !strings.HasPrefix(command, begins) {
			continue
		}
		address := g.at[given]
		if own := ownAdmin.FindStringSubmatch(command); own != nil {
			address = own[1]
		}
		if said == "^C" {
			g.serves[command]()
		} else {
			g.serve(t, command, address)
		}
		return
	}
	if set, ok := strings.CutPrefix(command, "export "); ok {
		g.env = append(g.env, set)
		return
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
	g.serves[command] = func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		<-ended
	}
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
