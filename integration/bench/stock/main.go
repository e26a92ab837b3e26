// Command stock is Caddy as its authors ship it: what the benchmark compares the
// footprint of Gatehouse's Caddy with. It is built from the same versions, with
// the same flags.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
