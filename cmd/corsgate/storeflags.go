package main

import (
	"errors"
	"os"
	"os/user"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/server/store"
)

// storeAccess is what an etcd wants to know of who uses it. Nothing of it stands in a
// URL, which logs and others see.
type storeAccess struct {
	ca, cert, key      string
	user, passwordFile string
}

// passwordVariable is the environment variable of a password, which has no flag: others
// on the machine see those.
const passwordVariable = "CORSGATE_STORE_PASSWORD"

// define defines the flags.
func (a *storeAccess) define(flags *pflag.FlagSet) {
	flags.StringVar(&a.ca, "store-tls-ca", "", "etcds: PEM `FILE` of the authorities of etcd's certificates; the system's by default")
	flags.StringVar(&a.cert, "store-tls-cert", "", "etcds: PEM `FILE` of the client's certificate chain")
	flags.StringVar(&a.key, "store-tls-key", "", "etcds: PEM `FILE` of its key")
	flags.StringVar(&a.user, "store-user", "", "etcd: `NAME` of the user; its password comes from a file, or from $"+passwordVariable)
	flags.StringVar(&a.passwordFile, "store-password-file", "", "etcd: `FILE` with the user's password")
}

// accessOfEnvironment returns what the environment says.
func accessOfEnvironment() (a storeAccess) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	a.define(flags)
	flags.VisitAll(func(f *pflag.Flag) { _ = fromEnvironment(f) }) // texts take each value
	return a
}

// storeFlags are the flags of the commands that work on a store.
type storeFlags struct {
	url    string
	access storeAccess
	format *choice
}

// define defines the flags of cmd. printed is what --format is about.
func (f *storeFlags) define(cmd *cobra.Command, printed string) {
	f.format = oneOf("text", "json")
	cmd.Flags().StringVar(&f.url, "store", "", "`URL` of the store: "+storeURLs+"; required")
	f.access.define(cmd.Flags())
	cmd.Flags().Var(f.format, "format", "how to print "+printed)
}

// with opens the store, and has work use it.
func (f *storeFlags) with(work func(b store.Backend) error) (err error) {
	if f.url == "" {
		return misused("name the store: --store URL, or CORSGATE_STORE, with "+storeURLs, "no --store given")
	}
	b, err := openStore(f.url, f.access)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return storeError(work(b), f.url)
}

func asConflict(err error) (*store.Conflict, bool) { return errors.AsType[*store.Conflict](err) }

// whoAmI returns USER@HOST, as far as they are known.
func whoAmI() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil || name == "" {
		return name + host
	}
	return name + "@" + host
}
