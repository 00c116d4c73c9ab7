package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// etcdMembers is how many members the store has.
const etcdMembers = 3

// cluster is a store of the benchmark's own.
type cluster struct {
	clients []string // HOST:PORT
	members []*exec.Cmd
}

// checkEtcd says what to install if there is no etcd.
func checkEtcd() error {
	if _, err := exec.LookPath("etcd"); err != nil {
		return fmt.Errorf("no etcd on the PATH: install Debian's etcd-server, or leave out the part fleet: %w", err)
	}
	return nil
}

// startCluster starts an etcd with its data in folder.
func startCluster(ctx context.Context, folder string) (*cluster, error) {
	free, err := freeAddresses(2 * etcdMembers)
	if err != nil {
		return nil, err
	}
	var peers []string
	for i := range etcdMembers {
		peers = append(peers, fmt.Sprintf("m%d=http://%s", i, free[2*i+1]))
	}
	c := &cluster{}
	for i := range etcdMembers {
		client, peer := "http://"+free[2*i], "http://"+free[2*i+1]
		cmd := exec.CommandContext(ctx, "etcd", "--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(folder, fmt.Sprint(i)),
			"--logger", "zap", "--log-level", "error", "--quota-backend-bytes", "8589934592",
			"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(peers, ","))
		if err := cmd.Start(); err != nil {
			return nil, errors.Join(fmt.Errorf("start etcd: %w", err), c.stop())
		}
		c.clients, c.members = append(c.clients, free[2*i]), append(c.members, cmd)
	}
	for _, address := range c.clients {
		if err := awaitOK(ctx, "http://"+address+"/health"); err != nil {
			return nil, errors.Join(err, c.stop())
		}
	}
	return c, nil
}

// url returns the store's for a fleet.
func (c *cluster) url(fleet string) string {
	return "etcd://" + strings.Join(c.clients, ",") + "/" + fleet
}

// stop ends the store. A second call does nothing.
func (c *cluster) stop() (err error) {
	for _, m := range c.members {
		err = errors.Join(err, m.Process.Kill())
		_ = m.Wait() // which says that it was killed
	}
	c.members = nil
	return err
}

// freeAddresses returns addresses on which nobody listens.
func freeAddresses(n int) (list []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// makeFolder makes a folder in the benchmark's.
func (b *bench) makeFolder(name string) (string, error) {
	folder, err := os.MkdirTemp(b.folder, name+"-*")
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return folder, nil
}
