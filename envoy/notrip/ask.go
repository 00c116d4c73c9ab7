package notrip

import (
	"strconv"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// The roles of the chains that ask. The name of a chain has its role before a dot. If some
// policies do not fit, these chains have the budget behind it: with it, and with the other
// options, which a filter shows, somebody else can compile the same filter.
const (
	AskChain         = "ask"
	AskBlockingChain = "ask_blocking"
)

// blocking says which requests with an Origin policies may block.
type blocking uint8

const (
	blocksNothing blocking = iota
	blocksUnsafe           // all but safe methods
	blocksAll
)

func blockingOf(policies []*compiled) (most blocking) {
	for _, p := range policies {
		most = max(most, p.blocking())
	}
	return most
}

func (p *compiled) blocking() blocking {
	switch {
	case p.spec.Mode == policy.ModeOff || p.spec.Mode == policy.ModeShadow:
		return blocksNothing
	case p.spec.DeniedRequests == policy.DeniedBlock:
		return blocksAll
	case p.spec.DeniedRequests == policy.DeniedBlockUnsafe:
		return blocksUnsafe
	}
	return blocksNothing
}

// ask sends requests with an Origin to the service. b is what the policies that may be
// about them may block. If the service does not answer, requests that may be blocked are
// refused. If there is no service, these and all preflights are refused.
func (c *compiler) ask(b blocking, preflight bool) node {
	switch {
	case preflight && len(c.Ask) == 0:
		_, _, denied := c.set.Denials()
		return c.answer("", contract.NeedsService, denied)
	case preflight && b > blocksNothing:
		return c.chains.run(c.within(AskBlockingChain), c.AskBlocking...)
	case b == blocksNothing:
		return c.askOpen()
	}
	return first(c.askClosed(), unlessBlocked(b, c.askOpen())...)
}

// askEither is ask for requests with an Origin that may be preflights or not.
func (c *compiler) askEither(b blocking) node {
	if len(c.Ask) > 0 && b == blocksNothing {
		return c.askOpen()
	}
	return c.chains.run("odd", c.nest("odd", func(inner *compiler) node {
		return first(inner.ask(b, false), when{isPreflight, inner.ask(b, true)})
	}))
}

// askOpen asks. Without an answer the upstream's CORS headers are removed.
func (c *compiler) askOpen() node {
	if len(c.Ask) > 0 {
		return c.chains.run(c.within(AskChain), c.Ask...)
	}
	request, _, _ := c.set.Denials()
	return c.answer("", contract.NeedsService, request)
}

// askClosed asks. Without an answer the request is refused.
func (c *compiler) askClosed() node {
	if len(c.Ask) > 0 {
		return c.chains.run(c.within(AskBlockingChain), c.AskBlocking...)
	}
	_, blocked, _ := c.set.Denials()
	return c.answer("", contract.NeedsService, blocked)
}

// within returns a role, with the budget if some policies do not fit.
func (c *compiler) within(role string) string {
	if c.cut {
		role += "." + strconv.Itoa(c.Budget)
	}
	return role
}

// unlessBlocked gives n the requests that are not blocked, whatever their origin:
// WebSocket handshakes, requests of the site to itself, and safe methods if only unsafe
// ones are blocked.
func unlessBlocked(b blocking, n node) []when {
	branches := []when{{isWebSocket, n}}
	if b == blocksUnsafe {
		branches = append(branches, when{isSafe, n})
	}
	return append(branches, when{saysSameOrigin, n})
}

// isPreflight is Fetch, #http-requests: of the requests with an Origin, those that are
// CORS-preflight requests.
var isPreflight = and(equals(method, "OPTIONS"), has(requestMethod))

// isWebSocket holds for handshakes, also for those of HTTP/2 (RFC 8441): filters see
// them as Envoy translates them to HTTP/1.
var isWebSocket = matches(upgrade, `(?i)websocket`)

// isSafe holds for the methods that block-unsafe lets through.
var isSafe = matches(method, "GET|HEAD|OPTIONS")

// saysSameOrigin is Fetch Metadata, section 2.4: the browser says that the site, or
// the user, has made the request.
var saysSameOrigin = matches(secFetchSite, "same-origin|none")

// saysOddly holds for values that no browser sends, such as those of several lines.
// Of these, Envoy would report only the first line to the feed.
var saysOddly = and(has(secFetchSite), not(matches(secFetchSite, "cross-site|same-site")))

// named asks about requests whose route or virtual host names a policy. No policy
// blocks requests without an Origin.
func (c *compiler) named() []when {
	if !c.NamedPolicies {
		return nil
	}
	return []when{{namesPolicy, first(c.askEither(c.hosts.blocking), when{not(has(origin)), c.askOpen()})}}
}
