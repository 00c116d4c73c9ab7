// Bench measures what CORS costs and prints a table of it:
//
//	go run ./envoy/bench                        everything, about half an hour
//	go run ./envoy/bench --parts envoy,vary     some of it
//	go run ./envoy/bench --parts instructions   what decides about Envoy, on a busy machine, too
//	go run ./envoy/bench --quick                a look whether it works
//	go run ./envoy/bench --out DIR              also writes results.md and the plots there
//
// What is mostly Envoy's is judged by Envoy's instructions a request: it runs under
// valgrind's callgrind, which counts nothing until the Envoy is warm, and then
// requests on one connection. They are the same on a busy machine.
//
// Everything else is a comparison of things that are measured side by side: in each
// round every one of them runs once, in turn, and the table shows the median
// over the rounds; a ratio is the median of the rounds' ratios. What is
// measured is CPU time, in user and kernel mode, of processes that do nothing
// else: corsgate as "corsgate serve" runs it, a no-op server with generated
// code, an upstream, and a real Envoy with one worker. The load comes from one
// more process, which is not measured. All of it is on loopback. Envoys are
// started anew every other round, since how fast a process is depends on where
// its memory happens to lie; the other processes are started once.
//
// It runs on Linux, whose clock of another process's CPU time it reads.
package main
