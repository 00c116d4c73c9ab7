//go:build unix

package fleet

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
)

// link is a network between an instance and a member of the store, which can be cut.
type link struct {
	listener net.Listener
	to       string // HOST:PORT

	mu     sync.Mutex
	isCut  bool
	open   map[net.Conn]bool
	copies sync.WaitGroup
}

// linked opens the store over links to its members.
func linked(t testing.TB, c *etcdtest.Cluster) (*etcd.Backend, links) {
	t.Helper()
	var all links
	over := &etcdtest.Cluster{}
	for _, m := range c.Members {
		l := &link{listener: listen(t, "127.0.0.1:0"), to: m.Address, open: map[net.Conn]bool{}}
		all = append(all, l)
		over.Members = append(over.Members, &etcdtest.Member{Address: l.listener.Addr().String()})
		go l.accept()
		t.Cleanup(l.close)
	}
	return open(t, over.URL(fleetName)), all
}

type links []*link

// cut ends all connections, and has new ones end at once.
func (all links) cut() {
	for _, l := range all {
		l.set(true)
	}
}

// mend ends cut.
func (all links) mend() {
	for _, l := range all {
		l.set(false)
	}
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = cut
	if cut {
		for conn := range l.open {
			_ = conn.Close()
		}
	}
}

func (l *link) close() {
	_ = l.listener.Close()
	l.set(true)
	l.copies.Wait()
}

func (l *link) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		l.join(in, out)
	}
}

// join copies between two connections until one ends.
func (l *link) join(in, out net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		_, _ = in.Close(), out.Close()
		return
	}
	for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
		l.open[from] = true
		l.copies.Go(func() {
			_, _ = io.Copy(to, from)
			_, _ = in.Close(), out.Close()
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.open, from)
		})
	}
}
