package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// installValgrind says what to do if there is no valgrind.
const installValgrind = `the part "instructions" needs valgrind: install it, as by "apt-get install valgrind", or leave the part out with --parts`

// writeCallgrind writes a program into folder that runs Envoy under callgrind, which
// counts nothing until it is told to. It is called as Envoy is.
func writeCallgrind(folder, envoy string) (string, error) {
	for _, program := range []string{"valgrind", "callgrind_control"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", errors.New(installValgrind)
		}
	}
	path := filepath.Join(folder, "callgrind")
	text := fmt.Sprintf("#!/bin/sh\nexec valgrind -q --tool=callgrind --instr-atstart=no --callgrind-out-file='%s.%%p' '%s' \"$@\"\n", path, envoy)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		return "", fmt.Errorf("write how callgrind is called: %w", err)
	}
	return path, nil
}

// quiet keeps Envoy from doing anything by itself while requests are counted.
func (p parts) quiet() {
	const long = "250s"
	p.bootstrap["stats_flush_interval"] = long
	for _, c := range p.clusters() {
		checks, _ := c.(object)["health_checks"].([]any)
		for _, check := range checks {
			check.(object)["interval"], check.(object)["no_traffic_interval"] = long, long
		}
	}
}

// control sends a command to the callgrind of a process.
func control(ctx context.Context, pid int, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "callgrind_control", append(args, strconv.Itoa(pid))...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("callgrind_control: %w: %s", err, out)
	}
	return string(out), nil
}

// threadCount finds the count of a thread in the output of callgrind_control -e:
// " Th 6  3,263,161".
var threadCount = regexp.MustCompile(`(?m)^\s*Th\s+\d+\s+([0-9,]+)`)

// counted returns how many instructions all threads of a process have executed.
func counted(ctx context.Context, pid int) (int, error) {
	out, err := control(ctx, pid, "-e")
	if err != nil {
		return 0, err
	}
	return sumOf(out)
}

// sumOf adds up the counts of all threads.
func sumOf(out string) (sum int, err error) {
	threads := threadCount.FindAllStringSubmatch(out, -1)
	if threads == nil {
		return 0, fmt.Errorf("callgrind_control names no thread: %s", out)
	}
	for _, t := range threads {
		sum += atoi(strings.ReplaceAll(t[1], ",", ""))
	}
	return sum, nil
}
