package ui

import "strings"

// input is one labelled field of a form.
type input struct {
	ID, Label string
	Type      string // text, email or password
	Value     string // as typed; never of a password
	Hint      string // explains the field, below its label
	Optional  string // said beside the label of a field that may stay empty
	Required  bool
	Focus     bool // the page begins here
	Alerted   bool // and says above the form what is wrong
	MaxLength int  // in UTF-16 code units
	// Autocomplete, Mode and Capitals are the attributes autocomplete, inputmode and
	// autocapitalize; Capitals is set where the text is no prose, which is not to be corrected either.
	Autocomplete, Mode, Capitals string
	Errors                       []string
}

// Wrong reports whether the field has errors.
func (i input) Wrong() bool { return len(i.Errors) > 0 }

// DescribedBy lists the ids of what explains the field.
func (i input) DescribedBy() string {
	var ids []string
	if i.Alerted {
		ids = append(ids, "alert")
	}
	if i.Wrong() {
		ids = append(ids, i.ID+"-error")
	}
	if i.Hint != "" {
		ids = append(ids, i.ID+"-hint")
	}
	return strings.Join(ids, " ")
}

// The longest values that a field takes: far above what is accepted, so that only accidents are cut.
const (
	maxName     = 256
	maxPassword = 1024
	maxCode     = 32
)

// inputs are the fields of all forms by id, which is their name too.
var inputs = map[string]input{
	"username":        {Type: "text", Autocomplete: "username", Required: true, Capitals: "none", MaxLength: maxName},
	"password":        {Type: "password", Autocomplete: "current-password", Required: true, MaxLength: maxPassword},
	"email":           {Type: "email", Autocomplete: "email", Mode: "email", Required: true, Capitals: "none", MaxLength: maxName},
	"given":           {Type: "text", Autocomplete: "given-name", MaxLength: maxName},
	"family":          {Type: "text", Autocomplete: "family-name", MaxLength: maxName},
	"code":            {Type: "text", Autocomplete: "one-time-code", Mode: "text", Required: true, Capitals: "characters", MaxLength: maxCode},
	"currentPassword": {Type: "password", Autocomplete: "current-password", Required: true, MaxLength: maxPassword},
	"newPassword":     {Type: "password", Autocomplete: "new-password", Required: true, MaxLength: maxPassword},
	"repeat":          {Type: "password", Autocomplete: "new-password", Required: true, MaxLength: maxPassword},
}

// Input is a field with what was typed and what is wrong with it. A password never comes back.
func (v *view) Input(id string) input {
	i := inputs[id]
	i.ID = id
	i.Label = v.T("field." + id)
	if key := "field." + v.page + "." + id; hasMessage(key) {
		i.Label = v.T(key)
	}
	if !i.Required {
		i.Optional = v.T("field.optional")
	}
	if i.Type != "password" && id != "code" {
		i.Value = v.values[id]
	}
	i.Errors = v.wrong[id]
	i.Focus = v.focus == id
	i.Alerted = i.Focus && v.Alert != ""
	return i
}

// Hinted is Input with an explanation below the label.
func (v *view) Hinted(id, hint string) input {
	i := v.Input(id)
	i.Hint = hint
	return i
}

// fields are those of each page, in their order.
var fields = map[string][]string{
	"sign_on":         {"username", "password"},
	"register":        {"username", "email", "given", "family", "newPassword", "repeat"},
	"verify":          {"code"},
	"forgot":          {"username"},
	"recover":         {"code", "newPassword", "repeat"},
	"change_password": {"currentPassword", "newPassword", "repeat"},
}

// chooseFocus begins with the first field that is wrong, or else the first that
// is empty.
func (v *view) chooseFocus() {
	for _, id := range fields[v.page] {
		if len(v.wrong[id]) > 0 {
			v.focus = id
			return
		}
	}
	for _, id := range fields[v.page] {
		if v.Input(id).Value == "" {
			v.focus = id
			return
		}
	}
	v.focus = ""
}
