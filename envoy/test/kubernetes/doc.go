// Package kubernetes tries what corsgate prints for Kubernetes on the real thing: Envoy
// Gateway's and Istio's control planes with a real Envoy, and the chart and all objects on
// a kube-apiserver with an etcd, as plain processes in a network namespace of their own. It
// also holds what is imported from Envoy Gateway to what Envoy Gateway does.
// The folder programs is a module of its own that builds the control planes.
package kubernetes
