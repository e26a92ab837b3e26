package oauth

import (
	"slices"
	"strings"
)

// ParsePrompt splits a prompt parameter into its members, without repetitions
// (OIDC Core §3.1.2.1). Errors are invalid_request: for an unknown member, and for
// none beside others.
func ParsePrompt(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var prompt []string
	for p := range strings.SplitSeq(s, " ") {
		switch p {
		case PromptNone, PromptLogin, PromptConsent, PromptSelectAccount:
		default:
			return nil, InvalidRequest("The parameter prompt has an unknown member")
		}
		if !slices.Contains(prompt, p) {
			prompt = append(prompt, p)
		}
	}
	if len(prompt) > 1 && slices.Contains(prompt, PromptNone) {
		return nil, InvalidRequest("The prompt none excludes the others")
	}
	return prompt, nil
}
