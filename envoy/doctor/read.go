package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
)

// Input is what is known of an Envoy. Only Config is required: what else is nil is not
// judged.
type Input struct {
	// Config is GET /config_dump of Envoy's admin listener, or a bootstrap, as JSON or
	// YAML.
	Config []byte
	// Clusters is GET /clusters?format=json, and Stats GET /stats, as text or JSON.
	Clusters, Stats []byte
	// ServerInfo is GET /server_info.
	ServerInfo []byte
	// Status is GET /status of the corsgate that Envoy asks.
	Status []byte
	// Policies are those that corsgate serves.
	Policies *policy.Set
	// Service is the name of a cluster that is corsgate, if nothing else tells.
	Service string
	// ReadFile reads a file that a bootstrap names, in which Envoy finds filters, routes,
	// listeners or clusters. A note repeats its error. If it is nil, no file is read.
	ReadFile func(path string) ([]byte, error)
}

const (
	// MaxBytes bounds Input.Config. Whoever reads an input needs to read only a byte more.
	MaxBytes = 256 << 20
	// maxYAML bounds YAML, which is for bootstraps that people write.
	maxYAML = 16 << 20
)

// reader reads what Envoy tells into facts. What it cannot read becomes a note.
type reader struct {
	*facts
	readFile func(path string) ([]byte, error)
}

// read returns the facts of an input. It fails only if the configuration is not Envoy's.
func read(in Input) (*facts, error) {
	r := reader{&facts{
		clusters: map[string]*cluster.Cluster{}, delivered: map[string]*delivery{}, routes: map[string]*route.RouteConfiguration{},
		scopes:   map[string][]*route.ScopedRouteConfiguration{},
		policies: in.Policies, compiled: map[string]*notrip.Result{}, service: in.Service, files: map[string]string{},
	}, in.ReadFile}
	if r.readFile == nil {
		r.readFile = func(string) ([]byte, error) { return nil, errors.New("no files are read") }
	}
	if len(in.Config) > MaxBytes {
		return nil, fmt.Errorf("the config dump has more than %d MiB", MaxBytes>>20)
	}
	doc, err := toJSON(in.Config)
	if err != nil {
		return nil, err
	}
	if err := r.readConfig(doc); err != nil {
		return nil, err
	}
	r.readServerInfo(in.ServerInfo)
	r.readClusters(in.Clusters)
	r.readStats(in.Stats)
	r.readStatus(in.Status)
	r.connect()
	return r.facts, nil
}

// document is a config dump, or a bootstrap.
type document struct {
	Configs []json.RawMessage `json:"configs"`
	bootstrap
	// Pods are dumps by namespace and pod, as "egctl config envoy-proxy all" prints them.
	Pods map[string]map[string]document `json:"xds"`
}

// only returns the dump of the one pod that there is.
func (d document) only() (document, error) {
	var list []document
	for _, namespace := range d.Pods {
		for _, pod := range namespace {
			list = append(list, pod)
		}
	}
	switch len(list) {
	case 0:
		return d, nil
	case 1:
		return list[0], nil
	}
	return d, fmt.Errorf("it has the dumps of %d Envoys: give that of one", len(list))
}

// bootstrap is what is read of a bootstrap.
type bootstrap struct {
	Node    json.RawMessage `json:"node"`
	Runtime json.RawMessage `json:"layered_runtime"`
	Static  struct {
		Listeners []json.RawMessage `json:"listeners"`
		Clusters  []json.RawMessage `json:"clusters"`
	} `json:"static_resources"`
	Dynamic dynamicResources `json:"dynamic_resources"`
}

// dynamicResources are the sources of what a bootstrap does not have itself.
type dynamicResources struct {
	Listeners json.RawMessage `json:"lds_config"`
	Clusters  json.RawMessage `json:"cds_config"`
}

// held is one resource of a config dump, by the state that it is in.
type held struct {
	Name     string          `json:"name"`
	Listener json.RawMessage `json:"listener"`
	Cluster  json.RawMessage `json:"cluster"`
	Route    json.RawMessage `json:"route_config"`
	Active   *held           `json:"active_state"`
	Warming  *held           `json:"warming_state"`
	Error    json.RawMessage `json:"error_state"`
}

// dumped is one part of a config dump; "@type" says which one.
type dumped struct {
	Type             string          `json:"@type"`
	Bootstrap        bootstrap       `json:"bootstrap"`
	StaticClusters   []held          `json:"static_clusters"`
	ActiveClusters   []held          `json:"dynamic_active_clusters"`
	WarmingClusters  []held          `json:"dynamic_warming_clusters"`
	StaticListeners  []held          `json:"static_listeners"`
	DynamicListeners []held          `json:"dynamic_listeners"`
	StaticRoutes     []held          `json:"static_route_configs"`
	DynamicRoutes    []held          `json:"dynamic_route_configs"`
	DynamicScopes    []heldScopes    `json:"dynamic_scoped_route_configs"`
	Delivered        []heldExtension `json:"ecds_filters"`
}

// heldScopes are scoped routes that were delivered. Those that are inline stand in the
// listener.
type heldScopes struct {
	Name   string            `json:"name"`
	Scopes []json.RawMessage `json:"scoped_route_configs"`
}

// heldExtension is what was delivered by extension config discovery.
type heldExtension struct {
	Version string          `json:"version_info"`
	Filter  json.RawMessage `json:"ecds_filter"`
	Error   json.RawMessage `json:"error_state"`
}

func (r reader) readConfig(doc []byte) error {
	var d document
	if err := json.Unmarshal(doc, &d); err != nil {
		return errors.New("it is not a config dump or bootstrap of Envoy: it has other fields")
	}
	d, err := d.only()
	if err != nil {
		return err
	}
	switch {
	case d.Configs != nil:
		for _, part := range d.Configs {
			r.readPart(part)
		}
	case d.Static.Listeners != nil || d.Static.Clusters != nil:
		r.written = true
		r.readBootstrap(d.bootstrap)
		for _, l := range d.Static.Listeners {
			r.readListener(l)
		}
		for _, c := range d.Static.Clusters {
			r.readCluster(c)
		}
		r.readFiles(d.Dynamic)
	default:
		return errors.New(`it is not a config dump of Envoy, which has "configs", nor a bootstrap with static_resources`)
	}
	return nil
}

func (r reader) readPart(part json.RawMessage) {
	var d dumped
	if err := json.Unmarshal(part, &d); err != nil {
		r.unreadable("a part of the config dump")
		return
	}
	r.readBootstrap(d.Bootstrap)
	for _, h := range slices.Concat(d.StaticClusters, d.ActiveClusters) {
		r.readHeld(h)
	}
	for _, h := range d.WarmingClusters {
		r.readCluster(h.Cluster)
	}
	for _, h := range slices.Concat(d.StaticListeners, d.DynamicListeners, d.StaticRoutes, d.DynamicRoutes) {
		r.readHeld(h)
	}
	for _, s := range d.DynamicScopes {
		r.readScopes(s)
	}
	for _, e := range d.Delivered {
		r.readDelivered(e)
	}
}

// readHeld reads a resource, in the state in which it takes traffic.
func (r reader) readHeld(h held) {
	if present(h.Error) {
		r.refused = append(r.refused, nameOf(h))
	}
	switch {
	case h.Active != nil:
		r.readHeld(*h.Active)
	case h.Warming != nil:
		r.warming = append(r.warming, h.Name)
	case present(h.Listener):
		r.readListener(h.Listener)
	case present(h.Cluster):
		r.readCluster(h.Cluster)
	case present(h.Route):
		r.readRoutes(h.Route)
	}
}

// present reports whether a field is there with a value.
func present(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// nameOf returns the name of what is held, wherever it stands.
func nameOf(h held) string {
	if h.Name != "" {
		return h.Name
	}
	var named struct {
		Name string `json:"name"`
	}
	for _, raw := range []json.RawMessage{h.Listener, h.Cluster, h.Route} {
		if json.Unmarshal(raw, &named) == nil && named.Name != "" {
			return named.Name
		}
	}
	return "a resource"
}

func (r reader) readBootstrap(b bootstrap) {
	r.readRuntime(b.Runtime)
	if !present(b.Node) {
		return
	}
	var node core.Node
	if !r.message(b.Node, &node, "the node") {
		return
	}
	r.node = node.GetId()
	if v := node.GetUserAgentBuildVersion().GetVersion(); v != nil {
		r.version = version{int(v.GetMajorNumber()), int(v.GetMinorNumber())}
	}
}

// readRuntime reads what the bootstrap says of Envoy's runtime: the last layer that has a key
// counts.
func (r reader) readRuntime(raw json.RawMessage) {
	var runtime bootstrapv3.LayeredRuntime
	if !present(raw) || !r.message(raw, &runtime, "the runtime") {
		return
	}
	for _, layer := range runtime.GetLayers() {
		fields := layer.GetStaticLayer().GetFields()
		if fields["http_connection_manager.normalize_path"] != nil {
			r.normalizes = fields["http_connection_manager.normalize_path"].GetBoolValue()
		} else if nested := fields["http_connection_manager"].GetStructValue().GetFields()["normalize_path"]; nested != nil {
			r.normalizes = nested.GetBoolValue()
		}
	}
}

func (r reader) readListener(raw json.RawMessage) {
	l := &listener.Listener{}
	if r.message(raw, l, "a listener") {
		r.listeners = append(r.listeners, l)
	}
}

func (r reader) readCluster(raw json.RawMessage) {
	c := &cluster.Cluster{}
	if r.message(raw, c, "a cluster") {
		r.clusters[c.GetName()] = c
	}
}

func (r reader) readRoutes(raw json.RawMessage) {
	rc := &route.RouteConfiguration{}
	if r.message(raw, rc, "a route configuration") {
		r.routes[rc.GetName()] = rc
	}
}

func (r reader) readScopes(h heldScopes) {
	for _, raw := range h.Scopes {
		s := &route.ScopedRouteConfiguration{}
		if r.message(raw, s, "a scoped route configuration") {
			r.scopes[h.Name] = append(r.scopes[h.Name], s)
		}
	}
}

func (r reader) readDelivered(e heldExtension) {
	filter := &core.TypedExtensionConfig{}
	if !present(e.Filter) || !r.message(e.Filter, filter, "a delivered filter") {
		return
	}
	r.delivered[filter.GetName()] = &delivery{version: e.Version, filter: unpack(filter.GetTypedConfig()), text: e.Filter, refused: present(e.Error)}
}

// message reads a message of Envoy's. The text of an error may have values of the
// configuration, so it is not repeated.
func (r reader) message(raw json.RawMessage, m proto.Message, what string) bool {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true, Resolver: lenient{}}).Unmarshal(raw, m); err != nil {
		var named struct {
			Name string `json:"name"`
		}
		_ = json.Unmarshal(raw, &named) // without a name, the note says less
		r.unreadable(what + " " + named.Name)
		return false
	}
	return true
}

// unreadable notes what cannot be read. Nothing is said about it then.
func (r reader) unreadable(what string) {
	r.unread = append(r.unread, Finding{What: strings.TrimSpace(what) + " cannot be read",
		Seen: "nothing is said about it here", Write: "use a corsgate that is as new as this Envoy, or look at it yourself"})
}

// names returns the names of a map, sorted.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
