package policy

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// lowerASCII is the member function lowerAscii of texts, as CEL's string extensions have it: for what is compared without regard to case.
var lowerASCII = cel.Function("lowerAscii", cel.MemberOverload("string_lower_ascii", []*cel.Type{cel.StringType}, cel.StringType,
	cel.UnaryBinding(func(v ref.Val) ref.Val {
		return types.String(strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, string(v.(types.String))))
	})))
