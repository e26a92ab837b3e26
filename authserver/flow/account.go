package flow

import "context"

// selectAccount goes on as the session's person, if it is still the one that was
// shown.
func (s *step) selectAccount(ctx context.Context) error {
	s.state.Selected = s.state.Subject
	return s.next(ctx)
}

// resetSession starts over as somebody else. The session in the browser stays
// what it is until somebody has signed on.
func (s *step) resetSession(context.Context) error {
	s.state.restart()
	return nil
}

// cancel ends the flow. What was proven in it counts for nothing.
func (s *step) cancel(context.Context) error {
	s.state.fail(denied())
	return nil
}
