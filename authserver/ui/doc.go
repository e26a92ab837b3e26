// Package ui is the hosted pages: signing on, registering, recovering and
// changing a password, consent, signing off, and errors. Plain HTML forms that
// need no script; a strict Content-Security-Policy; in the person's language and
// the environment's colours.
//
// It leaves every decision to flow and logout: a page shows what is possible now
// and hands on what was typed. A page has a template of its name in templates,
// every word that a person reads is in messages, one file per language.
//
// WCAG 2.2 AA, CSP Level 3. Start reading at Pages.SignOn.
package ui
