// Command caddy is stock Caddy with Gatehouse built in.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-gatehouse/gatehouse/caddymodule"
)

func main() {
	caddycmd.Main()
}
