package notrip

import (
	expr "cel.dev/expr"
	core "github.com/cncf/xds/go/xds/core/v3"
	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	typev3 "github.com/cncf/xds/go/xds/type/v3"

	"github.com/corsgate/corsgate/server/contract"
)

// namesPolicy holds if the metadata of the route or of the virtual host has
// corsgate's namespace. Envoy takes CEL only parsed in a matcher.
var namesPolicy = custom(
	&core.TypedExtensionConfig{Name: "attributes", TypedConfig: pack(&xds.HttpAttributesCelMatchInput{})},
	"named",
	&xds.CelMatcher{ExprMatch: &typev3.CelExpression{CelExprParsed: &expr.ParsedExpr{Expr: call("_||_",
		call("@in", text(contract.Namespace), field(field(ident("xds"), "route_metadata"), "filter_metadata")),
		call("@in", text(contract.Namespace), field(field(ident("xds"), "virtual_host_metadata"), "filter_metadata")),
	)}}},
)

func call(function string, args ...*expr.Expr) *expr.Expr {
	return &expr.Expr{ExprKind: &expr.Expr_CallExpr{CallExpr: &expr.Expr_Call{Function: function, Args: args}}}
}

func field(of *expr.Expr, name string) *expr.Expr {
	return &expr.Expr{ExprKind: &expr.Expr_SelectExpr{SelectExpr: &expr.Expr_Select{Operand: of, Field: name}}}
}

func ident(name string) *expr.Expr {
	return &expr.Expr{ExprKind: &expr.Expr_IdentExpr{IdentExpr: &expr.Expr_Ident{Name: name}}}
}

func text(s string) *expr.Expr {
	return &expr.Expr{ExprKind: &expr.Expr_ConstExpr{ConstExpr: &expr.Constant{ConstantKind: &expr.Constant_StringValue{StringValue: s}}}}
}
