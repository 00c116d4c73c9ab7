// Bench measures what CORS costs and prints a table of it:
//
//	go run ./envoy/bench                        everything, about half an hour
//	go run ./envoy/bench --parts envoy,vary     some of it
//	go run ./envoy/bench --parts instructions   Envoy's instructions; a busy machine does not matter
//	go run ./envoy/bench --parts fleet          a store of policies and who follows it; needs an etcd
//	go run ./envoy/bench --quick                a short run, to see whether it works
//	go run ./envoy/bench --out DIR              also writes results.md and the plots there
//
// The goals for work that Envoy does are about Envoy's instructions for a request. Envoy
// runs under valgrind's callgrind, which begins to count once Envoy is warm, and counts
// requests on one connection. The counts are the same on a busy machine.
//
// Everything else is compared side by side: in each round each of the things runs once,
// in turn. The table shows the median over the rounds; a ratio is the median of the
// rounds' ratios. The measure is CPU time, in user and kernel mode, of processes that do
// nothing else: corsgate as "corsgate serve" runs it, a no-op server with generated
// code, an upstream, and a real Envoy with one worker. The load comes from another
// process, which is not measured. All of it is on loopback. Envoys are started anew
// every other round, since the speed of a process depends on where its memory happens to
// be. The other processes are started once.
//
// It needs Linux, since it reads the clock of another process's CPU time.
package main
