package envoy

import (
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// words are those of package contract, as the templates name them.
func words() map[string]any {
	return map[string]any{
		"Namespace":         contract.Namespace,
		"Apply":             contract.Apply,
		"Strip":             policy.ApplyStrip,
		"Reason":            contract.Reason,
		"Unanswered":        contract.Unanswered,
		"Headers":           contract.Headers,
		"HeadersInMetadata": contract.HeadersInMetadata,
		"EitherPolicy":      contract.EitherPolicy,
		"RouteName":         contract.RouteName,
		"RouteMetadata":     contract.RouteMetadata,
		"ForwardedHeaders":  contract.ForwardedHeaders(),
		"DecisionState":     contract.DecisionState,
		"ForwardedPrefix":   contract.ForwardedPrefix,
	}
}
