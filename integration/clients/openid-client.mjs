// Signing in with npm openid-client, as its documentation shows.
import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as client from 'openid-client'
import { keep, secret, serve } from './conversation.mjs'

const scope = 'openid profile email offline_access orders:read'

// The library as an application sets it up: every signature is verified, also where TLS would do.
class Application {
  constructor(kit, config, redirect_uri = kit.redirect_uri) {
    Object.assign(this, { kit, config, redirect_uri })
  }

  static async discover(kit, id, metadata, authentication, ...execute) {
    const config = await client.discovery(new URL(kit.issuer), id, metadata, authentication, { execute: [client.enableNonRepudiationChecks, ...execute] })
    return new Application(kit, config)
  }

  // begin makes the parameters of a request and what the answer is checked by.
  async begin(more = {}) {
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    this.checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
    return {
      redirect_uri: this.redirect_uri, scope, state: this.checks.expectedState, nonce: this.checks.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256', ...more,
    }
  }

  async redeem(currentUrl) {
    const tokens = await client.authorizationCodeGrant(this.config, currentUrl, this.checks)
    assert.equal(tokens.claims().nonce, this.checks.expectedNonce)
    return keep(tokens)
  }

  async signIn(person, more) {
    return this.redeem((await person.visit(client.buildAuthorizationUrl(this.config, await this.begin(more)))).url)
  }

  // use shows that tokens are good: at UserInfo, at an API, for a refresh, which gives others.
  async use(tokens) {
    const { sub } = tokens.claims()
    const info = await client.fetchUserInfo(this.config, tokens.access_token, sub)
    assert.equal(info.email, 'alice@example.com')
    assert.equal(await this.call(tokens.access_token), 200)
    assert.ok(tokens.refresh_token, 'a refresh token')
    const fresh = keep(await client.refreshTokenGrant(this.config, tokens.refresh_token))
    assert.notEqual(fresh.access_token, tokens.access_token)
    assert.notEqual(fresh.refresh_token, tokens.refresh_token)
    assert.equal(fresh.claims().sub, sub)
    assert.equal(await this.call(fresh.access_token), 200)
    return fresh
  }

  // call uses a token at the API and gives the status, and the error that the challenge names.
  async call(token) {
    try {
      return (await client.fetchProtectedResource(this.config, token, new URL(this.kit.api), 'GET')).status
    } catch (e) {
      assert.equal(e.code, 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', `${e}`)
      return `${e.status} ${e.cause[0].parameters.error}`
    }
  }
}

// refusedWith insists on an OAuth error code.
const refusedWith = (code) => (e) => assert.equal(e.error, code, `${e}`) ?? true

const basic = (kit) => Application.discover(kit, 'party-basic', undefined, client.ClientSecretBasic(kit.secret))

await serve(async (kit) => ({ ...kit, signing: { key: await jose.importJWK(kit.key, 'RS256'), kid: kit.key.kid } }), {
  async discovery(kit) {
    const { config } = await basic(kit)
    const server = config.serverMetadata()
    assert.equal(server.issuer, kit.issuer)
    assert.ok(server.supportsPKCE())
    for (const name of ['authorization', 'token', 'userinfo', 'end_session', 'introspection', 'revocation', 'registration', 'pushed_authorization_request']) {
      assert.ok(server[`${name}_endpoint`]?.startsWith(kit.issuer + '/'), `${name}_endpoint = ${server[`${name}_endpoint`]}`)
    }
  },

  async client_secret_basic(kit, person) {
    const app = await basic(kit)
    const tokens = await app.signIn(person)
    const fresh = await app.use(tokens)
    // The refresh token that was exchanged is worth nothing, and ends what came of it.
    await assert.rejects(client.refreshTokenGrant(app.config, tokens.refresh_token), refusedWith('invalid_grant'))
    assert.equal(await app.call(fresh.access_token), '401 invalid_token')
  },

  async 'client_secret_post and signed UserInfo'(kit, person) {
    const app = await Application.discover(kit, 'party-consent', { userinfo_signed_response_alg: 'RS256' }, client.ClientSecretPost(kit.secret))
    await app.use(await app.signIn(person))
  },

  async client_secret_jwt(kit, person) {
    const app = await Application.discover(kit, 'party-mac', undefined, client.ClientSecretJwt(kit.mac_secret))
    await app.use(await app.signIn(person))
  },

  async private_key_jwt(kit, person) {
    const app = await Application.discover(kit, 'party-key', undefined, client.PrivateKeyJwt(kit.signing))
    await app.use(await app.signIn(person))
  },

  async 'public client'(kit, person) {
    const app = await Application.discover(kit, 'party-public', { token_endpoint_auth_method: 'none' }, client.None())
    await app.use(await app.signIn(person))
  },

  async 'pushed request'(kit, person) {
    const app = await basic(kit)
    const address = await client.buildAuthorizationUrlWithPAR(app.config, await app.begin())
    assert.deepEqual([...address.searchParams.keys()].sort(), ['client_id', 'request_uri'])
    await app.use(await app.redeem((await person.visit(address)).url))
    // Good once.
    assert.match(await person.refused(address), /invalid_request_uri/)
  },

  async 'signed request object'(kit, person) {
    const app = await Application.discover(kit, 'party-key', undefined, client.PrivateKeyJwt(kit.signing))
    const address = await client.buildAuthorizationUrlWithJAR(app.config, await app.begin(), kit.signing)
    await app.use(await app.redeem((await person.visit(address)).url))
    // One that somebody else has signed leads nowhere.
    const { privateKey } = await jose.generateKeyPair('RS256')
    const forged = await client.buildAuthorizationUrlWithJAR(app.config, await app.begin(), { key: privateKey, kid: kit.signing.kid })
    assert.match(await person.refused(forged), /invalid_request_object/)
  },

  async 'signed request object, pushed'(kit, person) {
    const app = await Application.discover(kit, 'party-strict', undefined, client.PrivateKeyJwt(kit.signing))
    const { searchParams } = await client.buildAuthorizationUrlWithJAR(app.config, await app.begin(), kit.signing)
    await app.use(await app.redeem((await person.visit(await client.buildAuthorizationUrlWithPAR(app.config, searchParams))).url))
    // That client's requests come in no other way.
    await assert.rejects(client.buildAuthorizationUrlWithPAR(app.config, await app.begin()), refusedWith('invalid_request'))
    const { url } = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin()))
    await assert.rejects(app.redeem(url), refusedWith('invalid_request'))
  },

  async hybrid(kit, person) {
    const app = await Application.discover(kit, 'party-hybrid', undefined, client.ClientSecretBasic(kit.secret), client.useCodeIdTokenResponseType)
    const { url } = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin()))
    assert.equal(url.search, '')
    assert.ok(new URLSearchParams(url.hash.slice(1)).has('id_token'), 'an ID token in the fragment')
    await app.use(await app.redeem(url)) // checks the c_hash, and that both ID tokens are of one person
  },

  async 'hybrid, form_post'(kit, person) {
    const app = await Application.discover(kit, 'party-hybrid', undefined, client.ClientSecretBasic(kit.secret), client.useCodeIdTokenResponseType)
    const { request } = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin({ response_mode: 'form_post' })))
    assert.equal(request.method, 'POST')
    await app.use(await app.redeem(request))
  },

  async implicit(kit, person) {
    const app = await Application.discover(kit, 'party-hybrid', undefined, client.ClientSecretBasic(kit.secret), client.useIdTokenResponseType)
    for (const mode of ['fragment', 'form_post']) {
      const { code_challenge, code_challenge_method, ...parameters } = await app.begin({ scope: 'openid email', response_mode: mode })
      const { url, request } = await person.visit(client.buildAuthorizationUrl(app.config, parameters))
      const claims = await client.implicitAuthentication(app.config, mode === 'form_post' ? request : url, app.checks.expectedNonce, { expectedState: app.checks.expectedState })
      assert.ok(claims.sub)
      assert.equal(claims.email, 'alice@example.com') // no token to ask UserInfo with (OIDC Core §5.4)
    }
  },

  async 'form_post'(kit, person) {
    const app = await basic(kit)
    const { request } = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin({ response_mode: 'form_post' })))
    assert.equal(request.method, 'POST')
    await app.use(await app.redeem(request))
  },

  async 'max_age and prompt'(kit, person) {
    const app = await basic(kit)
    // Nobody is signed on.
    const { url } = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin({ prompt: 'none' })))
    await assert.rejects(app.redeem(url), refusedWith('login_required'))
    const first = await app.signIn(person)
    // Now somebody is, and the library checks how long ago she was.
    const silent = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin({ prompt: 'none', max_age: '300' })))
    app.checks.maxAge = 300
    const second = await app.redeem(silent.url)
    assert.equal(second.claims().sub, first.claims().sub)
    assert.equal(second.claims().auth_time, first.claims().auth_time)
  },

  async 'introspection and revocation'(kit, person) {
    const app = await basic(kit)
    const tokens = await app.signIn(person)
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      const state = await client.tokenIntrospection(app.config, token)
      assert.equal(state.active, true)
      assert.equal(state.client_id, 'party-basic')
      assert.equal(state.sub, tokens.claims().sub)
    }
    await client.tokenRevocation(app.config, tokens.access_token)
    assert.deepEqual(await client.tokenIntrospection(app.config, tokens.access_token), { active: false })
    assert.equal(await app.call(tokens.access_token), '401 invalid_token')
    await client.tokenRevocation(app.config, tokens.refresh_token, { token_type_hint: 'refresh_token' })
    assert.deepEqual(await client.tokenIntrospection(app.config, tokens.refresh_token), { active: false })
    await assert.rejects(client.refreshTokenGrant(app.config, tokens.refresh_token), refusedWith('invalid_grant'))
  },

  async 'sign-off and the logout token'(kit, person) {
    const app = await basic(kit)
    const tokens = await app.signIn(person)
    const state = client.randomState()
    const { url } = await person.visit(client.buildEndSessionUrl(app.config, { post_logout_redirect_uri: kit.post_logout_redirect_uri, id_token_hint: tokens.id_token, state }))
    assert.equal(url.origin + url.pathname, kit.post_logout_redirect_uri)
    assert.equal(url.searchParams.get('state'), state)

    const { sid, sub } = tokens.claims()
    const { payload, protectedHeader } = await jose.jwtVerify(await person.logoutToken(), jose.createRemoteJWKSet(new URL(app.config.serverMetadata().jwks_uri)), {
      issuer: kit.issuer, audience: 'party-basic', typ: 'logout+jwt', maxTokenAge: '2m', requiredClaims: ['iat', 'exp', 'jti', 'events'],
    })
    assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.ok(sid, 'the ID token says which session it is of')
    assert.equal(payload.sid, sid)
    assert.equal(payload.sub, sub)
    assert.equal('nonce' in payload, false)
    assert.equal(protectedHeader.alg, 'RS256')

    assert.equal(await app.call(tokens.access_token), '401 invalid_token')
    const again = await person.visit(client.buildAuthorizationUrl(app.config, await app.begin({ prompt: 'none' })))
    await assert.rejects(app.redeem(again.url), refusedWith('login_required'))
  },

  async registration(kit, person) {
    const metadata = { redirect_uris: [kit.redirect_uri], client_name: 'Registered by a library', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }
    await assert.rejects(client.dynamicClientRegistration(new URL(kit.issuer), metadata), (e) => e.cause !== undefined || e.status === 401)
    for (const [method, authentication] of [['client_secret_post', undefined], ['client_secret_basic', (config) => client.ClientSecretBasic(config.clientMetadata().client_secret)], ['private_key_jwt', () => client.PrivateKeyJwt(kit.signing)], ['none', () => client.None()]]) {
      const { n, e, kty, kid } = kit.key
      const keys = method === 'private_key_jwt' ? { jwks: { keys: [{ n, e, kty, kid, alg: 'RS256', use: 'sig' }] } } : {}
      const made = await client.dynamicClientRegistration(new URL(kit.issuer), { ...metadata, ...keys, token_endpoint_auth_method: method }, undefined, { initialAccessToken: kit.initial_access_token })
      const registered = made.clientMetadata()
      secret('a client secret', registered.client_secret)
      secret('a registration access token', registered.registration_access_token)
      assert.equal(registered.token_endpoint_auth_method, method)
      assert.equal(Boolean(registered.client_secret), method.startsWith('client_secret'))
      const app = new Application(kit, authentication ? new client.Configuration(made.serverMetadata(), registered.client_id, registered, authentication(made)) : made)
      const tokens = await app.signIn(person, { scope: 'openid email offline_access' })
      assert.equal((await client.fetchUserInfo(app.config, tokens.access_token, tokens.claims().sub)).email, 'alice@example.com')
      keep(await client.refreshTokenGrant(app.config, tokens.refresh_token))
    }
  },
})
