package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// directClient asks the address that it is given: it uses no proxy of the environment, and
// follows no redirect.
var directClient = &http.Client{
	Transport:     &http.Transport{},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// adminTimeout bounds one answer of a service; it may have a million origins.
const adminTimeout = 30 * time.Second

// adminURL reads the address of an admin listener that a flag has, a URL or HOST:PORT.
func adminURL(flag, address, example string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, misused("write it as in "+flag+" "+example, "invalid %s %q", flag, address)
	}
	return u, nil
}
