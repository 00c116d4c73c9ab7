package doctor

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// sourced is a filter that is delivered, by a service or in a file.
type sourced struct {
	place  Place
	name   string
	source *core.ExtensionConfigSource
	got    *delivery // nil if it was not delivered
}

// sourced returns the filters that are delivered, each once.
func (f *facts) sourced() (list []sourced) {
	seen := map[string]bool{}
	for _, m := range f.guarded() {
		for _, fl := range m.decides() {
			for _, name := range names(fl.sources) {
				if !seen[name] {
					list = append(list, sourced{fl.place, name, fl.sources[name], f.delivered[name]})
				}
				seen[name] = true
			}
		}
	}
	return list
}

// file returns the path of the file that it comes in, or "".
func (s sourced) file() string { return fileOf(s.source.GetConfigSource()) }

// text returns the text for a filter that a service delivers, or for one of a file.
func (s sourced) text(service, file string) string {
	if s.file() != "" {
		return file
	}
	return service
}

// filterNotDelivered reports filters that Envoy has not got, so that it runs the default.
func filterNotDelivered(f *facts, report report) {
	for _, s := range f.sourced() {
		refused, read := f.files[s.file()]
		if s.got != nil || f.written && !read {
			continue // a bootstrap alone has nothing that was delivered
		}
		what, seen := fmt.Sprintf("the filter %s has not been delivered", s.name), "Envoy asks about everything, or, without a service, refuses or strips it, and blocks nothing"
		write := s.text("\"corsgate serve --ecds\" where its cluster points to; keep the name that \"corsgate envoy-config\" gives it; corsgate's log says whether it refuses this Envoy", writeFile)
		if read {
			what += " by its file: " + cmp.Or(refused, "it has no filter of that name that can be read")
		}
		if s.source.GetDefaultConfig() == nil {
			seen = "each request gets 500, since there is no default_config"
		}
		report(policy.Error, s.place, what, seen, write)
	}
}

const (
	logSays   = "Envoy's log says why; please report it"
	writeFile = "Envoy's log says what is wrong with the file that its path names; write it with \"corsgate envoy-config --profile no-trip --policies PATH --out DIR\", and change it no further"
)

// filterRefused reports versions of a filter that Envoy does not take.
func filterRefused(f *facts, report report) {
	for _, s := range f.sourced() {
		n := f.stats["extension_config_discovery.http_filter."+s.name+".update_rejected"]
		if s.got != nil && s.got.refused || n > 0 {
			report(policy.Error, s.place, fmt.Sprintf("Envoy has refused a version of the filter %s", s.name), "it keeps what it had before: older policies, or the default", s.text(logSays, writeFile))
		}
	}
}

const (
	outOfDate    = "pages get what older policies say"
	compileAgain = "run \"corsgate envoy-config --profile no-trip --policies PATH --out DIR\" again; if corsgate delivers the filter, look at its /status"
)

// filterOutOfDate compares what Envoy has with what corsgate serves, and with the policies:
// by what corsgate has sent to this Envoy, by what the policies compile into, by the hash of
// the set that stands in a filter of a file, and by the hosts of the policies, each of which
// a filter names.
func filterOutOfDate(f *facts, report report) {
	f.hostsUnknown(report)
	for _, s := range f.sourced() {
		sent, known := f.sent(s.name)
		known = known && s.file() == ""
		switch {
		case s.got == nil && f.written && f.policies != nil && s.file() == "":
			report(policy.Note, s.place, fmt.Sprintf("the filter %s is delivered once Envoy runs", s.name), "nothing is said here about whether it is what the policies compile into", "ask the Envoy that runs with --envoy")
		case s.got == nil: // filter-not-delivered says it
		case known && !slices.Contains(sent, s.got.version):
			report(policy.Error, s.place, fmt.Sprintf("Envoy has another version of the filter %s than corsgate has sent", s.name), outOfDate,
				"ask the corsgate that this Envoy follows; if it is that one, look at its /status and at Envoy's log")
		case known && (f.policies == nil || f.policies.Hash() == f.status.Hash):
		default:
			f.judgeOrigin(s, report)
		}
	}
}

// judgeOrigin compares the policies that a filter was compiled from with those that there
// should be.
func (f *facts) judgeOrigin(s sourced, report report) {
	served := ""
	if f.status != nil {
		served = f.status.Hash
	}
	stamp := s.stamp()
	from := cmp.Or(f.compiledFrom(s.name, stamp, s.got), stamp)
	other := fmt.Sprintf("the filter %s was compiled from other policies", s.name)
	switch {
	case from == "" && (f.policies != nil || served != ""):
		report(policy.Note, s.place, fmt.Sprintf("it is not known which policies the filter %s was compiled from", s.name), "nothing is said here about whether it is up to date",
			"name the policies with --policies; corsgate names the filters that it delivers itself in its /status, so give that of the corsgate that delivers to this Envoy")
	case served != "" && from != served && from != unknownSet:
		report(policy.Error, s.place, other+" than corsgate serves", outOfDate, compileAgain)
	case f.policies != nil && from != f.policies.Hash():
		report(policy.Error, s.place, other+" than those of --policies, or by a corsgate of another version", outOfDate, compileAgain)
	}
}

// hostsUnknown reports hosts of the policies that no filter names that was delivered.
func (f *facts) hostsUnknown(report report) {
	var texts [][]byte
	var at Place
	whole := f.policies != nil
	for _, s := range f.sourced() {
		if whole = whole && s.got != nil; whole {
			texts, at = append(texts, s.got.text), s.place
		}
	}
	if !whole || texts == nil {
		return
	}
	for _, s := range f.policies.Specs() {
		for _, host := range s.Hosts {
			named := func(text []byte) bool { return bytes.Contains(text, []byte(strconv.Quote(host))) }
			if !strings.HasPrefix(host, "*") && !slices.ContainsFunc(texts, named) {
				report(policy.Error, at, fmt.Sprintf("it does not know the host %s of the policy %s", host, s.Name), outOfDate, compileAgain)
			}
		}
	}
}

// sent returns the versions of a filter that corsgate has sent to this Envoy.
func (f *facts) sent(name string) (versions []string, known bool) {
	if f.status == nil {
		return nil, false
	}
	for _, e := range f.status.Envoys {
		for _, r := range e.Resources {
			if r.Name == name && (e.Node == f.node || f.node == "") {
				versions = append(versions, r.Version)
			}
		}
	}
	return versions, versions != nil
}

// hash matches the hash of a set.
var hash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// stamp returns the hash of the set that a filter of a file is compiled from, or "": it
// stands in what the filter keeps for the feed. That of a filter that is delivered is
// another one.
func (s sourced) stamp() (stamp string) {
	if s.file() == "" {
		return ""
	}
	walk(s.got.filter, func(m proto.Message) bool {
		if fed, ok := m.(*structpb.Struct); ok {
			if v := fed.GetFields()[contract.FedSet].GetStringValue(); hash.MatchString(v) && fed.GetFields()[contract.Reason] != nil {
				stamp = v
			}
		}
		return stamp == ""
	})
	return stamp
}

// updateRefused reports updates that Envoy has refused, or that it waits with.
func updateRefused(f *facts, report report) {
	for _, name := range f.refused {
		report(policy.Error, Place{}, fmt.Sprintf("Envoy has refused the last update of %s", name), "it runs what it had before", "/config_dump has why in error_state, and so has Envoy's log")
	}
	for _, name := range f.warming {
		report(policy.Warning, Place{}, fmt.Sprintf("%s takes no traffic yet", name), "it waits for something that is to be delivered: routes, secrets, clusters or filters", "look at the counters init_fetch_timeout and update_failure in /stats")
	}
}

// serviceNotReady reports what corsgate says of itself.
func serviceNotReady(f *facts, report report) {
	switch {
	case f.status == nil:
	case !f.status.Ready:
		report(policy.Error, Place{}, "corsgate is not ready", "it has no policies yet, or it drains: nothing is answered", "look at its log, and at \"corsgate check\"")
	case f.status.LastError != nil:
		report(policy.Warning, Place{}, "corsgate has refused the last change of its policies", "the policies before it serve", "its /status lists the mistakes; \"corsgate check\" finds them, too")
	}
}

// misused reports what corsgate has noticed itself about how it is asked.
func misused(f *facts, report report) {
	if f.status == nil {
		return
	}
	for _, m := range f.status.Misuses {
		report(policy.Warning, Place{}, "corsgate was asked in a way that makes its answers useless: "+m.Kind, m.Effect, m.Hint)
	}
}

// counterRule says what a counter that is not 0 means.
type counterRule struct {
	name        *regexp.Regexp
	level       policy.Level
	seen, write string
}

// counters are the counters that tell of failures, with the names that Envoy has for them.
// A cluster's come with the cluster's name, and a filter's with its stat_prefix.
func (f *facts) counters() (rules []counterRule) {
	rule := func(level policy.Level, pattern, seen, write string) {
		rules = append(rules, counterRule{regexp.MustCompile(`^` + pattern + `$`), level, seen, write})
	}
	const (
		outage = "such requests got no grant, or an error if it fails closed"
		slow   = "look whether corsgate has enough CPU, and raise message_timeout if it is below 0.5 s"
	)
	proc, authz := `http\..+\.ext_proc\.`+f.statPrefix("ext_proc"), `http\..+\.ext_authz\.`+f.statPrefix("ext_authz")
	rule(policy.Warning, proc+`message_timeouts`, outage, slow)
	rule(policy.Warning, proc+`streams_failed`, outage, "look at corsgate's log, and at the cluster's counters upstream_cx_connect_fail and upstream_rq_pending_failure_eject")
	rule(policy.Warning, proc+`spurious_msgs_received`, "such requests got 500", "corsgate answers each question once: look whether another service answers there")
	rule(policy.Warning, proc+`rejected_header_mutations`, "answers lacked headers that corsgate has decided on", "mutation_rules as \"corsgate envoy-config\" prints them")
	rule(policy.Warning, authz+`error`, outage, slow)
	rule(policy.Warning, authz+`invalid`, "such requests got 500", "look whether another service answers there")
	rule(policy.Warning, authz+`omitted_response_headers`, "answers lacked headers that corsgate has decided on", "raise the limits of response headers in ext_authz")
	for _, a := range f.services() {
		c := `cluster\.` + regexp.QuoteMeta(a.name) + `\.`
		limits := "circuit_breakers: {thresholds: [{max_pending_requests: 100000, max_requests: 100000, max_retries: 1000}]}"
		rule(policy.Warning, c+`upstream_rq_active_overflow`, outage, limits)
		rule(policy.Warning, c+`upstream_rq_pending_overflow`, outage, limits)
		rule(policy.Note, c+`upstream_rq_retry_overflow`, "a question was not asked a second time", limits)
		none := policy.Warning
		if a.seldom {
			none = policy.Note // Envoy counts each try to get its filter, too
		}
		rule(none, c+`upstream_cx_none_healthy`, outage, "run a second corsgate")
		rule(policy.Note, c+`upstream_cx_connect_fail`, "corsgate was not reached: after a restart of it that is so for a moment", "look whether the address is right, and whether both sides speak TLS")
		rule(policy.Note, c+`upstream_cx_protocol_error`, "what answers there does not speak HTTP/2", "look whether the port is that of --grpc-listen, and whether both sides speak TLS")
		rule(policy.Warning, c+`ssl\.(connection_error|fail_verify_error|fail_verify_san|fail_verify_no_cert)`, outage, "look at both certificates, and at the authority that each side trusts")
	}
	for _, s := range f.sourced() {
		d := `extension_config_discovery\.http_filter\.` + regexp.QuoteMeta(s.name) + `\.`
		rule(policy.Note, d+`update_failure`, s.text("corsgate was not reached for a while: changes of the policies did not arrive", "Envoy has not found the file, or cannot read it: changes of it did not arrive"),
			s.text("look at corsgate's log", writeFile))
		rule(policy.Note, d+`config_fail`, s.text("Envoy has refused a version of the filter, or has started before corsgate was there: it kept what it had, or the default", "Envoy has refused what the file had: it kept what it had before, or the default"),
			s.text("look at the counters update_rejected and init_fetch_timeout beside it, and at the logs of Envoy and corsgate", writeFile))
		rule(policy.Error, d+`config_conflict`, "Envoy does not take the filter, and keeps what it had before", s.text(logSays, writeFile))
	}
	rule(policy.Warning, `access_logs\.open_telemetry_access_log\.corsgate\.logs_dropped`, "requests are answered all the same; corsgate's metrics lack what was dropped", "look whether corsgate serves with --feed")
	rule(policy.Warning, `listener\..+\.extension_config_missing`, "such requests got 500", "give the filter a default_config, as \"corsgate envoy-config\" does")
	return rules
}

// statPrefix returns a pattern for what a counter's name has of the filters that ask
// corsgate. A filter without a stat_prefix shares its counters with others of its kind.
func (f *facts) statPrefix(kind string) string {
	patterns := []string{contract.Namespace + `\.`}
	for _, m := range f.guarded() {
		shared := slices.ContainsFunc(m.filters, func(other *filter) bool { return other.role == "" && strings.HasPrefix(other.kind, kind+".") })
		for _, a := range m.asks() {
			prefix := a.proc.GetStatPrefix() + a.authz.GetStatPrefix() // one of them is empty
			switch {
			case a.kind() != kind:
			case prefix != "":
				patterns = append(patterns, regexp.QuoteMeta(prefix)+`\.`)
			case !shared:
				patterns = append(patterns, "")
			}
		}
	}
	return "(?:" + strings.Join(patterns, "|") + ")"
}

// counted reports counters. They count since Envoy has started.
func counted(f *facts, report report) {
	rules := f.counters()
	for _, name := range names(f.stats) {
		n := f.stats[name]
		if n == 0 || !relevant(name) {
			continue
		}
		for _, r := range rules {
			if r.name.MatchString(name) {
				report(r.level, Place{Counter: name}, fmt.Sprintf("it is at %d since Envoy has started", n), r.seen, r.write)
			}
		}
	}
	f.connected(report)
}

// relevant cuts the many counters of other things short.
func relevant(name string) bool {
	return strings.HasPrefix(name, "cluster.") || strings.HasPrefix(name, "http.") || strings.HasPrefix(name, "listener.") ||
		strings.HasPrefix(name, "extension_config_discovery.") || strings.HasPrefix(name, "access_logs.")
}

// connected reports a gauge: whether Envoy is connected to what delivers a filter.
func (f *facts) connected(report report) {
	for _, s := range f.sourced() {
		gauge := "extension_config_discovery.http_filter." + s.name + ".control_plane.connected_state"
		if n, known := f.stats[gauge]; known && n == 0 {
			report(policy.Warning, Place{Counter: gauge}, "Envoy is not connected to what delivers its filter", "changes of the policies do not arrive", "start corsgate with --ecds; its log says whether it refuses this Envoy")
		}
	}
}
