package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/ext"
)

// What an expression may take, in the units of CEL's cost model, of which a processor does some hundred million in a second.
const costLimit = 1_000_000

// What an expression may read. Longer texts and lists are not judged, see ErrTooLong.
const (
	maxText = 16 << 10 // bytes
	maxList = 4096     // elements
)

// What is usual, for the estimate of expressions that go through lists.
const (
	usualText = 256
	usualList = 256
)

// maxExpression is how long an expression may be, in bytes.
const maxExpression = 8 << 10

// environment is the same for all expressions.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	texts := cel.ListType(cel.StringType)
	return cel.NewEnv(
		cel.CustomTypeAdapter(adapter{}),
		// Whole names, not members of objects: what there is not is found out when an expression is compiled.
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("token.issuer", cel.StringType),
		cel.Variable("token.expires", cel.TimestampType),
		cel.Variable("token.scope", texts),
		cel.Variable("token.audience", texts),
		cel.Variable("request.method", cel.StringType),
		cel.Variable("request.path", cel.StringType),
		cel.Variable("request.host", cel.StringType),
		cel.Variable("request.query", cel.MapType(cel.StringType, texts)),
		cel.Variable("request.headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("request.client_ip", cel.StringType),
		cel.Variable("request.remote_ip", cel.StringType),
		cel.Variable("tls.present", cel.BoolType),
		cel.Variable("tls.version", cel.StringType),
		cel.Variable("tls.server_name", cel.StringType),
		cel.Variable("tls.client_verified", cel.BoolType),
		cel.Variable("tls.client_subject", cel.StringType),
		cel.Variable("tls.client_dns", texts),
		cel.Variable("tls.client_fingerprint", cel.StringType),
		cel.Variable("now", cel.TimestampType),

		cel.CrossTypeNumericComparisons(true),
		cel.EagerlyValidateDeclarations(true),
		cel.ParserRecursionLimit(100),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals(),
			cel.ValidateComprehensionNestingLimit(2)),
		// Of the extensions those alone that make nothing longer than what they are given: replace and format could.
		lowerASCII, ext.Network(),
	)
})

func compile(expression string) (cel.Program, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, errors.New("it is empty")
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("it is longer than %d bytes", maxExpression)
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if out := checked.OutputType(); out != cel.BoolType && out != cel.DynType { // a claim by itself is whatever the token says
		return nil, fmt.Errorf("its value is of type %s, and must be a bool", cel.FormatCELType(checked.OutputType()))
	}
	usual, err := env.EstimateCost(checked, sizes{usualText, usualList})
	if err != nil {
		return nil, err
	}
	if usual.Max > costLimit {
		return nil, fmt.Errorf("its estimated cost of %d is above the limit of %d: go through fewer lists, or match shorter patterns", usual.Max, costLimit)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if most, err := env.EstimateCost(checked, sizes{maxText, maxList}); err != nil || most.Max > costLimit {
		// Counting takes time of its own, which is saved where nothing that can be read exceeds the limit.
		options = append(options, cel.CostLimit(costLimit))
	}
	return env.Program(checked, options...)
}

// sizes says how long texts and lists are taken to be, for estimates.
type sizes struct{ text, list uint64 }

// EstimateSize implements checker.CostEstimator.
func (s sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	switch node.Type().Kind() {
	case cel.ListType(nil).Kind(), cel.MapType(nil, nil).Kind():
		return &checker.SizeEstimate{Max: s.list}
	}
	return &checker.SizeEstimate{Max: max(s.text, s.list)}
}

// EstimateCallCost implements checker.CostEstimator: what functions cost is what CEL says.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}
