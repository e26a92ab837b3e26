// Tokens that are worth nothing without a key (DPoP, RFC 9449) or a certificate (RFC 8705), with npm
// oauth4webapi. Connections with a client certificate are undici's.
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as undici from 'undici'
import { Application } from './application.mjs'
import { keep, secret, serve } from './conversation.mjs'

// key makes a DPoP key that a client proves to have.
const key = async (client = {}, alg = 'ES256', options) => oauth.DPoP(client, await oauth.generateKeyPair(alg), options)

class Possessor extends Application {
  // possession has DPoP, certificate, or both.
  constructor(kit, id, authentication, possession = {}) {
    super(kit, id, authentication)
    this.have(possession)
  }

  have({ DPoP, certificate }) {
    this.options = { DPoP, [oauth.customFetch]: (...args) => fetch(...args) }
    if (certificate) {
      const dispatcher = new undici.Agent({ connect: { ...certificate, ca: this.kit.ca } })
      this.options[oauth.customFetch] = (address, init) => undici.fetch(address, { ...init, dispatcher })
      this.client.use_mtls_endpoint_aliases = true
    } else delete this.client.use_mtls_endpoint_aliases
    const inner = this.options[oauth.customFetch]
    this.options[oauth.customFetch] = (address, init) => {
      secret('a DPoP proof', init.headers.dpop)
      return inner(address, init)
    }
    return this
  }

  // retry does what an application has to: once more, with the nonce that the refusal brought (RFC 9449 §8).
  async retry(request) {
    try {
      return await request()
    } catch (e) {
      if (!oauth.isDPoPNonceError(e)) throw e
      this.retries = (this.retries ?? 0) + 1
      return request()
    }
  }

  async push(parameters) {
    const { request_uri } = await this.retry(async () => {
      const response = await oauth.pushedAuthorizationRequest(this.as, this.client, this.authentication, parameters, this.options)
      return oauth.processPushedAuthorizationResponse(this.as, this.client, response)
    })
    return this.address(new URLSearchParams({ client_id: this.client.client_id, request_uri }))
  }

  async arrive(person, address) {
    const { url } = await person.visit(address)
    return oauth.validateAuthResponse(this.as, this.client, url, this.state)
  }

  async redeem(answer) {
    return keep(await this.retry(async () => {
      const response = await oauth.authorizationCodeGrantRequest(this.as, this.client, this.authentication, answer, this.kit.redirect_uri, this.verifier, this.options)
      return oauth.processAuthorizationCodeResponse(this.as, this.client, response, { expectedNonce: this.nonce, requireIdToken: true })
    }))
  }

  async signIn(person) {
    return this.redeem(await this.arrive(person, await this.push(await this.begin())))
  }

  async refresh(token) {
    return keep(await this.retry(async () => {
      const response = await oauth.refreshTokenGrantRequest(this.as, this.client, this.authentication, token, this.options)
      return oauth.processRefreshTokenResponse(this.as, this.client, response)
    }))
  }

  async machine() {
    return keep(await this.retry(async () => {
      const response = await oauth.clientCredentialsGrantRequest(this.as, this.client, this.authentication, new URLSearchParams({ scope: 'orders:read' }), this.options)
      return oauth.processClientCredentialsResponse(this.as, this.client, response)
    }))
  }

  async userInfo(tokens) {
    const { sub } = oauth.getValidatedIdTokenClaims(tokens)
    return verdict(() => this.retry(async () => {
      const response = await oauth.userInfoRequest(this.as, this.client, tokens.access_token, this.options)
      const info = await oauth.processUserInfoResponse(this.as, this.client, sub, response)
      return info.email
    }))
  }

  async introspect(token) {
    return oauth.processIntrospectionResponse(this.as, this.client, await oauth.introspectionRequest(this.as, this.client, this.authentication, token, this.options))
  }

  // call uses a token at the API: 200, or the status and the error of the scheme that was used.
  async call(token, at = this.kit.api) {
    return verdict(() => this.retry(async () => (await oauth.protectedResourceRequest(token, 'GET', new URL(at), undefined, undefined, this.options)).status))
  }
}

async function verdict(ask) {
  try {
    return await ask()
  } catch (e) {
    if (e.code !== oauth.WWW_AUTHENTICATE_CHALLENGE) throw e
    return `${e.status} ${e.cause.map((c) => c.parameters.error).find(Boolean)}`
  }
}

const refusedWith = (code) => (e) => assert.equal(e.error, code, `${e}`) ?? true

const thumbprint = (pem) => createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url')

const bound = (tokens) => jose.decodeJwt(tokens.access_token).cnf

// other gives another possession of the same kind to do the same, and takes it back.
async function as(app, possession, act) {
  const mine = app.options
  app.have(possession)
  try {
    return await act()
  } finally {
    app.options = mine
  }
}

async function prepare(kit) {
  const issuer = new URL(kit.issuer)
  const metadata = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
  return { ...kit, as: metadata, signing: { key: await jose.importJWK(kit.key, 'RS256'), kid: kit.key.kid } }
}

await serve(prepare, {
  async 'DPoP: what discovery says'(kit) {
    const algorithms = kit.as.dpop_signing_alg_values_supported
    assert.ok(algorithms.includes('ES256') && !algorithms.some((a) => a === 'none' || a.startsWith('HS')), `${algorithms}`)
    assert.equal(kit.as.tls_client_certificate_bound_access_tokens, true)
    for (const method of ['tls_client_auth', 'self_signed_tls_client_auth']) assert.ok(kit.as.token_endpoint_auth_methods_supported.includes(method), method)
    for (const endpoint of ['token_endpoint', 'pushed_authorization_request_endpoint', 'introspection_endpoint', 'revocation_endpoint', 'userinfo_endpoint'])
      assert.equal(new URL(kit.as.mtls_endpoint_aliases[endpoint]).port, kit.mtls_port, endpoint)
  },

  async 'DPoP: public client'(kit, person) {
    const app = new Possessor(kit, 'party-public', oauth.None(), { DPoP: await key() })
    const tokens = await app.signIn(person)
    assert.equal(tokens.token_type, 'dpop')
    assert.deepEqual(bound(tokens), { jkt: await app.options.DPoP.calculateThumbprint() })
    assert.equal(app.retries, 1, 'the authorization server gives a nonce once, and it is good for the token endpoint too')
    assert.equal(await app.call(tokens.access_token), 200)
    assert.equal(app.retries, 2, 'the gate has nonces of its own')
    assert.equal(await app.userInfo(tokens), 'alice@example.com')

    // Nobody else can use the tokens.
    const stranger = { DPoP: await key() }
    assert.equal(await as(app, stranger, () => app.call(tokens.access_token)), '401 invalid_token')
    assert.equal(await as(app, stranger, () => app.userInfo(tokens)), '401 invalid_token')
    assert.equal(await as(app, {}, () => app.call(tokens.access_token)), '401 invalid_token')
    assert.equal(await as(app, {}, () => app.userInfo(tokens)), '401 invalid_token')
    await assert.rejects(as(app, stranger, () => app.refresh(tokens.refresh_token)), refusedWith('invalid_grant'))
    await assert.rejects(as(app, {}, () => app.refresh(tokens.refresh_token)), (e) => ['invalid_grant', 'invalid_dpop_proof'].includes(e.error))

    const fresh = await app.refresh(tokens.refresh_token)
    assert.deepEqual(bound(fresh), bound(tokens))
    assert.equal(await app.call(fresh.access_token), 200)
  },

  async 'DPoP: a pushed request binds the code'(kit, person) {
    const app = new Possessor(kit, 'party-public', oauth.None(), { DPoP: await key() })
    const answer = await app.arrive(person, await app.push(await app.begin()))
    await assert.rejects(as(app, { DPoP: await key() }, () => app.redeem(answer)), refusedWith('invalid_grant'))
    // dpop_jkt that is not the proof's (RFC 9449 §10.1)
    const other = await (await key()).calculateThumbprint()
    await assert.rejects(app.begin({ dpop_jkt: other }).then((p) => app.push(p)), (e) => ['invalid_dpop_proof', 'invalid_request'].includes(e.error))
    assert.equal((await app.signIn(person)).token_type, 'dpop')
  },

  async 'DPoP: confidential client, dpop_jkt in the front channel'(kit, person) {
    const app = new Possessor(kit, 'party-basic', oauth.ClientSecretBasic(kit.secret), { DPoP: await key() })
    const dpop_jkt = await app.options.DPoP.calculateThumbprint()
    let answer = await app.arrive(person, app.address(await app.begin({ dpop_jkt })))
    await assert.rejects(as(app, { DPoP: await key() }, () => app.redeem(answer)), refusedWith('invalid_grant'))
    answer = await app.arrive(person, app.address(await app.begin({ dpop_jkt })))
    await assert.rejects(as(app, {}, () => app.redeem(answer)), (e) => ['invalid_grant', 'invalid_dpop_proof'].includes(e.error))
    answer = await app.arrive(person, app.address(await app.begin({ dpop_jkt })))
    const tokens = await app.redeem(answer)
    assert.deepEqual(bound(tokens), { jkt: dpop_jkt })
    assert.equal(await app.call(tokens.access_token), 200)
    const said = await app.introspect(tokens.access_token)
    assert.equal(said.cnf.jkt, dpop_jkt)
    assert.equal(said.token_type, 'DPoP')

    // Its refresh token is bound to the client, which may take a new key (RFC 9449 §5).
    const next = { DPoP: await key() }
    const fresh = await as(app, next, () => app.refresh(tokens.refresh_token))
    assert.deepEqual(bound(fresh), { jkt: await next.DPoP.calculateThumbprint() })
    assert.equal(await app.call(fresh.access_token), '401 invalid_token')
    assert.equal(await as(app, next, () => app.call(fresh.access_token)), 200)
  },

  async 'DPoP: private_key_jwt'(kit, person) {
    const app = new Possessor(kit, 'party-key', oauth.PrivateKeyJwt(kit.signing), { DPoP: await key() })
    const tokens = await app.signIn(person)
    assert.equal(tokens.token_type, 'dpop')
    assert.equal(await app.call(tokens.access_token), 200)
  },

  async 'DPoP: a client that has to'(kit, person) {
    const app = new Possessor(kit, 'party-dpop', oauth.ClientSecretBasic(kit.secret), {})
    await assert.rejects(app.machine(), (e) => ['invalid_dpop_proof', 'invalid_request'].includes(e.error))
    app.have({ DPoP: await key() })
    const tokens = await app.machine()
    assert.equal(tokens.token_type, 'dpop')
    assert.equal(await app.call(tokens.access_token), 200)
  },

  async 'DPoP: every algorithm'(kit) {
    for (const alg of kit.as.dpop_signing_alg_values_supported) {
      const app = new Possessor(kit, 'party-machine', oauth.ClientSecretBasic(kit.secret), { DPoP: await key({}, alg) })
      const tokens = await app.machine()
      assert.equal(await app.call(tokens.access_token), 200, alg)
    }
  },

  async 'DPoP: proofs that are not good'(kit) {
    const pair = await oauth.generateKeyPair('ES256')
    const proof = (change) => oauth.DPoP({}, pair, { [oauth.modifyAssertion]: change })
    const app = new Possessor(kit, 'party-machine', oauth.ClientSecretBasic(kit.secret), { DPoP: oauth.DPoP({}, pair) })
    const { access_token: token } = await app.machine()
    assert.equal(await app.call(token), 200)
    const jti = oauth.generateRandomState()
    for (const [name, change, want = '401 invalid_dpop_proof'] of [
      ['nothing', () => {}, 200],
      ['a jti of its own', (_, p) => { p.jti = jti }, 200],
      ['the same jti again', (_, p) => { p.jti = jti }],
      ['htm', (_, p) => { p.htm = 'POST' }],
      ['htu of another host', (_, p) => { p.htu = 'https://other.example.com/' }],
      ['htu of another path', (_, p) => { p.htu += 'x' }],
      ['htu in capitals', (_, p) => { p.htu = p.htu.replace('https://localhost', 'HTTPS://LOCALHOST') }, 200],
      ['no ath', (_, p) => { delete p.ath }],
      ['another ath', (_, p) => { p.ath = createHash('sha256').update('x').digest('base64url') }],
      ['iat long ago', (_, p) => { p.iat -= 600 }],
      ['iat soon', (_, p) => { p.iat += 600 }],
      ['typ', (h) => { h.typ = 'jwt' }],
      ['another nonce', (_, p) => { if (p.nonce) p.nonce = p.nonce.split('').reverse().join('') }, '401 use_dpop_nonce'],
      ['no nonce', (_, p) => { delete p.nonce }, '401 use_dpop_nonce'],
    ]) {
      const got = await as(app, { DPoP: proof(change) }, async () => {
        app.retries = 0
        return app.call(token)
      })
      assert.equal(got, want, name)
    }
  },

  async 'DPoP: no nonce where none is asked for'(kit) {
    const app = new Possessor(kit, 'party-machine', oauth.ClientSecretBasic(kit.secret), { DPoP: await key() })
    const { access_token: token } = await app.machine()
    app.retries = 0
    assert.equal(await app.call(token, kit.plain_api), 200)
    assert.equal(app.retries, 0)
    // A gate with DPoP takes tokens that are bound to nothing, without a proof.
    const free = new Possessor(kit, 'party-machine', oauth.ClientSecretBasic(kit.secret))
    const { access_token: unbound } = await free.machine()
    assert.equal(await free.call(unbound, kit.plain_api), 200)
    assert.match(await as(free, { DPoP: await key() }, () => free.call(unbound, kit.plain_api)), /^401 invalid_(token|dpop_proof)$/)
    // One without takes nothing that is bound, and knows no such scheme.
    assert.equal(await as(app, {}, () => app.call(token, kit.unbound_api)), '401 invalid_token')
    assert.equal(await app.call(token, kit.unbound_api), '401 undefined')
    assert.equal(await free.call(unbound, kit.unbound_api), 200)
  },

  async 'mTLS: tls_client_auth'(kit) {
    const app = new Possessor(kit, 'party-tls', oauth.TlsClientAuth(), kit.tls)
    const tokens = await app.machine()
    assert.deepEqual(bound(tokens), { 'x5t#S256': thumbprint(kit.tls.certificate.cert) })
    assert.equal(tokens.token_type, 'bearer')
    assert.equal(await app.call(tokens.access_token), 200)
    assert.equal((await app.introspect(tokens.access_token)).cnf['x5t#S256'], thumbprint(kit.tls.certificate.cert))
    for (const [name, possession] of Object.entries({ 'no certificate': {}, 'another of the authority': kit.sibling, 'of another authority': kit.impostor, 'self-signed': kit.self })) {
      assert.equal(await as(app, possession, () => app.call(tokens.access_token)), '401 invalid_token', name)
      await assert.rejects(as(app, possession, () => app.machine()), refusedWith('invalid_client'), name)
    }
    // The endpoints that ask for no certificate are not for this client.
    const elsewhere = { ...app.client, use_mtls_endpoint_aliases: false }
    await assert.rejects(oauth.clientCredentialsGrantRequest(app.as, elsewhere, app.authentication, {}, app.options).then((r) => oauth.processClientCredentialsResponse(app.as, elsewhere, r)), refusedWith('invalid_client'))
  },

  async 'mTLS: self_signed_tls_client_auth'(kit) {
    const app = new Possessor(kit, 'party-self', oauth.TlsClientAuth(), kit.self)
    const tokens = await app.machine()
    assert.deepEqual(bound(tokens), { 'x5t#S256': thumbprint(kit.self.certificate.cert) })
    assert.equal(await app.call(tokens.access_token), 200)
    for (const [name, possession] of Object.entries({ 'no certificate': {}, 'of the same name': kit.twin, 'of an authority': kit.tls })) {
      assert.equal(await as(app, possession, () => app.call(tokens.access_token)), '401 invalid_token', name)
      await assert.rejects(as(app, possession, () => app.machine()), refusedWith('invalid_client'), name)
    }
  },

  async 'mTLS: a person signs in'(kit, person) {
    const app = new Possessor(kit, 'party-tls', oauth.TlsClientAuth(), kit.tls)
    const tokens = await app.signIn(person)
    const cnf = { 'x5t#S256': thumbprint(kit.tls.certificate.cert) }
    assert.deepEqual(bound(tokens), cnf)
    assert.equal(await app.call(tokens.access_token), 200)
    assert.equal(await app.userInfo(tokens), 'alice@example.com')
    assert.equal(await as(app, {}, () => app.userInfo(tokens)), '401 invalid_token')
    assert.equal(await as(app, kit.self, () => app.userInfo(tokens)), '401 invalid_token')
    const fresh = await app.refresh(tokens.refresh_token)
    assert.deepEqual(bound(fresh), cnf)
    assert.equal(await app.call(fresh.access_token), 200)
    const response = await oauth.revocationRequest(app.as, app.client, app.authentication, fresh.access_token, app.options)
    assert.equal(await oauth.processRevocationResponse(response), undefined)
    assert.equal(await app.call(fresh.access_token), '401 invalid_token')
  },

  async 'mTLS: bound, by who authenticates otherwise'(kit) {
    const app = new Possessor(kit, 'party-bound', oauth.ClientSecretBasic(kit.secret), kit.self)
    const tokens = await app.machine()
    assert.deepEqual(bound(tokens), { 'x5t#S256': thumbprint(kit.self.certificate.cert) })
    assert.equal(await app.call(tokens.access_token), 200)
    assert.equal(await as(app, {}, () => app.call(tokens.access_token)), '401 invalid_token')
    await assert.rejects(as(app, {}, () => app.machine()), (e) => ['invalid_request', 'invalid_client', 'invalid_grant'].includes(e.error))
  },

  async 'mTLS and DPoP at once'(kit) {
    const both = { ...kit.tls, DPoP: await key() }
    const app = new Possessor(kit, 'party-tls', oauth.TlsClientAuth(), both)
    const tokens = await app.machine()
    assert.deepEqual(bound(tokens), { jkt: await both.DPoP.calculateThumbprint(), 'x5t#S256': thumbprint(kit.tls.certificate.cert) })
    assert.equal(await app.call(tokens.access_token), 200)
    assert.equal(await as(app, { DPoP: both.DPoP }, () => app.call(tokens.access_token)), '401 invalid_token', 'no certificate')
    assert.equal(await as(app, kit.tls, () => app.call(tokens.access_token)), '401 invalid_token', 'no proof')
    assert.equal(await as(app, { ...kit.self, DPoP: both.DPoP }, () => app.call(tokens.access_token)), '401 invalid_token', 'another certificate')
    assert.equal(await as(app, { ...kit.tls, DPoP: await key() }, () => app.call(tokens.access_token)), '401 invalid_token', 'another key')
  },
})
