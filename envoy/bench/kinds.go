package main

import (
	"cmp"
	"net/http"
	"path/filepath"
	"strings"
)

// kind is a kind of request.
type kind struct {
	name   string
	method string
	header string // the lines that make it this kind
	site   string // Sec-Fetch-Site, empty means "same-site"
	path   string // empty means an ordinary one
	// upstreamStatus is what the upstream answers it with.
	upstreamStatus int
}

// browserHeader are the headers that a browser sends with any request, about as long as
// in practice.
const browserHeader = "Host: api.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Accept: application/json, text/plain, */*\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://app.example.com/\r\n" +
	"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n"

// cookieHeader are the headers that a browser sends, too, except with preflights.
const cookieHeader = "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef\r\n"

// The origins have the same length.
const (
	originHeader = "Origin: https://app.example.com\r\n"
	deniedHeader = "Origin: https://app.example.net\r\n"
)

// asksHeader are the headers of a preflight.
const asksHeader = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization,content-type\r\n"

// The kinds of requests that are measured.
var (
	allowed         = kind{name: "allowed", method: http.MethodGet, header: originHeader + cookieHeader, upstreamStatus: http.StatusOK}
	denied          = kind{name: "denied", method: http.MethodGet, header: deniedHeader + cookieHeader, site: "cross-site", upstreamStatus: http.StatusOK}
	withoutOrigin   = kind{name: "without Origin", method: http.MethodGet, header: cookieHeader, upstreamStatus: http.StatusOK}
	preflight       = kind{name: "preflight", method: http.MethodOptions, header: originHeader + asksHeader, upstreamStatus: http.StatusNoContent}
	deniedPreflight = kind{name: "denied preflight", method: http.MethodOptions, header: deniedHeader + asksHeader, site: "cross-site", upstreamStatus: http.StatusNoContent}
)

// every returns all kinds.
func every() []kind { return []kind{allowed, denied, withoutOrigin, preflight, deniedPreflight} }

// at returns the kind of request to a path of the upstream.
func (k kind) at(path string) kind {
	k.name, k.path = k.name+path, path
	return k
}

// request returns the bytes of one request.
func (k kind) request() string {
	return k.method + " " + cmp.Or(k.path, "/v1/items?page=2") + " HTTP/1.1\r\n" + browserHeader + "Sec-Fetch-Site: " + cmp.Or(k.site, "same-site") + "\r\n" + k.header + "\r\n"
}

// addressOf returns HOST:PORT or unix:///PATH as an address of Envoy's configuration.
func addressOf(address string) object {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return object{"pipe": object{"path": filepath.Clean(path)}}
	}
	host, port, _ := strings.Cut(address, ":")
	return object{"socket_address": object{"address": host, "port_value": atoi(port)}}
}
