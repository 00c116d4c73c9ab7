// Package fleet tests what instances do that follow a store in a real etcd, while it is
// pushed to, and while parts of it fail. It has tests only.
package fleet
