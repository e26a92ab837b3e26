package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "gatehouse",
		Usage: "export|import --environment <uuid> …",
		Short: "Moves environments of the authorization server as files",
		Long: `
Writes what is managed in an environment of a running server into a file, and
makes an environment what a file says. The file is lines of JSON that can be kept
in version control, and moved to a server with another storage.

Both call the management API, as an application of type worker whose roles
permit it. Its credentials come from the environment variables
GATEHOUSE_CLIENT_ID and GATEHOUSE_CLIENT_SECRET, or GATEHOUSE_ACCESS_TOKEN holds a
token of its own.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(exportCommand(), importCommand())
		},
	})
}

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export --environment <uuid> [--output <file>] [--server <url>] [--no-users] [--secrets] [--declared]",
		Short: "Writes an environment into a file",
		Long: `
Writes what is managed in an environment into a file, or to standard output.

Secrets are left out unless --secrets is given. Then client secrets, keys and
password hashes are in the file as they are in the database: sealed with the
server's secrets_key, so that only a server with the same one can read them.`,
		RunE: caddycmd.WrapCommandFuncForCobra(runExport),
	}
	remoteFlags(cmd)
	cmd.Flags().StringP("output", "o", "-", "file to write; it is replaced when the export is complete")
	cmd.Flags().Bool("no-users", false, "leave people out")
	cmd.Flags().Bool("secrets", false, "add secrets, sealed")
	cmd.Flags().Bool("declared", false, "add what the server's configuration declares")
	return cmd
}

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import --environment <uuid> [--input <file>] [--server <url>] [--dry-run] [--prune]",
		Short: "Makes an environment what a file says",
		Long: `
Creates and changes what a file of export has, by its IDs. With --dry-run nothing
is changed, and each difference is printed. With --prune what the file does not
have is deleted.`,
		RunE: caddycmd.WrapCommandFuncForCobra(runImport),
	}
	remoteFlags(cmd)
	cmd.Flags().StringP("input", "i", "-", "file to read")
	cmd.Flags().BoolP("dry-run", "n", false, "print the difference and change nothing")
	cmd.Flags().Bool("prune", false, "delete what the file does not have")
	return cmd
}

func remoteFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("environment", "e", "", "the environment's id")
	cmd.Flags().StringP("server", "s", "http://localhost:8080", "where the server's /v1 and its environments are")
	cmd.Flags().String("client-environment", "", "the environment of the application that calls, if it is another one")
}

func runExport(fl caddycmd.Flags) (int, error) {
	r, err := newRemote(fl)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	query := url.Values{"users": {fmt.Sprint(!fl.Bool("no-users"))}, "secrets": {fmt.Sprint(fl.Bool("secrets"))}, "declared": {fmt.Sprint(fl.Bool("declared"))}}
	if err := r.export(context.Background(), query, fl.String("output")); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("export: %w", err)
	}
	return caddy.ExitCodeSuccess, nil
}

func runImport(fl caddycmd.Flags) (int, error) {
	r, err := newRemote(fl)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	in, size := os.Stdin, int64(-1)
	if name := fl.String("input"); name != "-" {
		if in, err = os.Open(name); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		defer in.Close()
		if info, err := in.Stat(); err == nil {
			size = info.Size()
		}
	}
	query := url.Values{"dryRun": {fmt.Sprint(fl.Bool("dry-run"))}, "prune": {fmt.Sprint(fl.Bool("prune"))}}
	if err := r.importFile(context.Background(), query, in, size, os.Stdout); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("import: %w", err)
	}
	if fl.Bool("dry-run") {
		r.progress.done("This was a dry run: nothing has been changed.")
	}
	return caddy.ExitCodeSuccess, nil
}

// ticker says how far something is: in one line of a terminal that is written over,
// and in lines of a file.
type ticker struct {
	to       io.Writer
	terminal bool
	said     time.Time
}

func newTicker(f *os.File) *ticker {
	info, err := f.Stat()
	return &ticker{to: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// say replaces what was said before; to a file it says something once a second.
func (t *ticker) say(format string, args ...any) {
	now := time.Now()
	switch {
	case t.terminal:
		fmt.Fprintf(t.to, "\r\x1b[K"+format, args...)
	case now.Sub(t.said) >= time.Second:
		t.said = now
		fmt.Fprintf(t.to, format+"\n", args...)
	}
}

// done says the last word.
func (t *ticker) done(format string, args ...any) {
	if t.terminal {
		format = "\r\x1b[K" + format
	}
	fmt.Fprintf(t.to, format+"\n", args...)
}

// remote is an environment of a running server. It says on progress how far it is.
type remote struct {
	server, environment, caller string
	client                      *http.Client
	progress                    *ticker
}

func newRemote(fl caddycmd.Flags) (*remote, error) {
	r := &remote{
		server: strings.TrimSuffix(fl.String("server"), "/"), environment: fl.String("environment"), caller: fl.String("client-environment"),
		progress: newTicker(os.Stderr),
		// The token goes to this server and to no other.
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if r.environment == "" {
		return nil, errors.New("--environment is missing: the id of the environment")
	}
	if r.caller == "" {
		r.caller = r.environment
	}
	u, err := url.Parse(r.server)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("--server %q is not a URL such as https://auth.example.com", r.server)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--server %q: credentials are sent in clear text to a loopback host only; use https", r.server)
	}
	return r, nil
}

// token is what calls are made with.
func (r *remote) token(ctx context.Context) (string, error) {
	if token := os.Getenv("GATEHOUSE_ACCESS_TOKEN"); token != "" {
		return token, nil
	}
	id, secret := os.Getenv("GATEHOUSE_CLIENT_ID"), os.Getenv("GATEHOUSE_CLIENT_SECRET")
	if id == "" || secret == "" {
		return "", errors.New("set GATEHOUSE_CLIENT_ID and GATEHOUSE_CLIENT_SECRET to the credentials of a worker, or GATEHOUSE_ACCESS_TOKEN to a token")
	}
	body := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.server+"/"+url.PathEscape(r.caller)+"/as/token", body)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("get a token: %w", refusal(resp))
	}
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&got); err != nil || got.Token == "" {
		return "", errors.New("get a token: the answer has none")
	}
	return got.Token, nil
}

// call sends a request to the environment in the management API.
func (r *remote) call(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	token, err := r.token(ctx)
	if err != nil {
		return nil, err
	}
	target := r.server + "/v1/environments/" + url.PathEscape(r.environment) + path + "?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

// refusal is what a server said about why it does not.
func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return fmt.Errorf("the server answered %s: %s", resp.Status, explained(text))
}

// explained is an error body in one line.
func explained(text []byte) string {
	var e struct {
		Description string `json:"error_description"`
		Message     string `json:"message"`
		Details     []struct {
			Target  string `json:"target"`
			Message string `json:"message"`
		} `json:"details"`
	}
	_ = json.Unmarshal(text, &e)
	said := []string{e.Message}
	for _, d := range e.Details {
		said = append(said, strings.TrimSpace(d.Target+" "+d.Message))
	}
	if line := strings.TrimSpace(strings.Join(said, " ") + e.Description); line != "" {
		return line
	}
	return "no explanation"
}

// export writes the file, which is there as a whole or not at all.
func (r *remote) export(ctx context.Context, query url.Values, name string) (err error) {
	resp, err := r.call(ctx, http.MethodGet, "/export", query, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	out := os.Stdout
	if name != "-" {
		if out, err = os.CreateTemp(filepath.Dir(name), ".gatehouse-export-"); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, out.Close())
			if err == nil {
				err = os.Rename(out.Name(), name)
			}
			if err != nil {
				_ = os.Remove(out.Name())
			}
		}()
	}
	w := bufio.NewWriterSize(out, 1<<16)
	counted, last, err := copyLines(w, resp.Body, r.counter("exported"))
	if err != nil {
		return err
	}
	var end struct {
		End   bool            `json:"end"`
		Error json.RawMessage `json:"error"`
	}
	switch _ = json.Unmarshal(last, &end); {
	case end.Error != nil:
		return errors.New(explained(end.Error))
	case !end.End:
		return errors.New("the answer ends before the file does")
	}
	r.progress.done("exported %d lines", counted)
	return w.Flush()
}

// copyLines copies r and gives the number of its lines and the last one.
func copyLines(w io.Writer, r io.Reader, tell func(int)) (n int, last []byte, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			n, last = n+1, line
			if _, err := w.Write(line); err != nil {
				return n, last, err
			}
			tell(n)
		}
		if errors.Is(err, io.EOF) {
			return n, last, nil
		}
		if err != nil {
			return n, last, err
		}
	}
}

// counter says a growing number now and then.
func (r *remote) counter(what string) func(int) {
	begin, next := time.Now(), time.Now().Add(time.Second)
	return func(n int) {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			r.progress.say("%s %d lines (%.0f/s)", what, n, float64(n)/now.Sub(begin).Seconds())
		}
	}
}

// tally is what the server says of an import.
type tally struct {
	Line    int `json:"line"`
	Created int `json:"created"`
	Updated int `json:"updated"`
	Deleted int `json:"deleted"`
	Same    int `json:"same"`
}

func (t tally) String() string {
	return fmt.Sprintf("%d created, %d updated, %d deleted, %d unchanged", t.Created, t.Updated, t.Deleted, t.Same)
}

func (t tally) done() int { return t.Created + t.Updated + t.Deleted + t.Same }

// difference is one of a dry run.
type difference struct {
	Action  string `json:"action"`
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Note    string `json:"note"`
	Secret  bool   `json:"secret"`
	Changes []struct {
		Member string          `json:"member"`
		Before json.RawMessage `json:"before"`
		After  json.RawMessage `json:"after"`
	} `json:"changes"`
}

// print writes d as lines of a diff: + created, ~ changed, - deleted, ! to be known.
func (d *difference) print(w io.Writer) {
	sign, ok := map[string]string{"create": "+", "update": "~", "delete": "-"}[d.Action]
	if !ok {
		sign = "!"
	}
	fmt.Fprintf(w, "%s %s %s", sign, d.Kind, d.ID)
	if d.Name != "" {
		fmt.Fprintf(w, " (%s)", d.Name)
	}
	if d.Note != "" {
		fmt.Fprintf(w, ": %s", d.Note)
	}
	fmt.Fprintln(w)
	for _, c := range d.Changes {
		fmt.Fprintf(w, "    %s: %s → %s\n", c.Member, shown(c.Before), shown(c.After))
	}
	if d.Secret {
		fmt.Fprintln(w, "    secret: another one")
	}
}

func shown(value json.RawMessage) string {
	if value == nil {
		return "none"
	}
	return string(value)
}

// importFile sends a file and prints what the server says of it.
func (r *remote) importFile(ctx context.Context, query url.Values, in io.Reader, size int64, out io.Writer) error {
	sent := &sending{in: in, size: size, tell: r.progress, next: time.Now().Add(time.Second)}
	begin := time.Now()
	resp, err := r.call(ctx, http.MethodPost, "/import", query, sent)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Progress   *tally          `json:"progress"`
			Difference *difference     `json:"difference"`
			Result     *tally          `json:"result"`
			Error      json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(bytes.TrimSpace(lines.Bytes()), &line); err != nil {
			return fmt.Errorf("the answer cannot be read: %w", err)
		}
		switch {
		case line.Error != nil:
			r.progress.done("it failed after %v", time.Since(begin).Round(time.Millisecond))
			return errors.New(explained(line.Error))
		case line.Difference != nil:
			line.Difference.print(out)
		case line.Progress != nil:
			r.progress.say("line %d: %v (%.0f/s)", line.Progress.Line, *line.Progress, float64(line.Progress.done())/time.Since(begin).Seconds())
		case line.Result != nil:
			r.progress.done("%v in %v (%.0f/s)", *line.Result, time.Since(begin).Round(time.Millisecond),
				float64(line.Result.done())/time.Since(begin).Seconds())
			return nil
		}
	}
	return errors.Join(errors.New("the answer ends before the import does"), lines.Err())
}

// sending is a file on its way. It says how much of it has gone.
type sending struct {
	in         io.Reader
	size, gone int64
	tell       *ticker
	next       time.Time
}

// Read implements io.Reader.
func (s *sending) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.gone += int64(n)
	if now := time.Now(); s.size > 0 && now.After(s.next) {
		s.next = now.Add(time.Second)
		s.tell.say("sent %d %%", 100*s.gone/s.size)
	}
	return n, err
}
