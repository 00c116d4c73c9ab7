package main

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
)

// compileFlags are the flags that say how policies are compiled for the profile
// no-trip.
type compileFlags struct {
	ports        ports
	shards       int
	named, names bool
	reply        *choice
	budget       size
}

// compileFlagNames are the names of the flags that define defines.
var compileFlagNames = []string{"port", "shards", "named-policies", "policy-names", "reply", "no-trip-budget"}

// define defines the flags of cmd.
func (f *compileFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.reply, f.budget = oneOf(string(notrip.ByAuthz), string(notrip.ByLua)), notrip.DefaultBudget
	flags.Var(&f.ports, "port", "no-trip: `PORT` that clients may write after the host, repeatable; Envoy asks about requests with another one")
	_ = flags.SetAnnotation("port", withoutVariables, []string{"Kubernetes sets CORSGATE_PORT in pods beside a Service of that name"})
	flags.IntVar(&f.shards, "shards", 1, "no-trip: over how many files the policies are divided by their hosts; with large sets, a change then replaces only one of them")
	flags.BoolVar(&f.named, "named-policies", false, "no-trip: ask about a request if its route or virtual host names a policy; on by default if there is a service")
	flags.BoolVar(&f.names, "policy-names", false, "no-trip: have Envoy's access log name the policy, too; needs more memory if there are many policies")
	flags.Var(f.reply, "reply", "no-trip: how Envoy answers by itself; lua leaves no flag UAEX in the log, and needs a Lua state for each answer and worker")
	flags.Var(&f.budget, "no-trip-budget", "no-trip: `SIZE` that the compiled policies may have; Envoy asks about what does not fit")
}

// check reports flags for which nothing can be compiled.
func (f *compileFlags) check() error {
	if f.shards < 1 {
		return misused("write 1 to 256", "--shards %d is not a number of files", f.shards)
	}
	return nil
}

// compiled returns what the flags say for an Envoy that has a service, or none.
func (f *compileFlags) compiled(flags *pflag.FlagSet, service bool) envoy.Compiled {
	c := envoy.Compiled{
		Ports: f.ports, Shards: f.shards, NamedPolicies: service, PolicyNames: f.names,
		Reply: notrip.Reply(f.reply.value), Budget: int(f.budget),
	}
	if flags.Changed("named-policies") {
		c.NamedPolicies = f.named
	}
	return c
}

// misplaced reports the first flag of the command line that is among names, and says why it
// must not be there. It ignores environment variables, which may be for other commands.
func misplaced(flags *pflag.FlagSet, names []string, why, hint string) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if err == nil && slices.Contains(names, f.Name) {
			err = misused(hint, "--%s %s", f.Name, why)
		}
	})
	return err
}

// isSaid reports whether the command line has a flag. It ignores environment variables.
func isSaid(flags *pflag.FlagSet, name string) (said bool) {
	flags.Visit(func(f *pflag.Flag) { said = said || f.Name == name })
	return said
}

// ports is a flag that takes ports and may be repeated.
type ports []uint16

// String returns the ports.
func (p *ports) String() string {
	texts := make([]string, len(*p))
	for i, port := range *p {
		texts[i] = strconv.Itoa(int(port))
	}
	return strings.Join(texts, ",")
}

// Type returns the flag's placeholder in the help.
func (p *ports) Type() string { return "PORT" }

// Set adds ports.
func (p *ports) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		port, err := strconv.ParseUint(one, 10, 16)
		if err != nil || port == 0 {
			return errors.New("want a port, 1 to 65535")
		}
		*p = append(*p, uint16(port))
	}
	return nil
}

// size is a flag that takes a number of bytes.
type size int

// units are what sizes are written in.
var units = []struct {
	name  string
	bytes size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

var sizeText = regexp.MustCompile(`^([1-9][0-9]{0,5})([KMG]iB)$`)

// String returns the size in the largest unit that it is a multiple of.
func (s *size) String() string {
	for _, u := range units {
		if *s%u.bytes == 0 {
			return strconv.Itoa(int(*s/u.bytes)) + u.name
		}
	}
	return strconv.Itoa(int(*s))
}

// Type returns the flag's placeholder in the help.
func (s *size) Type() string { return "SIZE" }

// Set takes a size.
func (s *size) Set(text string) error {
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return errors.New("want a size such as 256KiB or 64MiB")
	}
	n, _ := strconv.Atoi(m[1]) // they are digits
	for _, u := range units {
		if u.name == m[2] {
			*s = size(n) * u.bytes
		}
	}
	return nil
}

// percent is a flag that takes a part of a million as a percentage.
type percent uint32

// String returns the percentage.
func (p *percent) String() string {
	return strconv.FormatFloat(float64(*p)/10_000, 'f', -1, 64) + "%"
}

// Type returns the flag's placeholder in the help.
func (p *percent) Type() string { return "PERCENT" }

// Set takes a percentage.
func (p *percent) Set(text string) error {
	number, found := strings.CutSuffix(text, "%")
	if !found {
		return errors.New("want 0.0001% to 100%, and the % is missing")
	}
	n, err := strconv.ParseFloat(number, 64)
	parts := math.Round(n * 10_000)
	if err != nil || !(parts >= 1 && parts <= envoy.WholeFeed) {
		return errors.New("want 0.0001% to 100%")
	}
	*p = percent(parts)
	return nil
}
