//go:build linux

package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/corsgate/corsgate/envoy"
)

// apart is set in the process that has a network of its own.
const apart = "CORSGATE_TEST_APART"

// needed returns the programs that the tests need which are asked for.
func needed() (list []program) {
	if full() {
		list = append(list, apiserver, envoyGateway)
	}
	if withIstio() {
		list = append(list, apiserver, istiod)
	}
	return list
}

func full() bool { return os.Getenv("CORSGATE_TEST") == "full" }

// withIstio reports whether the tests on Istio are asked for: it takes long to build.
func withIstio() bool { return os.Getenv("CORSGATE_ISTIO") != "" }

// TestMain builds what is missing, and runs the tests again in a network namespace of
// their own: control planes listen on ports that cannot be chosen.
func TestMain(m *testing.M) {
	if os.Getenv(apart) != "" {
		if err := raiseLoopback(); err != nil {
			fmt.Fprintln(os.Stderr, "raise loopback:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := runApart(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// prepare fetches what there is no network for later.
func prepare(ctx context.Context) error {
	for _, p := range needed() {
		if _, err := p.build(ctx); err != nil {
			return err
		}
	}
	if len(needed()) == 0 {
		return nil
	}
	for _, module := range modules {
		if _, err := download(ctx, module); err != nil {
			return err
		}
	}
	if err := installClients(ctx); err != nil {
		return err
	}
	path, err := envoy.Find(ctx, os.Stderr)
	if err != nil {
		return err
	}
	return os.Setenv(envoy.BinaryVariable, path)
}

// runApart runs the tests in a new network namespace, as root or as one who seems to be.
func runApart(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), apart+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	envoy.EndWithUs(cmd)
	return cmd.Run()
}

// podAddress makes this machine the network of a cluster's pods, whose addresses must not
// be those of loopback: all of 10.0.0.0/8 is here.
var podAddress = []byte{10, 0, 0, 1}

// raiseLoopback switches loopback on, which a new namespace has off.
func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return err
	}
	pods, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	return errors.Join(pods.SetInet4Addr(podAddress), unix.IoctlIfreq(socket, unix.SIOCSIFADDR, pods))
}
