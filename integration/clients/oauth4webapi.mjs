// Signing in with npm oauth4webapi, which leaves every step to the application.
import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import { Application } from './application.mjs'
import { keep, secret, serve } from './conversation.mjs'

class WebApplication extends Application {
  // redeem exchanges the code of an answer that has been validated.
  async redeem(answer) {
    const response = await oauth.authorizationCodeGrantRequest(this.as, this.client, this.authentication, answer, this.kit.redirect_uri, this.verifier)
    const tokens = await oauth.processAuthorizationCodeResponse(this.as, this.client, response, { expectedNonce: this.nonce, requireIdToken: true })
    await oauth.validateApplicationLevelSignature(this.as, response)
    return keep(tokens)
  }

  async signIn(person, more) {
    const { url } = await person.visit(this.address(await this.begin(more)))
    return this.redeem(oauth.validateAuthResponse(this.as, this.client, url, this.state))
  }

  async userInfo(token, sub) {
    const response = await oauth.userInfoRequest(this.as, this.client, token)
    const info = await oauth.processUserInfoResponse(this.as, this.client, sub, response)
    if (this.client.userinfo_signed_response_alg) await oauth.validateApplicationLevelSignature(this.as, response)
    return info
  }

  async refresh(token) {
    const response = await oauth.refreshTokenGrantRequest(this.as, this.client, this.authentication, token)
    const tokens = await oauth.processRefreshTokenResponse(this.as, this.client, response)
    await oauth.validateApplicationLevelSignature(this.as, response)
    return keep(tokens)
  }

  async introspect(token) {
    return oauth.processIntrospectionResponse(this.as, this.client, await oauth.introspectionRequest(this.as, this.client, this.authentication, token))
  }

  // call uses a token at the API and gives the status, and the error that the challenge names.
  async call(token) {
    try {
      return (await oauth.protectedResourceRequest(token, 'GET', new URL(this.kit.api))).status
    } catch (e) {
      assert.equal(e.code, oauth.WWW_AUTHENTICATE_CHALLENGE, `${e}`)
      return `${e.status} ${e.cause[0].parameters.error}`
    }
  }

  // use shows that tokens are good, and exchanges the refresh token.
  async use(tokens) {
    const { sub } = oauth.getValidatedIdTokenClaims(tokens)
    assert.equal((await this.userInfo(tokens.access_token, sub)).email, 'alice@example.com')
    assert.equal(await this.call(tokens.access_token), 200)
    const fresh = await this.refresh(tokens.refresh_token)
    assert.equal(oauth.getValidatedIdTokenClaims(fresh).sub, sub)
    assert.equal(await this.call(fresh.access_token), 200)
    return fresh
  }
}

const refusedWith = (code) => (e) => assert.equal(e.error, code, `${e}`) ?? true

const basic = (kit) => new WebApplication(kit, 'party-basic', oauth.ClientSecretBasic(kit.secret))

// push sends parameters to the pushed authorization request endpoint and gives the address for them.
async function push(app, parameters) {
  const response = await oauth.pushedAuthorizationRequest(app.as, app.client, app.authentication, parameters)
  const { request_uri, expires_in } = await oauth.processPushedAuthorizationResponse(app.as, app.client, response)
  assert.equal(expires_in, 60)
  return app.address(new URLSearchParams({ client_id: app.client.client_id, request_uri }))
}

async function prepare(kit) {
  const issuer = new URL(kit.issuer)
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
  return { ...kit, as, signing: { key: await jose.importJWK(kit.key, 'RS256'), kid: kit.key.kid } }
}

await serve(prepare, {
  async client_secret_basic(kit, person) {
    const app = basic(kit)
    const tokens = await app.signIn(person)
    const fresh = await app.use(tokens)
    await assert.rejects(app.refresh(tokens.refresh_token), refusedWith('invalid_grant'))
    assert.equal(await app.call(fresh.access_token), '401 invalid_token')
  },

  async 'client_secret_post and signed UserInfo'(kit, person) {
    const app = new WebApplication(kit, 'party-consent', oauth.ClientSecretPost(kit.secret), { userinfo_signed_response_alg: 'RS256' })
    await app.use(await app.signIn(person))
  },

  async client_secret_jwt(kit, person) {
    const app = new WebApplication(kit, 'party-mac', oauth.ClientSecretJwt(kit.mac_secret))
    await app.use(await app.signIn(person))
  },

  async private_key_jwt(kit, person) {
    const app = new WebApplication(kit, 'party-key', oauth.PrivateKeyJwt(kit.signing))
    await app.use(await app.signIn(person))
    const { privateKey } = await jose.generateKeyPair('RS256')
    app.authentication = oauth.PrivateKeyJwt({ key: privateKey, kid: kit.signing.kid })
    await assert.rejects(app.signIn(person), refusedWith('invalid_client'))
  },

  async 'public client'(kit, person) {
    const app = new WebApplication(kit, 'party-public', oauth.None())
    await app.use(await app.signIn(person))
    // Without a challenge it is sent back (RFC 9700 §2.1.1).
    const parameters = await app.begin()
    parameters.delete('code_challenge')
    parameters.delete('code_challenge_method')
    const { url } = await person.visit(app.address(parameters))
    assert.throws(() => oauth.validateAuthResponse(app.as, app.client, url, app.state), refusedWith('invalid_request'))
  },

  async 'answers are checked'(kit, person) {
    // The library's checks are what the other cases rest on: it refuses what another server,
    // or another request, could have answered.
    const app = basic(kit)
    const { url } = await person.visit(app.address(await app.begin()))
    assert.throws(() => oauth.validateAuthResponse(app.as, app.client, url, oauth.generateRandomState()))
    const mixedUp = new URL(url)
    mixedUp.searchParams.set('iss', 'https://other.example.com')
    assert.throws(() => oauth.validateAuthResponse(app.as, app.client, mixedUp, app.state))
    mixedUp.searchParams.delete('iss') // which discovery promises (RFC 9207 §3)
    assert.throws(() => oauth.validateAuthResponse(app.as, app.client, mixedUp, app.state))
    app.nonce = oauth.generateRandomNonce()
    await assert.rejects(app.redeem(oauth.validateAuthResponse(app.as, app.client, url, app.state)))
  },

  async 'pushed request'(kit, person) {
    const app = basic(kit)
    const address = await push(app, await app.begin())
    const { url } = await person.visit(address)
    await app.use(await app.redeem(oauth.validateAuthResponse(app.as, app.client, url, app.state)))
    assert.match(await person.refused(address), /invalid_request_uri/)
    // What is wrong is said at once.
    await assert.rejects(push(app, await app.begin({ redirect_uri: 'https://other.example.com/' })), refusedWith('invalid_request'))
  },

  async 'signed request object'(kit, person) {
    const app = new WebApplication(kit, 'party-key', oauth.PrivateKeyJwt(kit.signing))
    const request = await oauth.issueRequestObject(app.as, app.client, await app.begin(), kit.signing)
    const { url } = await person.visit(app.address(new URLSearchParams({ client_id: app.client.client_id, request })))
    await app.use(await app.redeem(oauth.validateAuthResponse(app.as, app.client, url, app.state)))
  },

  async 'signed request object, pushed'(kit, person) {
    const app = new WebApplication(kit, 'party-strict', oauth.PrivateKeyJwt(kit.signing))
    const request = await oauth.issueRequestObject(app.as, app.client, await app.begin(), kit.signing)
    const { url } = await person.visit(await push(app, new URLSearchParams({ request })))
    await app.use(await app.redeem(oauth.validateAuthResponse(app.as, app.client, url, app.state)))
    await assert.rejects(push(app, await app.begin()), refusedWith('invalid_request'))
  },

  async hybrid(kit, person) {
    const app = new WebApplication(kit, 'party-hybrid', oauth.ClientSecretBasic(kit.secret))
    const { url } = await person.visit(app.address(await app.begin({ response_type: 'code id_token' })))
    const front = await jose.decodeJwt(new URLSearchParams(url.hash.slice(1)).get('id_token'))
    const answer = await oauth.validateCodeIdTokenResponse(app.as, app.client, url, app.nonce, app.state)
    const tokens = await app.redeem(answer)
    assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, front.sub)
    await app.use(tokens)
  },

  async 'hybrid, form_post'(kit, person) {
    const app = new WebApplication(kit, 'party-hybrid', oauth.ClientSecretBasic(kit.secret))
    const { request } = await person.visit(app.address(await app.begin({ response_type: 'code id_token', response_mode: 'form_post' })))
    await app.use(await app.redeem(await oauth.validateCodeIdTokenResponse(app.as, app.client, request, app.nonce, app.state)))
  },

  async form_post(kit, person) {
    const app = basic(kit)
    const { request } = await person.visit(app.address(await app.begin({ response_mode: 'form_post' })))
    assert.equal(request.method, 'POST')
    const answer = oauth.validateAuthResponse(app.as, app.client, new URLSearchParams(await request.text()), app.state)
    await app.use(await app.redeem(answer))
  },

  async 'an API that verifies'(kit, person) {
    // The access token by the rules of RFC 9068, as another API would check it.
    const app = basic(kit)
    const tokens = await app.signIn(person)
    const request = new Request(kit.api, { headers: { authorization: `Bearer ${tokens.access_token}` } })
    const claims = await oauth.validateJwtAccessToken(app.as, request, kit.audience)
    assert.equal(claims.client_id, 'party-basic')
    assert.equal(claims.sub, oauth.getValidatedIdTokenClaims(tokens).sub)
    await assert.rejects(oauth.validateJwtAccessToken(app.as, request, 'https://billing.example.com'))
  },

  async 'introspection and revocation'(kit, person) {
    const app = basic(kit)
    const tokens = await app.signIn(person)
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      assert.equal((await app.introspect(token)).active, true)
      const response = await oauth.revocationRequest(app.as, app.client, app.authentication, token)
      assert.equal(await oauth.processRevocationResponse(response), undefined)
      assert.deepEqual(await app.introspect(token), { active: false })
    }
    assert.equal(await app.call(tokens.access_token), '401 invalid_token')
    await assert.rejects(app.refresh(tokens.refresh_token), refusedWith('invalid_grant'))
  },

  async 'sign-off and the logout token'(kit, person) {
    const app = basic(kit)
    const tokens = await app.signIn(person)
    const address = new URL(app.as.end_session_endpoint)
    const state = oauth.generateRandomState()
    address.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: kit.post_logout_redirect_uri, state })
    const { url } = await person.visit(address)
    assert.equal(`${url.origin}${url.pathname}`, kit.post_logout_redirect_uri)
    assert.equal(url.searchParams.get('state'), state)
    const { payload } = await jose.jwtVerify(await person.logoutToken(), jose.createRemoteJWKSet(new URL(app.as.jwks_uri)), { issuer: kit.issuer, audience: 'party-basic', typ: 'logout+jwt' })
    assert.equal(payload.sid, oauth.getValidatedIdTokenClaims(tokens).sid)
    assert.equal(await app.call(tokens.access_token), '401 invalid_token')
    await assert.rejects(app.refresh(tokens.refresh_token), refusedWith('invalid_grant'))
  },

  async registration(kit, person) {
    const register = async (metadata, initialAccessToken = kit.initial_access_token) =>
      oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(kit.as, metadata, { initialAccessToken }))
    const metadata = { redirect_uris: [kit.redirect_uri], response_types: ['code'], grant_types: ['authorization_code', 'refresh_token'], scope: 'openid email offline_access' }
    const { client_id, client_secret, registration_access_token } = await register(metadata)
    secret('a client secret', client_secret)
    secret('a registration access token', registration_access_token)
    const app = new WebApplication(kit, client_id, oauth.ClientSecretBasic(client_secret))
    const tokens = await app.signIn(person, { scope: 'openid email offline_access' })
    assert.equal((await app.userInfo(tokens.access_token, oauth.getValidatedIdTokenClaims(tokens).sub)).email, 'alice@example.com')
    await app.refresh(tokens.refresh_token)
    await assert.rejects(register(metadata, 'not-a-token'), (e) => e.status === 401 && e.code === oauth.WWW_AUTHENTICATE_CHALLENGE)
    await assert.rejects(register({ ...metadata, redirect_uris: ['https://app.example.com/#fragment'] }), refusedWith('invalid_redirect_uri'))
  },
})
