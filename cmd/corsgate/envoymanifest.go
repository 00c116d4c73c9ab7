package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
)

// clusterService is where the chart's service listens if release and namespace are named
// corsgate.
const clusterService = "corsgate.corsgate.svc.cluster.local:9001"

// targetFlags are the flags that say which Envoys of a control plane are meant.
type targetFlags struct{ target envoy.Target }

// define defines the flags.
func (f *targetFlags) define(flags *pflag.FlagSet) {
	t := &f.target
	flags.StringVar(&t.Gateway, "gateway", "", "envoy-gateway: NAMESPACE/NAME of the Gateway")
	flags.StringSliceVar(&t.Listeners, "gateway-listener", []string{"http"}, "envoy-gateway: `NAME` of the Gateway's listener, repeatable; those that are not named stay unprotected; if several share a port, name the first")
	flags.StringVar(&t.Class, "gateway-class", "", "envoy-gateway: `NAME` of the Gateway's class, if its EnvoyProxy has mergeGateways")
	flags.StringVar(&t.EnvoyNamespace, "envoy-namespace", envoy.DefaultEnvoyNamespace, "envoy-gateway: `NAME` of the namespace of the Gateway's pods, for --service-tls")
	flags.StringVar(&t.Workload, "workload", "", "istio: NAMESPACE/LABEL=VALUE of the gateway's pods")
	flags.BoolVar(&t.Sidecar, "sidecar", false, "istio: the workload is an application with a sidecar, and not a gateway")
	flags.StringVar(&t.TLS, "service-tls", "", "envoy-gateway and istio: `DIR` where Envoy finds ca.crt, tls.crt and tls.key, to ask corsgate by mutual TLS; what is printed says how they come there")
}

func controlPlaneWords() (words []string) {
	for _, p := range envoy.ControlPlanes() {
		words = append(words, string(p))
	}
	return words
}

// isMeant reports whether objects of a control plane are printed.
func (f *targetFlags) isMeant(format *choice) bool {
	return format.value != "yaml" && format.value != "json"
}

// check reports flags that have no place beside the format.
func (f *targetFlags) check(flags *pflag.FlagSet, format *choice) error {
	gateway, workload := []string{"gateway", "gateway-listener", "gateway-class", "envoy-namespace"}, []string{"workload", "sidecar"}
	switch envoy.ControlPlane(format.value) {
	case envoy.EnvoyGateway:
		if f.target.Gateway == "" {
			return misused("name the Gateway with --gateway NAMESPACE/NAME", "no --gateway given")
		}
		if err := misplaced(flags, workload, "is about Istio", "leave it out, or write --format istio"); err != nil {
			return err
		}
	case envoy.Istio:
		if f.target.Workload == "" {
			return misused("name the gateway's pods with --workload NAMESPACE/LABEL=VALUE, such as istio-system/istio=ingressgateway", "no --workload given")
		}
		if err := misplaced(flags, gateway, "is about Envoy Gateway", "leave it out, or write --format envoy-gateway"); err != nil {
			return err
		}
	default:
		return misplaced(flags, append(append(gateway, workload...), "service-tls"), "is only for the Envoys of a control plane",
			"leave it out, or write --format envoy-gateway or --format istio")
	}
	return misplaced(flags, []string{"listen", "upstream", "envoy-admin", "only", "out", "folder", "match-by", "allow-custom-methods", "merge-slashes", "feed", "decision-stats"},
		"is not for this format: the control plane writes the rest of Envoy's configuration", "leave it out, or write --format yaml")
}

// printManifest prints the objects.
func (f *envoyConfigFlags) printManifest(cmd *cobra.Command) error {
	t := f.target.target
	t.ControlPlane = envoy.ControlPlane(f.format.value)
	if !cmd.Flags().Changed("service") {
		f.config.Service = clusterService
	}
	c, err := f.envoy(cmd.Flags())
	if err != nil {
		return err
	}
	var filters *notrip.Result
	if c.Compiled.Inline {
		if filters, _, err = f.compileWhole(cmd, c); err != nil {
			return err
		}
	}
	doc, err := c.Manifest(t, filters)
	if err != nil {
		return asFault(err, exitUsage, "see 'corsgate envoy-config --help'")
	}
	_, err = cmd.OutOrStdout().Write(doc)
	return err
}
