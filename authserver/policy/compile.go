package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/ext"
)

// What an expression may take, in the units of CEL's cost model: by the estimate for usual tokens and requests, and for any of them when it is
// evaluated. A processor does some hundred million units in a second, of the worst patterns four million.
const (
	estimateLimit = 1_000_000
	costLimit     = 100_000
)

// What an expression may read. Longer texts and lists are not judged, see ErrTooLong.
const (
	maxText = 16 << 10 // bytes
	maxList = 2000     // elements
)

// What is usual, for the estimate of expressions that go through lists.
const (
	usualText = 256
	usualList = 500
)

// maxExpression is how long an expression may be, in bytes.
const maxExpression = 8 << 10

// declared are the variables. They are whole names, not members of objects: what there is not is found out when an expression is compiled.
var declared = []*decls.VariableDecl{
	decls.NewVariable("claims", cel.MapType(cel.StringType, cel.DynType)),
	decls.NewVariable("token.issuer", cel.StringType),
	decls.NewVariable("token.expires", cel.TimestampType),
	decls.NewVariable("token.scope", cel.ListType(cel.StringType)),
	decls.NewVariable("token.audience", cel.ListType(cel.StringType)),
	decls.NewVariable("request.method", cel.StringType),
	decls.NewVariable("request.path", cel.StringType),
	decls.NewVariable("request.host", cel.StringType),
	decls.NewVariable("request.query", cel.MapType(cel.StringType, cel.ListType(cel.StringType))),
	decls.NewVariable("request.headers", cel.MapType(cel.StringType, cel.StringType)),
	decls.NewVariable("request.client_ip", cel.StringType),
	decls.NewVariable("request.remote_ip", cel.StringType),
	decls.NewVariable("tls.present", cel.BoolType),
	decls.NewVariable("tls.version", cel.StringType),
	decls.NewVariable("tls.server_name", cel.StringType),
	decls.NewVariable("tls.client_verified", cel.BoolType),
	decls.NewVariable("tls.client_subject", cel.StringType),
	decls.NewVariable("tls.client_dns", cel.ListType(cel.StringType)),
	decls.NewVariable("tls.client_fingerprint", cel.StringType),
	decls.NewVariable("now", cel.TimestampType),
}

// variables are their names.
var variables = func() (names []string) {
	for _, v := range declared {
		names = append(names, v.Name())
	}
	return names
}()

// environment is the same for all expressions.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.CustomTypeAdapter(adapter{}),
		cel.VariableDecls(declared...),
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
		return nil, explain(issues.Errors()[0])
	}
	if out := checked.OutputType(); out != cel.BoolType && out != cel.DynType { // a claim by itself is whatever the token says
		return nil, fmt.Errorf("its value is of type %s, and must be a bool", cel.FormatCELType(checked.OutputType()))
	}
	usual, err := env.EstimateCost(checked, sizes{usualText, usualList})
	if err != nil {
		return nil, err
	}
	if usual.Max > estimateLimit {
		return nil, fmt.Errorf("its estimated cost of %d is above the limit of %d: go through fewer lists, or match shorter patterns", usual.Max, estimateLimit)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if most, err := env.EstimateCost(checked, sizes{maxText, maxList}); err != nil || most.Max > costLimit {
		// Counting takes time of its own, which is saved where nothing that can be read exceeds the limit.
		options = append(options, cel.CostLimit(costLimit))
	}
	return env.Program(checked, options...)
}

// explain says in one line what is wrong with an expression, and where.
func explain(err *cel.Error) error {
	message := strings.TrimPrefix(err.Message, "Syntax error: ")
	if strings.HasPrefix(message, "undeclared reference to") {
		message = strings.TrimSuffix(message, " (in container '')") + "; there are: " + strings.Join(variables, ", ")
	}
	return fmt.Errorf("line %d, column %d: %s", err.Location.Line(), err.Location.Column()+1, message)
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
