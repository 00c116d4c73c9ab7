//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// reader is who runs corsgate where files may not be read: the image's user if
// the test may run it as that, else the test's own.
func reader() (id int, credential *syscall.Credential) {
	if os.Geteuid() != 0 {
		return os.Geteuid(), nil
	}
	return 65532, &syscall.Credential{Uid: 65532, Gid: 65532}
}

// TestPoliciesThatMayNotBeReadSayWhichPermissionIsMissing takes permissions from
// the reader, by check and by serve.
func TestPoliciesThatMayNotBeReadSayWhichPermissionIsMissing(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022)) // others may read what is made here
	binary := copyOfTheCommand(t)
	for _, c := range []struct {
		name, closed string
		mode         os.FileMode
		want         string
	}{
		{"a policy file", "p/a.yaml", 0, `p/a.yaml:1:1: error [file-unreadable] the file cannot be read: ` + needs(`read (r) on "p/a.yaml"`, "0000", "r")},
		{"a group's file", "p/group.txt", 0, `p/a.yaml:1:26: error [file-unreadable] "group.txt": the file cannot be read: ` + needs(`read (r) on "p/group.txt"`, "0000", "r")},
		{"the folder, to list it", "p", 0o111, `p:1:1: error [file-unreadable] the file cannot be read: ` + needs(`read (r) on the folder "p"`, "0111", "r")},
		{"the folder, to open what is in it", "p", 0o444, `p:1:1: error [policies-unreadable] read the policies: ` + needs(`search (x) on the folder "p"`, "0444", "x")},
		{"the folder", "p", 0, `p:1:1: error [policies-unreadable] read the policies: ` + needs(`read and search (rx) on the folder "p"`, "0000", "rx")},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := publicFolder(t)
			closed := filepath.Join(folder, c.closed)
			text := "originGroups: {g: {file: group.txt}}\npolicies:\n- {name: api, cors: {allowOrigins: [\"group:g\"]}}\n"
			if err := errors.Join(os.Mkdir(filepath.Join(folder, "p"), 0o755), os.WriteFile(filepath.Join(folder, "p", "a.yaml"), []byte(text), 0o644),
				os.WriteFile(filepath.Join(folder, "p", "group.txt"), []byte("https://app.example.com\n"), 0o644), os.Chmod(closed, c.mode)); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.Chmod(closed, 0o700) }() // so that it can be removed
			for _, args := range []string{"check p", "serve --policies p --grpc-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0"} {
				failsForReader(t, folder, binary, exitFailure, args, c.want)
			}
		})
	}
}

// The folder that is closed may be far above the case file that was asked for.
func TestACaseFileThatMayNotBeReadIsNamed(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022)) // others may read what is made here
	folder := publicFolder(t)
	closed := filepath.Join(folder, "q")
	if err := errors.Join(os.MkdirAll(filepath.Join(closed, "r"), 0o755), os.WriteFile(filepath.Join(closed, "r", "case.yaml"), nil, 0o644), os.Chmod(closed, 0)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(closed, 0o700) }() // so that it can be removed
	failsForReader(t, folder, copyOfTheCommand(t), exitFailure, "test q/r/case.yaml", "corsgate: q/r/case.yaml: "+needs(`search (x) on the folder "q"`, "0000", "x"))
}

func TestTLSFilesThatMayNotBeReadSayWhichPermissionIsMissing(t *testing.T) {
	folder := publicFolder(t)
	if err := os.WriteFile(filepath.Join(folder, "tls.key"), nil, 0); err != nil {
		t.Fatal(err)
	}
	failsForReader(t, folder, copyOfTheCommand(t), exitFailure,
		"serve --policies p --grpc-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --grpc-tls-cert tls.key --grpc-tls-key tls.key",
		"corsgate: read the TLS files: "+needs(`read (r) on "tls.key"`, "0000", "r"))
}

func TestRecordingsThatMayNotBeReadSayWhichPermissionIsMissing(t *testing.T) {
	folder := publicFolder(t)
	for _, name := range []string{"session.har", "access.log"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "p.yaml"), []byte("policies:\n- {name: api, cors: {allowOrigins: [https://app.example.com]}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := copyOfTheCommand(t)
	failsForReader(t, folder, binary, exitUsage, "explain --policies p.yaml --har session.har", "corsgate: HAR file: "+needs(`read (r) on "session.har"`, "0000", "r"))
	failsForReader(t, folder, binary, exitFailure, "diff --log access.log p.yaml p.yaml", "corsgate: decision log: "+needs(`read (r) on "access.log"`, "0000", "r"))
}

// needs is what is said of a file or folder that is the test's own.
func needs(what, mode, letters string) string {
	id, credential := reader()
	whom := "u"
	if credential != nil {
		whom = "o"
	}
	return fmt.Sprintf("permission denied: user %d needs %s, which has mode %s, user %d and group %d: chmod %s+%s",
		id, what, mode, os.Geteuid(), os.Getegid(), whom, letters)
}

// failsForReader runs corsgate in a folder, as the reader, and wants an exit code
// and the end of a line of what it prints.
func failsForReader(t *testing.T, folder, binary string, want int, args, line string) {
	t.Helper()
	_, credential := reader()
	cmd := exec.Command(binary, strings.Fields(args)...)
	cmd.Dir, cmd.SysProcAttr = folder, &syscall.SysProcAttr{Credential: credential}
	out, _ := cmd.CombinedOutput() // it fails, and says why
	if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(string(out), line+"\n") {
		t.Errorf("corsgate %s: exit code %d\n%s, want %d and\n%s", args, code, out, want, line)
	}
}

// publicFolder returns a temporary folder that everybody may read, as t.TempDir
// is not.
func publicFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "corsgate-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// copyOfTheCommand returns the path of a corsgate that everybody may run.
func copyOfTheCommand(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(publicFolder(t), "corsgate") // the name has it be the command
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
