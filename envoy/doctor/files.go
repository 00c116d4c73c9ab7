package doctor

import (
	"encoding/json"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
)

// sourceFile is a file by which Envoy gets resources instead of from a service: a discovery
// response.
type sourceFile struct {
	Version   string            `json:"version_info"`
	Resources []json.RawMessage `json:"resources"`
}

// readFiles reads the files that a bootstrap names: of listeners and clusters first, and then
// of the routes and of corsgate's filters that the listeners name.
func (r reader) readFiles(dynamic dynamicResources) {
	for _, raw := range []json.RawMessage{dynamic.Listeners, dynamic.Clusters} {
		var source core.ConfigSource
		if present(raw) && r.message(raw, &source, "a source of listeners or clusters") {
			r.readOthers(&source, "listeners or clusters")
		}
	}
	for _, l := range r.listeners {
		walk(l, func(m proto.Message) bool {
			switch m := m.(type) {
			case *hcm.Rds:
				r.readOthers(m.GetConfigSource(), "the routes "+m.GetRouteConfigName())
			case *hcm.HttpFilter:
				r.readFilter(m.GetName(), m.GetConfigDiscovery())
			case *composite.DynamicConfig:
				r.readFilter(m.GetName(), m.GetConfigDiscovery())
			}
			return true
		})
	}
}

// readOthers reads the file of other things than a filter.
func (r reader) readOthers(source *core.ConfigSource, of string) {
	if r.readSource(source, of); r.files[fileOf(source)] != "" {
		r.unread = append(r.unread, Finding{What: "the file of " + of + " cannot be read: " + r.files[fileOf(source)], Seen: "Envoy does not take it, and nothing is said about what it should have",
			Write: "a discovery response in JSON or YAML: {resources: [{\"@type\": ...}]}"})
	}
}

// readFilter reads the file of a filter, if it is corsgate's and has one.
func (r reader) readFilter(name string, source *core.ExtensionConfigSource) {
	if isOurs(name) {
		r.readSource(source.GetConfigSource(), "the filter "+name)
	}
}

// readSource reads the file of a source, if it is one, and notes what is not known without it.
func (r reader) readSource(source *core.ConfigSource, of string) {
	path := fileOf(source)
	if _, done := r.files[path]; path == "" || done {
		return
	}
	doc, err := r.readFile(path)
	if err != nil {
		r.unread = append(r.unread, Finding{What: "the file of " + of + " was not read: " + err.Error(), Seen: "nothing is said about what it has, or about whether Envoy finds it",
			Write: "run this where Envoy finds the file; or ask the Envoy that runs with --envoy"})
		return
	}
	r.files[path] = r.readResources(doc)
}

// readResources reads what a file has as if it were in a dump, and returns why Envoy does not
// take the file, or "".
func (r reader) readResources(doc []byte) (refused string) {
	var file sourceFile
	doc, err := toJSON(doc)
	if err != nil {
		return err.Error()
	}
	if json.Unmarshal(doc, &file) != nil || file.Resources == nil {
		return "it has no list of resources"
	}
	for _, raw := range file.Resources {
		r.readResource(raw, file.Version)
	}
	return ""
}

func (r reader) readResource(raw json.RawMessage, version string) {
	var typed struct {
		Type string `json:"@type"`
	}
	if json.Unmarshal(raw, &typed) != nil {
		return // it is not there, then
	}
	switch typed.Type[strings.LastIndexByte(typed.Type, '/')+1:] {
	case "envoy.config.listener.v3.Listener":
		r.readListener(raw)
	case "envoy.config.cluster.v3.Cluster":
		r.readCluster(raw)
	case "envoy.config.route.v3.RouteConfiguration":
		r.readRoutes(raw)
	case "envoy.config.core.v3.TypedExtensionConfig":
		r.readDelivered(heldExtension{Version: version, Filter: raw})
	}
}

// fileOf returns the path of a source that is a file, also in the older field, or "".
func fileOf(source *core.ConfigSource) string {
	return source.GetPathConfigSource().GetPath() + source.GetPath() //nolint:staticcheck // one of them is empty, and Envoy still takes the older one
}
