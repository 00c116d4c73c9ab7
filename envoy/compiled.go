package envoy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3" // in the chain that asks
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/metadata/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
)

// Compiled says how policies are compiled for the profile NoTrip.
type Compiled struct {
	// Folder is where Envoy finds the filters that WriteFilters writes: an absolute
	// path, as Envoy sees it. With ECDS it is empty.
	Folder string
	// ECDS lets the service deliver the filters while Envoy runs, by extension
	// config discovery.
	ECDS bool
	// Inline puts the filter itself into the configuration.
	Inline bool
	// Ports are those that clients write in an authority, as in
	// "api.example.com:8443". Envoy asks about requests with other ports.
	Ports []uint16
	// Shards is over how many filters the policies are divided, by their hosts. A change
	// then replaces only one of them. 0 and 1 mean one.
	Shards int
	// NamedPolicies lets Envoy ask about requests whose route or virtual host names a
	// policy.
	NamedPolicies bool
	// PolicyNames writes the policy's name into the access log, too.
	PolicyNames bool
	// Feed is how many of a million decisions Envoy reports to the service, which must
	// have the feed on; 0 means none.
	Feed uint32
	// Stats lets Envoy count its decisions by policy and reason. The metadata then names
	// the policy, as with PolicyNames.
	Stats bool
	// Reply says how Envoy answers; empty means notrip.ByAuthz.
	Reply notrip.Reply
	// Budget bounds the filters, in bytes; 0 means notrip.DefaultBudget.
	Budget int
}

// WholeFeed is the Feed that reports every decision.
const WholeFeed = 1_000_000

// maxShards bounds the filters of an Envoy. maxPorts bounds the ports that clients write,
// since each host is looked up with each port.
const (
	maxShards = 256
	maxPorts  = 16
)

// ports returns the ports as they are compiled: sorted, each once.
func (c *Compiled) ports() []uint16 { return slices.Compact(slices.Sorted(slices.Values(c.Ports))) }

// namesPolicies reports whether the metadata of decisions names the policy.
func (c *Compiled) namesPolicies() bool { return c.PolicyNames || c.Stats }

func (c Config) validateCompiled() error {
	if c.Profile != NoTrip {
		return nil
	}
	var errs []error
	switch {
	case c.Compiled.Inline && (c.Compiled.ECDS || c.Compiled.Folder != ""):
		errs = append(errs, errors.New("a compiled filter within the configuration is neither delivered nor in a folder: leave that out"))
	case c.Compiled.Inline && c.Compiled.Shards > 1:
		errs = append(errs, fmt.Errorf("shards %d: a compiled filter within the configuration is whole, leave shards out", c.Compiled.Shards))
	case c.Compiled.ECDS && c.Compiled.Folder != "":
		errs = append(errs, fmt.Errorf("folder %q: the service delivers the filters, leave the folder out", c.Compiled.Folder))
	case c.Compiled.ECDS && c.MessageTimeout%time.Millisecond != 0:
		errs = append(errs, fmt.Errorf("message timeout %v: write whole milliseconds", c.MessageTimeout))
	case !c.Compiled.ECDS && !c.Compiled.Inline && !strings.HasPrefix(c.Compiled.Folder, "/"):
		errs = append(errs, fmt.Errorf("folder %q: write the absolute path at which Envoy finds the filters", c.Compiled.Folder))
	}
	if c.Compiled.Shards < 0 || c.Compiled.Shards > maxShards {
		errs = append(errs, fmt.Errorf("shards %d: write 1 to %d", c.Compiled.Shards, maxShards))
	}
	if c.MatchBy == ByRoute {
		errs = append(errs, errors.New("match-by route: the compiled filter matches by itself, leave match-by out"))
	}
	if c.WithoutOrigin == WithoutOriginLeave || len(c.ManagedHosts) > 0 {
		errs = append(errs, errors.New("without-origin and managed hosts: the compiled filter knows the policies' hosts, leave them out"))
	}
	if c.Compiled.Feed > WholeFeed {
		errs = append(errs, fmt.Errorf("feed %d: write how many of %d decisions are told", c.Compiled.Feed, WholeFeed))
	}
	if c.Compiled.Feed > 0 && c.Service == "" && !c.Compiled.ECDS {
		errs = append(errs, errors.New("feed: name the service that takes it"))
	}
	if slices.Contains(c.Compiled.Ports, 0) {
		errs = append(errs, errors.New("port 0: write 1 to 65535"))
	}
	if n := len(c.Compiled.ports()); n > maxPorts {
		errs = append(errs, fmt.Errorf("%d ports: write at most %d", n, maxPorts))
	}
	return errors.Join(append(errs, oneOf("reply", c.Compiled.Reply, "", notrip.ByAuthz, notrip.ByLua))...)
}

// root returns the filter that finds the compiled ones, as YAML.
func (c Config) root() (string, error) {
	o, err := c.options()
	if err != nil {
		return "", err
	}
	doc, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(notrip.Root(o, c.sourceOf))
	if err != nil {
		return "", fmt.Errorf("write the root filter: %w", err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(doc, &root); err != nil { // JSON is YAML
		return "", fmt.Errorf("read the root filter: %w", err)
	}
	block(&root)
	sayOnce(&root, "default_config", nil)
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err = errors.Join(encoder.Encode(&root), encoder.Close())
	return strings.TrimSpace(text.String()), err
}

// sourceOf returns where Envoy finds a filter: in a file that it watches, or with the
// service. Until the service delivers, however long that takes, Envoy uses the
// default.
func (c Config) sourceOf(name string) *core.ExtensionConfigSource {
	if !c.Compiled.ECDS {
		file := &core.PathConfigSource{Path: filepath.Join(c.Compiled.Folder, name+fileEnding)}
		return &core.ExtensionConfigSource{ConfigSource: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_PathConfigSource{PathConfigSource: file},
			InitialFetchTimeout:   durationpb.New(15 * time.Second),
		}}
	}
	// By default an Envoy might come back only half a minute after the service, and use
	// older policies until then.
	again := &core.BackoffStrategy{BaseInterval: durationpb.New(500 * time.Millisecond), MaxInterval: durationpb.New(5 * time.Second)}
	service := &core.GrpcService_EnvoyGrpc_{EnvoyGrpc: &core.GrpcService_EnvoyGrpc{
		ClusterName: "corsgate", RetryPolicy: &core.RetryPolicy{RetryBackOff: again},
	}}
	api := &core.ApiConfigSource{
		ApiType: core.ApiConfigSource_DELTA_GRPC, TransportApiVersion: core.ApiVersion_V3,
		GrpcServices: []*core.GrpcService{{TargetSpecifier: service}},
	}
	return &core.ExtensionConfigSource{
		ConfigSource: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_ApiConfigSource{ApiConfigSource: api},
		},
		ApplyDefaultConfigWithoutWarming: true,
	}
}

// block writes a node, and what is in it, in lines of their own.
func block(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		block(child)
	}
}

// sayOnce writes the value of a key only where the key comes first, and an alias of it
// everywhere else. All values of the key are the same.
func sayOnce(n *yaml.Node, key string, said *yaml.Node) *yaml.Node {
	for i, child := range n.Content {
		isValue := n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == key
		switch {
		case isValue && said == nil:
			child.Anchor, said = key, child
		case isValue:
			n.Content[i] = &yaml.Node{Kind: yaml.AliasNode, Value: key, Alias: said}
		default:
			said = sayOnce(child, key, said)
		}
	}
	return said
}

// options returns the options of the compiler.
func (c Config) options() (o notrip.Options, err error) {
	o = notrip.Options{
		Ports: c.Compiled.ports(), Shards: c.Compiled.Shards, NamedPolicies: c.Compiled.NamedPolicies,
		PolicyNames: c.Compiled.namesPolicies(), Feed: c.Compiled.Feed > 0, StampSet: !c.Compiled.ECDS, Reply: c.Compiled.Reply, Budget: c.Compiled.Budget,
	}
	if c.Compiled.ECDS {
		o.Suffix = c.resourceSuffix()
	}
	if c.Service == "" && !c.Compiled.ECDS {
		return o, nil
	}
	if o.Ask, err = c.ask(false); err != nil {
		return o, err
	}
	o.AskBlocking, err = c.ask(true)
	return o, err
}

// Compile compiles a set for the profile NoTrip. With ECDS it needs no Service,
// since the service compiles.
func (c Config) Compile(set *policy.Set) (*notrip.Result, error) {
	compiler, err := c.Compiler()
	if err != nil {
		return nil, err
	}
	return compiler.Compile(set)
}

// Compiler returns what compiles one set after the other, as Compile does.
func (c Config) Compiler() (*notrip.Compiler, error) {
	validate := c.validateFilters
	if c.Compiled.ECDS {
		validate = c.validateOptions
	}
	if err := validate(); err != nil {
		return nil, err
	}
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	return notrip.NewCompiler(o), nil
}

// ask returns the chain that asks the service. A closed chain refuses the request if the
// service does not answer.
func (c Config) ask(closed bool) ([]*core.TypedExtensionConfig, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	if closed {
		v.FailOpen, v.ErrorStatus = false, 403
	}
	text, err := renderView("ask", v)
	if err != nil {
		return nil, err
	}
	var filters any
	if err := yaml.Unmarshal(text, &filters); err != nil {
		return nil, fmt.Errorf("read the chain that asks: %w", err)
	}
	doc, err := json.Marshal(map[string]any{"typed_config": filters})
	if err != nil {
		return nil, fmt.Errorf("write the chain that asks: %w", err)
	}
	chain := &composite.FilterChainConfiguration{}
	if err := protojson.Unmarshal(doc, chain); err != nil {
		return nil, fmt.Errorf("read the chain that asks: %w", err)
	}
	return chain.GetTypedConfig(), nil
}

// fileEnding is the extension of a filter's file. It tells Envoy the format.
const fileEnding = ".json"

// WriteFilters writes the filters into a folder, as StageFilters and Commit do.
func WriteFilters(folder string, res *notrip.Result) error {
	staged, err := StageFilters(folder, res)
	if err != nil {
		return err
	}
	return staged.Commit()
}

// Staged are files of filters. Those that change are written beside the old ones.
type Staged struct {
	folder string
	// Changed are the names of the files that Commit replaces, and Same of those that
	// it does not touch, since they have the filter already.
	Changed, Same []string
	beside        []string // the paths of the new files that will replace Changed
}

// StageFilters writes the filters into a folder, beside those that Envoy has. It
// makes the folder if necessary. A folder keeps its number of shards: with another
// number, Envoy would still use a file that nobody writes any more.
func StageFilters(folder string, res *notrip.Result) (*Staged, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if err := checkOthers(folder, res); err != nil {
		return nil, err
	}
	s := &Staged{folder: folder}
	for _, r := range res.Resources {
		if err := s.stage(r); err != nil {
			return nil, errors.Join(err, s.discard())
		}
	}
	return s, nil
}

func (s *Staged) stage(r notrip.Resource) error {
	doc, err := fileOf(r)
	if err != nil {
		return err
	}
	name := r.Name + fileEnding
	if before, err := os.ReadFile(filepath.Join(s.folder, name)); err == nil && bytes.Equal(before, doc) {
		s.Same = append(s.Same, name)
		return nil
	}
	beside, err := writeBeside(s.folder, name, doc)
	if beside != "" {
		s.Changed, s.beside = append(s.Changed, name), append(s.beside, beside)
	}
	return err
}

// writeBeside writes a file that will replace another one of the folder. Every user
// may read it, since any user may run Envoy. It is on the disk before it is
// renamed, so that no power failure leaves an empty file. The path is that of the
// new file, also after an error if the file is there.
func writeBeside(folder, name string, doc []byte) (path string, err error) {
	// The name is unique: nobody else writes the file, and it is not a link.
	file, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(doc)
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err == nil {
		err = file.Sync()
	}
	return file.Name(), errors.Join(err, file.Close())
}

// WriteFile replaces a file of a folder as a whole, or leaves it as it is.
func WriteFile(folder, name string, doc []byte) error {
	beside, err := writeBeside(folder, name, doc)
	if err == nil {
		err = os.Rename(beside, filepath.Join(folder, name))
	}
	if err != nil && beside != "" {
		err = errors.Join(err, os.Remove(beside))
	}
	return err
}

// discard removes the new files that did not replace one.
func (s *Staged) discard() (err error) {
	for _, path := range s.beside {
		err = errors.Join(err, os.Remove(path))
	}
	s.beside = nil
	return err
}

// filterFile matches the names of the files of filters.
var filterFile = regexp.MustCompile(`^corsgate(-[0-9]+-of-[0-9]+)?\.json$`)

// checkOthers reports a filter in a folder that does not belong to the result:
// it is from another number of shards.
func checkOthers(folder string, res *notrip.Result) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ours := func(r notrip.Resource) bool { return r.Name+fileEnding == e.Name() }
		if filterFile.MatchString(e.Name()) && !slices.ContainsFunc(res.Resources, ours) {
			return fmt.Errorf("%s is of another number of shards: keep the number, or write into a new folder and start Envoy with what is there", filepath.Join(folder, e.Name()))
		}
	}
	return nil
}

// Commit puts the filters in place. Envoy notices each file that is renamed.
//
// If Commit fails midway, each file is whole, but some shards are of the new set and
// some still of the old one. A host belongs to one shard, so it gets the answers of one
// set. To write the filters again replaces what is still old.
func (s *Staged) Commit() error {
	for _, name := range s.Changed {
		if err := os.Rename(s.beside[0], filepath.Join(s.folder, name)); err != nil {
			return errors.Join(err, s.discard())
		}
		s.beside = s.beside[1:]
	}
	return nil
}

// fileOf returns a discovery response with one filter, as Envoy reads it from a file.
func fileOf(r notrip.Resource) ([]byte, error) {
	resource := &anypb.Any{}
	if err := proto.Unmarshal(r.Encoded, resource); err != nil {
		return nil, fmt.Errorf("write %s: %w", r.Name, err)
	}
	doc, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&discovery.DiscoveryResponse{
		VersionInfo: r.Version, Resources: []*anypb.Any{resource},
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", r.Name, err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", " "); err != nil { // so that the same filter has the same bytes
		return nil, fmt.Errorf("write %s: %w", r.Name, err)
	}
	return append(out.Bytes(), '\n'), nil
}
