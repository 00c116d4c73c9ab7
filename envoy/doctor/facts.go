package doctor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
)

// facts are what was read. The rules look at them, and change nothing.
type facts struct {
	// written says that they are from a bootstrap, which no Envoy has accepted yet.
	written  bool
	version  version
	node     string
	policies *policy.Set
	compiled map[string]*notrip.Result // what policies compile into, by options
	service  string

	listeners []*listener.Listener
	managers  []*manager
	routes    map[string]*route.RouteConfiguration         // :: name
	scopes    map[string][]*route.ScopedRouteConfiguration // :: name of the scoped routes
	clusters  map[string]*cluster.Cluster                  // :: name
	delivered map[string]*delivery                         // :: name of a filter that was delivered
	files     map[string]string                            // :: path of a file that was read; why Envoy does not take it, or ""
	hosts     map[string][]endpoint                        // :: cluster; nil if not known
	stats     map[string]uint64                            // :: name of a counter or gauge; nil if not known
	status    *status                                      // nil if not known

	// normalizes says that Envoy's runtime turns normalize_path on where nothing is said.
	normalizes bool

	refused, warming []string // resources whose last version Envoy has refused, or does not use yet
	unread           []Finding
}

// version is that of an Envoy 1.x; the zero version is not known.
type version struct{ major, minor int }

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

func (v version) known() bool { return v != version{} }

// delivery is a filter that extension config discovery has delivered.
type delivery struct {
	version string
	filter  proto.Message // nil if its type is not known
	text    []byte        // the filter as the dump has it
	refused bool          // a later version of it
}

// endpoint is a host of a cluster, with what health checks say of it.
type endpoint struct {
	address string
	healthy bool
}

// manager is an HTTP connection manager: where filters and routes meet.
type manager struct {
	*hcm.HttpConnectionManager
	place    Place
	listener *listener.Listener
	filters  []*filter
	// routes are several if they are scoped. known says that these are all.
	routes []*route.RouteConfiguration
	known  bool
	// spots are the virtual hosts, their routes, and the weighted clusters of these that
	// configure filters.
	spots []spot
}

// connect finds the connection managers, and what belongs to them.
func (f *facts) connect() {
	for _, l := range f.listeners {
		chains := l.GetFilterChains()
		if l.GetDefaultFilterChain() != nil {
			chains = append(chains, l.GetDefaultFilterChain())
		}
		for i, chain := range chains {
			f.connectChain(l, chain, chainName(l, chain, i))
		}
	}
}

// chainName names a filter chain: by its name, or by its number.
func chainName(l *listener.Listener, chain *listener.FilterChain, i int) string {
	switch {
	case chain.GetName() != "":
		return chain.GetName()
	case chain == l.GetDefaultFilterChain():
		return "(default)"
	}
	return strconv.Itoa(i)
}

func (f *facts) connectChain(l *listener.Listener, chain *listener.FilterChain, name string) {
	for _, network := range chain.GetFilters() {
		h, ok := unpack(network.GetTypedConfig()).(*hcm.HttpConnectionManager)
		if !ok {
			continue
		}
		m := &manager{HttpConnectionManager: h, place: Place{Listener: l.GetName(), FilterChain: name}, listener: l}
		m.routes, m.known = f.routesOf(h)
		if !m.known {
			f.unread = append(f.unread, Finding{Place: m.place, What: "the routes are not there, or not all of them",
				Seen: "nothing is said about virtual hosts and routes that are not there", Write: "take the dump of an Envoy that runs, once it has its routes; those of an on_demand scope come with the first request for it"})
		}
		for _, rc := range m.routes {
			m.spots = append(m.spots, m.spotsOf(rc)...)
		}
		for _, hf := range h.GetHttpFilters() {
			m.filters = append(m.filters, f.newFilter(m, hf))
		}
		f.managers = append(f.managers, m)
	}
}

// routesOf returns the route configurations of a connection manager, each once, and whether
// these are all.
func (f *facts) routesOf(h *hcm.HttpConnectionManager) (list []*route.RouteConfiguration, all bool) {
	switch scoped := h.GetScopedRoutes(); {
	case scoped != nil:
		for _, s := range slices.Concat(scoped.GetScopedRouteConfigurationsList().GetScopedRouteConfigurations(), f.scopes[scoped.GetName()]) {
			list = append(list, cmp.Or(s.GetRouteConfiguration(), f.routes[s.GetRouteConfigurationName()]))
		}
	case h.GetRds() != nil:
		list = append(list, f.routes[h.GetRds().GetRouteConfigName()])
	default:
		list = append(list, h.GetRouteConfig())
	}
	all = len(list) > 0
	var found []*route.RouteConfiguration
	for _, rc := range list {
		all = all && rc != nil
		if rc != nil && !slices.Contains(found, rc) {
			found = append(found, rc)
		}
	}
	return found, all
}

// envoyVersion is what /server_info says: COMMIT/1.40.0/Clean/RELEASE/BoringSSL.
var envoyVersion = regexp.MustCompile(`^[0-9a-f]+/(\d{1,3})\.(\d{1,3})\.`)

func (r reader) readServerInfo(doc []byte) {
	var info struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(doc, &info) != nil {
		return // the node in the dump says it, too
	}
	if found := envoyVersion.FindStringSubmatch(info.Version); found != nil {
		r.version.major, _ = strconv.Atoi(found[1]) // digits
		r.version.minor, _ = strconv.Atoi(found[2])
	}
}

func (r reader) readClusters(doc []byte) {
	if doc == nil {
		return
	}
	var list struct {
		Clusters []struct {
			Name  string `json:"name"`
			Hosts []struct {
				Address struct {
					Socket struct {
						Address string `json:"address"`
						Port    int    `json:"port_value"`
					} `json:"socket_address"`
					Pipe struct {
						Path string `json:"path"`
					} `json:"pipe"`
				} `json:"address"`
				Health map[string]any `json:"health_status"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if json.Unmarshal(doc, &list) != nil || list.Clusters == nil {
		r.unreadable("the list of clusters")
		return
	}
	r.hosts = map[string][]endpoint{}
	for _, c := range list.Clusters {
		r.hosts[c.Name] = []endpoint{}
		for _, h := range c.Hosts {
			address := fmt.Sprintf("%s:%d", h.Address.Socket.Address, h.Address.Socket.Port)
			if h.Address.Pipe.Path != "" {
				address = h.Address.Pipe.Path
			}
			r.hosts[c.Name] = append(r.hosts[c.Name], endpoint{address, healthy(h.Health)})
		}
	}
}

// healthy reads HostHealthStatus: each check that fails is a field that is true, and
// discovery may say that the host is not healthy.
func healthy(status map[string]any) bool {
	for _, field := range []string{"failed_active_health_check", "failed_outlier_check", "failed_active_degraded_check", "pending_dynamic_removal", "pending_active_hc", "excluded_via_immediate_hc_fail"} {
		if failed, _ := status[field].(bool); failed {
			return false
		}
	}
	eds, _ := status["eds_health_status"].(string)
	return eds != "UNHEALTHY" && eds != "DRAINING" && eds != "TIMEOUT"
}

// readStats reads counters and gauges: as lines "name: value", or as JSON. Texts and
// histograms are left out.
func (r reader) readStats(doc []byte) {
	if doc == nil {
		return
	}
	r.stats = map[string]uint64{}
	var list struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if json.Unmarshal(doc, &list) == nil {
		for _, s := range list.Stats {
			r.readStat(s.Name, string(s.Value))
		}
		return
	}
	for line := range bytes.Lines(doc) {
		name, value, _ := strings.Cut(string(bytes.TrimSpace(line)), ": ")
		r.readStat(name, value)
	}
}

func (r reader) readStat(name, value string) {
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		r.stats[name] = n
	}
}

// status is what is read of corsgate's /status.
type status struct {
	Ready     bool      `json:"ready"`
	Hash      string    `json:"hash"`
	LastError *struct{} `json:"lastError"` // nil if there is none
	Misuses   []struct {
		Kind   string `json:"kind"`
		Effect string `json:"effect"`
		Hint   string `json:"hint"`
	} `json:"misuses"`
	Envoys []struct {
		Node      string `json:"node"`
		Resources []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"resources"`
	} `json:"envoys"`
}

func (r reader) readStatus(doc []byte) {
	if doc == nil {
		return
	}
	s := &status{}
	if json.Unmarshal(doc, s) != nil {
		r.unreadable("corsgate's /status")
		return
	}
	r.status = s
}
