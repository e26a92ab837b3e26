// Package gatehouse is what `xcaddy build --with github.com/caddy-gatehouse/gatehouse`
// imports: xcaddy takes the module's path for the plugin's package. It holds
// nothing; the Caddy modules are in caddymodule, the libraries in authserver and
// authserver/resourceserver.
package gatehouse

import _ "github.com/caddy-gatehouse/gatehouse/caddymodule" // registers the modules
