package main

import "net/http"

// directClient asks the address that it is given: it uses no proxy of the environment, and
// follows no redirect.
var directClient = &http.Client{
	Transport:     &http.Transport{},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
