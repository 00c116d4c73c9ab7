//go:build !linux

package main

import (
	"errors"
	"time"
)

// errLinux says why nothing is measured.
var errLinux = errors.New("the benchmark reads Linux's clocks of other processes, run it there")

// cpuTime returns the CPU time that a process has used.
func cpuTime(int) (time.Duration, error) { return 0, errLinux }

// residentBytes returns how much memory of a process is in RAM.
func residentBytes(int) (float64, error) { return 0, errLinux }

// threadTime returns the CPU time that a thread of a process has used.
func threadTime(int, int) (time.Duration, error) { return 0, errLinux }

// resetPeak makes peakBytes count anew.
func resetPeak(int) error { return errLinux }

// peakBytes returns the most memory that a process had in RAM at any time.
func peakBytes(int) (float64, error) { return 0, errLinux }
