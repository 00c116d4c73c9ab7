//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
)

// TestDocumentedRolesSuffice gives an etcd the users that the documents say, and wants
// each of them to be able to do what it is for, and no more.
func TestDocumentedRolesSuffice(t *testing.T) {
	needProgram(t, "etcdctl")
	c := etcdtest.Start(t, 1)
	passwords := documentedUsers(t, c)
	as := func(user string) *fleet {
		return &fleet{t: t, url: c.URL("edge"), policies: filepath.Join(t.TempDir(), "cors.yaml"),
			access: []string{"--store-user", user, "--store-password-file", passwords(user)}}
	}
	publisher, viewer, instance := as("publisher"), as("viewer"), as("gw-1")

	publisher.push("https://first.example")
	address := instance.serve("gw-1")
	instance.expect(address, "https://first.example")
	viewer.awaitServed("1")
	publisher.push("https://second.example")
	viewer.awaitServed("2")
	publisher.corsgate(exitOK, "rollback")
	viewer.awaitServed("3")
	publisher.corsgate(exitOK, "gc", "--keep", "1")
	allowOnly(t, publisher.policies, "https://last.example")
	publisher.corsgate(exitOK, "restore", "--force", "--from", publisher.policies)
	viewer.awaitServed("4")
	instance.expect(address, "https://last.example")
	viewer.corsgate(exitOK, "history")
	viewer.corsgate(exitOK, "pull", "--out", filepath.Join(t.TempDir(), "pulled"))

	for _, f := range []*fleet{viewer, instance} {
		allowOnly(t, f.policies, "https://forged.example")
		if _, errs := f.corsgate(exitUnreachable, "push", f.policies); !strings.Contains(errs, "give the user a role that may do so") {
			t.Errorf("a push that is not permitted says\n%s", errs)
		}
		f.corsgate(exitUnreachable, "rollback", "--to", "4")
		f.corsgate(exitUnreachable, "restore", "--force", "--from", f.policies)
	}
	instance.mayNotWrite(c, "w/target", "w/log/x", "u/x", "c/x/index", "p/x", "i/now/gw-2", "i/known/gw-2", "i/now/gw-10")

	// An instance that ends withdraws its report, which its role lets it do.
	instance.stop()
	servertest.Await(t, "the end of the report", func() bool {
		_, errs := viewer.corsgate(exitFailure, "status")
		return strings.Contains(errs, "no instance reports itself")
	})
}

// documentedUsers runs the documents' commands for users and roles, and returns what
// says where a password is.
func documentedUsers(t *testing.T, c *etcdtest.Cluster) (passwords func(user string) string) {
	t.Helper()
	folder := t.TempDir()
	passwords = func(user string) string { return filepath.Join(folder, user+".password") }
	for _, user := range []string{"root", "publisher", "viewer", "gw-1"} {
		if err := os.WriteFile(passwords(user), []byte("secret-of-"+user+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ran := 0
	for _, block := range snippets(t, "sh") {
		if !strings.HasPrefix(block, "etcdctl ") {
			continue
		}
		ran++
		cmd := exec.CommandContext(servertest.Context(t), "sh", "-e", "-c", block)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "ETCDCTL_API=3", "ETCDCTL_ENDPOINTS="+c.Members[0].Address)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s%v: %s", block, err, out)
		}
	}
	if ran != 1 {
		t.Fatalf("the documents have %d blocks of etcdctl", ran)
	}
	return passwords
}

// awaitServed waits until all instances report a revision, which gw-1 is one of.
func (f *fleet) awaitServed(revision string) {
	f.t.Helper()
	servertest.Await(f.t, "revision "+revision, func() bool {
		var out, errs output
		code := run(servertest.Context(f.t), append([]string{"status", "--store", f.url}, f.access...), nil, &out, &errs)
		return code == exitOK && strings.HasPrefix(out.String(), "gw-1  "+revision+"  ready")
	})
}

// mayNotWrite wants the user to be refused for each of the keys.
func (f *fleet) mayNotWrite(c *etcdtest.Cluster, keys ...string) {
	f.t.Helper()
	password, err := os.ReadFile(f.access[3])
	if err != nil {
		f.t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{c.Members[0].Address}, Logger: zap.NewNop(), DialTimeout: servertest.Patience,
		Username: f.access[1], Password: strings.TrimSpace(string(password)),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	defer client.Close()
	for _, key := range keys {
		_, err := client.Put(servertest.Context(f.t), "/corsgate/v1/edge/"+key, "forged")
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			f.t.Errorf("%s writes %s: %v", f.access[1], key, err)
		}
	}
}
