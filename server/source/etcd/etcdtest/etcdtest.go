// Package etcdtest runs etcd for tests.
package etcdtest

import "testing"

// Cluster is an etcd of some members on this machine.
type Cluster struct{ Members []*Member }

// Member is one server. Each method fails the test of its Cluster if it cannot.
type Member struct{}

// Start starts an etcd of n members, and ends it with the test. args are for each
// member, such as "--quota-backend-bytes". Without an etcd on the PATH the test is
// skipped, and fails under CI=true.
func Start(t testing.TB, n int, args ...string) *Cluster { return nil }

// URL returns the store's for a fleet: etcd://HOST:PORT,…/FLEET.
func (c *Cluster) URL(fleet string) string { return "" }

// Kill ends the member at once, as kill -9 does. Start starts it again with its data.
func (m *Member) Kill()  {}
func (m *Member) Start() {}

// Stop has the member hang, as SIGSTOP does, and Continue go on.
func (m *Member) Stop()     {}
func (m *Member) Continue() {}

// Compact has the cluster forget all revisions but the last.
func (c *Cluster) Compact() {}

// Snapshot saves what the cluster holds, and Restore has a cluster of one member hold it
// again.
func (c *Cluster) Snapshot() (file string) { return "" }
func (c *Cluster) Restore(file string)     {}
