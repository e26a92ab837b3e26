package integration_test

import "strings"

// Identities of the standard configuration.
const (
	mainEnv  = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	otherEnv = "8d2e6b14-93a7-4f0c-b5d1-7c4a9e3f2b68"

	orders  = "https://orders.example.com"
	billing = "https://billing.example.com"

	sealingKey = "mJ1uUyqG0oXb5x0m0bR2cS7h3kqVt9yF4nLwZa8dEiA="
)

// secrets are the clients' secrets, by the environment variable that carries
// them into the configuration: the admin endpoint then shows only the name.
func secrets() map[string]string {
	return map[string]string{
		"BASIC_SECRET":    "basic-secret-7Vh2kQ9s",
		"PREVIOUS_SECRET": "previous-secret-1c9Xw3",
		"POST_SECRET":     "post-secret-w3Xn8LdR",
		"HMAC_SECRET":     "hmac-secret-5bJtYq2mZs8fKc4vWx9pLd7h-0123456789-0123456789-01234567",
		"READER_SECRET":   "reader-secret-Pz61mGyU",
		"BILLER_SECRET":   "biller-secret-c8Qe4HvT",
		"OTHER_SECRET":    "other-secret-Jr90xWbN",
		"ADMIN_SECRET":    "admin-secret-6MdKf1sA",
		"ORDERS_SECRET":   "orders-secret-Yt47nLpE",
		"BILLING_SECRET":  "billing-secret-0aGh5VcS",
	}
}

// caddyfileText is the Caddyfile of c with its $NAMEs still in it.
func caddyfileText(c config) string {
	text := globalOptions
	if c.bare {
		text = strings.Replace(text, "$GATEHOUSE", "", 1)
	} else {
		text = strings.Replace(text, "$GATEHOUSE", gatehouseOption, 1) + standardSites
	}
	text = strings.ReplaceAll(text, "$MORE_GLOBAL", c.global)
	text = strings.ReplaceAll(text, "$MORE_ENV", c.env)
	text = strings.ReplaceAll(text, "$MORE_OTHER", c.other)
	level := "debug"
	if c.info {
		level = ""
	}
	return strings.Replace(text, "$LEVEL", level, 1) + c.sites
}

const globalOptions = `{
	admin 127.0.0.1:$ADMIN
	default_bind 127.0.0.1
	auto_https off
	persist_config off
	grace_period 5s
	metrics
	$LEVEL
	log {
		output stderr
		format json
	}
$GATEHOUSE
}
`

const gatehouseOption = `
	gatehouse {
		$STORAGE
		secrets_key {env.SEALING_KEY}
		$MORE_GLOBAL
		environment main ` + mainEnv + ` {
			issuer $ISSUER
			user alice {
				password alice-demo-pass
				claim email alice@example.com
			}
			resource orders {
				audience ` + orders + `
				scope orders:read orders:write
				secret {env.ORDERS_SECRET}
			}
			resource billing {
				audience ` + billing + `
				scope billing:read
				access_token_ttl 5m
				secret {env.BILLING_SECRET}
				introspection_auth client_secret_post
			}
			application worker {
				type worker
				secret {env.BASIC_SECRET}
				previous_secret {env.PREVIOUS_SECRET} 2040-01-01T00:00:00Z
				allow orders:read orders:write
			}
			application poster {
				type worker
				secret {env.POST_SECRET}
				auth_method client_secret_post
				allow orders:read
			}
			application macer {
				type worker
				secret {env.HMAC_SECRET}
				auth_method client_secret_jwt
				allow orders:read
			}
			application signer {
				type worker
				auth_method private_key_jwt
				jwks_file $DIR/signer.jwks.key
				allow orders:read
			}
			application reader {
				type service
				secret {env.READER_SECRET}
				allow orders:read
			}
			application biller {
				type worker
				secret {env.BILLER_SECRET}
				allow billing:read
			}
			application mixed {
				type worker
				secret {env.BILLER_SECRET}
				allow orders:read billing:read
			}
			application both {
				type worker
				secret {env.BILLER_SECRET}
				allow orders:read billing:read
				multiple_resources
			}
			application admin {
				type worker
				secret {env.ADMIN_SECRET}
				role "Environment Admin"
			}
			application gone {
				type worker
				secret {env.BASIC_SECRET}
				allow orders:read
				disabled
			}
			$MORE_ENV
		}
		environment other ` + otherEnv + ` {
			issuer $OTHER_ISSUER
			$MORE_OTHER
			application signer {
				type worker
				auth_method private_key_jwt
				jwks_file $DIR/signer.jwks.key
				allow orders:read
			}
			resource orders {
				audience ` + orders + `
				scope orders:read orders:write
				secret {env.ORDERS_SECRET}
			}
			application worker {
				type worker
				secret {env.OTHER_SECRET}
				allow orders:read orders:write
			}
		}
	}
`

// The authorization server, and its tokens at three gates: verified in process,
// introspected over HTTP, and verified by keys that are fetched over HTTP.
const standardSites = `
http://:$AS {
	log
	authorization_server
}

http://:$GATE {
	log
	bearer_auth /admin* {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:write
	}
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:read
		realm orders
		forward_claim sub X-User-Id
		forward_claim client_id X-Client-Id
	}
	reverse_proxy $UPSTREAM
}

http://:$ASKED {
	log
	bearer_auth {
		issuer $ISSUER {
			verify introspect
			introspection {
				basic orders {env.ORDERS_SECRET}
				ttl 1s
			}
			insecure_loopback_http
		}
		audience ` + orders + `
		scope orders:read
		forward_claim client_id X-Client-Id
	}
	reverse_proxy $UPSTREAM
}

http://:$KEYS {
	log
	bearer_auth {
		issuer $ISSUER {
			verify jwt
			insecure_loopback_http
		}
		audience ` + orders + `
		scope orders:read
		forward_claim client_id X-Client-Id
	}
	reverse_proxy $UPSTREAM
}
`
