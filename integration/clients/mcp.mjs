// Calling tools behind the gate with npm @modelcontextprotocol/sdk, which finds out by itself where to sign in.
import assert from 'node:assert/strict'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { keep, secret, serve } from './conversation.mjs'

// Provider keeps what the library obtains, and where it wants the person to go.
class Provider {
  constructor(kit, clientMetadataUrl) {
    this.redirectUrl = kit.redirect_uri
    this.clientMetadataUrl = clientMetadataUrl
    this.clientMetadata = {
      client_name: 'A client of tools', redirect_uris: [kit.redirect_uri], grant_types: ['authorization_code'],
      response_types: ['code'], token_endpoint_auth_method: 'none',
    }
  }
  state() { return (this.sentState = crypto.randomUUID()) }
  clientInformation() { return this.client }
  saveClientInformation(client) { this.client = client }
  tokens() { return this.saved }
  saveTokens(tokens) { this.saved = keep(tokens) }
  redirectToAuthorization(address) { this.address = address }
  saveCodeVerifier(verifier) { secret('a code verifier', (this.verifier = verifier)) }
  codeVerifier() { return this.verifier }
}

// Session is a client and its provider, and the person whom it sends to sign in.
class Session {
  constructor(kit, person, clientMetadataUrl) {
    Object.assign(this, { kit, person, provider: new Provider(kit, clientMetadataUrl) })
  }

  open() {
    this.client = new Client({ name: 'test', version: '1.0.0' })
    this.transport = new StreamableHTTPClientTransport(new URL(this.kit.server), { authProvider: this.provider })
    return this.client.connect(this.transport)
  }

  // signIn has the person go where the library wants her to, and gives it the code.
  async signIn() {
    const { url } = await this.person.visit(this.provider.address)
    assert.equal(url.searchParams.get('state'), this.provider.sentState)
    await this.transport.finishAuth(url.searchParams.get('code'))
  }

  async connect() {
    await assert.rejects(this.open(), UnauthorizedError)
    await this.signIn()
    await this.open()
    return this
  }

  // asked are the scopes and the resource of the last authorization request.
  get asked() {
    const asked = this.provider.address.searchParams
    assert.equal(asked.get('code_challenge_method'), 'S256')
    return { scope: asked.get('scope'), resource: asked.get('resource') }
  }

  async call(name) {
    const { content } = await this.client.callTool({ name, arguments: {} })
    return content[0].text
  }
}

// post sends a message as it is.
function post(kit, token, message, headers = {}) {
  return fetch(kit.server, {
    method: 'POST', body: JSON.stringify(message),
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(token && { authorization: `Bearer ${token}` }), ...headers },
  })
}

const callOf = (name) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } })

async function refused(response, status, ...parts) {
  assert.equal(response.status, status, await response.text())
  const challenge = response.headers.get('www-authenticate')
  for (const part of parts) assert.ok(challenge.includes(part), `the challenge is ${challenge}, want ${part} in it`)
}

await serve((kit) => kit, {
  async 'registers, signs in and calls a tool'(kit, person) {
    const s = await new Session(kit, person).connect()
    assert.deepEqual(s.asked, { scope: 'mcp:use orders:read', resource: kit.server })
    assert.ok(!s.provider.client.client_id.startsWith('http'), `client_id is ${s.provider.client.client_id}, want one that was registered`)
    const { tools } = await s.client.listTools()
    assert.deepEqual(tools.map((t) => t.name), ['list_orders', 'delete_order', 'drop_orders'])
    assert.match(await s.call('list_orders'), /^[0-9a-f-]{36} has 2 orders$/)
    await s.transport.terminateSession()
  },

  async 'a client that is known by its metadata document asks for more when a tool takes more'(kit, person) {
    const s = await new Session(kit, person, kit.document).connect()
    assert.equal(s.provider.client.client_id, kit.document)
    assert.match(await s.call('list_orders'), /has 2 orders$/)
    await refused(await post(kit, s.provider.saved.access_token, callOf('delete_order'), { 'mcp-session-id': s.transport.sessionId }),
      403, 'error="insufficient_scope"', 'scope="mcp:use orders:write orders:read"', kit.metadata)
    await assert.rejects(s.call('delete_order'), UnauthorizedError)
    assert.deepEqual(s.asked, { scope: 'mcp:use orders:write orders:read', resource: kit.server })
    await s.signIn()
    assert.match(await s.call('delete_order'), /has deleted an order$/)
    assert.match(await s.call('list_orders'), /has 2 orders$/)
  },

  async 'a tool that nobody may call'(kit, person) {
    const s = await new Session(kit, person).connect()
    await assert.rejects(s.call('drop_orders'), UnauthorizedError)
    await s.signIn()
    await assert.rejects(s.call('drop_orders'), /403/)
  },

  async 'a batch is refused as a whole'(kit, person) {
    const s = await new Session(kit, person).connect()
    const token = s.provider.saved.access_token
    await refused(await post(kit, token, [callOf('list_orders'), callOf('delete_order')], { 'mcp-session-id': s.transport.sessionId }),
      403, 'error="insufficient_scope"', 'orders:write')
  },

  // The library registers the scopes that it asks for at first, and what registered for them is given no others.
  async 'a client that registered for less is not given more'(kit, person) {
    const s = await new Session(kit, person).connect()
    await assert.rejects(s.call('delete_order'), UnauthorizedError)
    await s.signIn()
    await assert.rejects(s.call('delete_order'), /403/)
  },

  async 'a token for another resource'(kit) {
    await refused(await post(kit, kit.foreign, callOf('list_orders')), 401, 'error="invalid_token"', kit.metadata)
  },

  async 'a session without a token'(kit, person) {
    const s = await new Session(kit, person).connect()
    await refused(await post(kit, undefined, callOf('list_orders'), { 'mcp-session-id': s.transport.sessionId }), 401, kit.metadata)
  },
})
