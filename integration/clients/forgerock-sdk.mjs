// Signing in with npm @forgerock/javascript-sdk, which applications of PingAM and Advanced Identity
// Cloud are written with: the tree's callbacks, tokens in a hidden frame, the profile, and logout.
//
// Its calls for passkeys, device profiles and self-service are for a browser's sensors and for trees
// that are not served here. What they do over the network, authenticate and callbacks, is what is tested.
import assert from 'node:assert/strict'
import { CallbackType, Config, FRAuth, FRUser, HttpClient, SessionManager, StepType, TokenManager, TokenStorage, UserManager } from '@forgerock/javascript-sdk'
import { secret, serve } from './conversation.mjs'
import { Page } from './page.mjs'

const network = globalThis.fetch // what is not the page's

// Application is a single page, opened anew in each case.
class Application {
  constructor(kit, more = {}) {
    this.kit = kit
    this.page = new Page(kit.origin)
    Config.set({ ...this.configuration(), ...more })
  }

  configuration() {
    return {
      clientId: this.kit.client, redirectUri: this.kit.origin + '/callback', scope: 'openid profile email orders:read',
      serverConfig: { baseUrl: this.kit.am + '/', timeout: 10000 }, realmPath: 'alpha', tree: 'Login', logLevel: 'warn',
    }
  }

  // signOn walks through the tree as the SDK's documentation shows.
  async signOn(name = 'alice', password = this.kit.password) {
    let step = await FRAuth.start()
    assert.equal(step.type, StepType.Step)
    step.getCallbackOfType(CallbackType.NameCallback).setName(name)
    step.getCallbackOfType(CallbackType.PasswordCallback).setPassword(password)
    step = await FRAuth.next(step)
    if (step.type === StepType.LoginSuccess) {
      secret('an SSO token', step.getSessionToken())
    }
    return step
  }

  async tokens(options) {
    const tokens = await TokenManager.getTokens(options)
    secret('an access token', tokens?.accessToken)
    secret('an ID token', tokens?.idToken)
    return tokens
  }

  // tokenInfo asks with the stored access token, by the SDK's own client.
  async tokenInfo() {
    return HttpClient.request({ url: `${this.kit.am}/oauth2/realms/root/realms/alpha/tokeninfo`, init: { method: 'GET' } })
  }

  // dead shows that an access token is refused everywhere.
  async dead(token) {
    for (const address of [`${this.kit.am}/oauth2/realms/root/realms/alpha/tokeninfo`, this.kit.api]) {
      const { status } = await network(address, { headers: { authorization: `Bearer ${token}` } })
      assert.equal(status, 401, `${new URL(address).pathname} after its end: ${status}`)
    }
  }

  // quiet: nothing went wrong that the SDK only writes to the console.
  quiet() { assert.deepEqual(this.page.complaints, []) }
}

await serve((kit) => kit, {
  async 'callbacks of a tree'(kit) {
    const app = new Application(kit)
    const done = await app.signOn()
    assert.equal(done.type, StepType.LoginSuccess, done.payload?.message)
    assert.match(done.getSessionToken(), /^[A-Za-z0-9._*-]{20,}$/)
    assert.equal(done.getRealm(), '/alpha')
    assert.equal(typeof done.getSuccessUrl(), 'string')
    const cookie = app.page.cookies.all.get(kit.cookie)
    assert.equal(cookie?.value, done.getSessionToken())
    assert.deepEqual([cookie.path, cookie.secure, cookie.httpOnly, cookie.sameSite], ['/', true, true, 'none'])
    app.quiet()
  },

  async 'a wrong password'(kit) {
    const app = new Application(kit)
    const failed = await app.signOn('alice', 'not-her-password')
    assert.equal(failed.type, StepType.LoginFailure)
    assert.equal(failed.getCode(), 401)
    assert.equal(failed.getReason(), 'Unauthorized')
    const unknown = await app.signOn('nobody', 'not-her-password')
    assert.deepEqual(unknown.payload, failed.payload)
    assert.equal(app.page.cookies.all.has(kit.cookie), false)
  },

  async 'a tree that there is not'(kit) {
    new Application(kit)
    const failed = await FRAuth.start({ tree: 'Elsewhere' })
    assert.equal(failed.type, StepType.LoginFailure)
    assert.equal(failed.getCode(), 400)
  },

  async 'a step that was taken'(kit) {
    new Application(kit)
    const step = await FRAuth.start()
    step.getCallbackOfType(CallbackType.NameCallback).setName('alice')
    step.getCallbackOfType(CallbackType.PasswordCallback).setPassword(kit.password)
    secret('an SSO token', (await FRAuth.next(step)).getSessionToken())
    assert.equal((await FRAuth.next(step)).type, StepType.LoginFailure)
  },

  async 'tokens, profile and token info'(kit) {
    const app = new Application(kit)
    await app.signOn()
    const tokens = await app.tokens()
    assert.ok(tokens.idToken)
    assert.equal((await TokenStorage.get()).accessToken, tokens.accessToken)
    const user = await UserManager.getCurrentUser()
    assert.equal(user.email, 'alice@example.com')
    const answer = await app.tokenInfo()
    assert.equal(answer.status, 200)
    const info = await answer.json()
    assert.equal(info.access_token, tokens.accessToken)
    assert.deepEqual([...info.scope].sort(), ['email', 'openid', 'orders:read', 'profile'])
    assert.deepEqual([info.realm, info.client_id, info.token_type, info.grant_type], ['/alpha', kit.client, 'Bearer', 'authorization_code'])
    assert.equal((await network(kit.api, { headers: { authorization: `Bearer ${tokens.accessToken}` } })).status, 200)
    // What is stored is good as long as it lasts; new tokens replace it, and the SDK revokes the old.
    assert.equal((await app.tokens()).accessToken, tokens.accessToken)
    const fresh = await app.tokens({ forceRenew: true })
    assert.notEqual(fresh.accessToken, tokens.accessToken)
    await app.dead(tokens.accessToken)
    assert.equal((await app.tokenInfo()).status, 200)
    app.quiet()
  },

  async 'configuration by discovery'(kit) {
    const app = new Application(kit)
    const { serverConfig, ...rest } = app.configuration()
    await Config.setAsync({ ...rest, serverConfig: { timeout: serverConfig.timeout, wellknown: `${kit.am}/oauth2/realms/root/realms/alpha/.well-known/openid-configuration` } })
    const done = await app.signOn()
    assert.equal(done.type, StepType.LoginSuccess)
    const tokens = await app.tokens()
    assert.equal((await UserManager.getCurrentUser()).email, 'alice@example.com')
    await FRUser.logout({ redirect: false })
    await app.dead(tokens.accessToken)
    app.quiet()
  },

  async 'logout of the user'(kit) {
    const app = new Application(kit)
    await app.signOn()
    const { accessToken } = await app.tokens()
    await FRUser.logout()
    app.quiet()
    assert.equal(await TokenStorage.get(), undefined)
    await app.dead(accessToken)
    await assert.rejects(app.tokens())
  },

  async 'logout of the session alone'(kit) {
    const app = new Application(kit)
    await app.signOn()
    const { accessToken } = await app.tokens()
    assert.equal((await SessionManager.logout()).status, 200)
    await app.dead(accessToken) // without having been revoked
    assert.equal(app.page.cookies.all.has(kit.cookie), false)
    app.quiet()
  },

  async 'nobody is signed on'(kit) {
    const app = new Application(kit)
    await assert.rejects(app.tokens(), /User authentication is required/)
    // An application that has its people sign on at the server's own pages is sent there.
    assert.equal(await app.tokens({ login: 'redirect' }), undefined)
    assert.equal(app.page.assigned.length, 1)
    const { pathname, searchParams } = new URL(app.page.assigned[0])
    assert.equal(pathname, '/am/oauth2/realms/root/realms/alpha/authorize')
    assert.equal(searchParams.get('code_challenge_method'), 'S256')
    app.quiet()
  },

  async 'signing on at the hosted pages'(kit, person) {
    const app = new Application({ ...kit, origin: new URL(kit.redirect_uri).origin }, { clientId: kit.redirecting, redirectUri: kit.redirect_uri })
    await app.tokens({ login: 'redirect' })
    const { url } = await person.visit(app.page.assigned[0])
    assert.equal(url.searchParams.get('iss'), `${kit.am}/oauth2/realms/root/realms/alpha`)
    const tokens = await app.tokens({ query: { code: url.searchParams.get('code'), state: url.searchParams.get('state') } })
    assert.equal((await UserManager.getCurrentUser()).email, 'alice@example.com')
    assert.equal((await network(kit.api, { headers: { authorization: `Bearer ${tokens.accessToken}` } })).status, 200)
    // The SDK knows of no session here, and ends it all the same: the ID token names it.
    await FRUser.logout()
    await app.dead(tokens.accessToken)
  },

  async 'consent is missing'(kit) {
    const app = new Application(kit, { clientId: kit.consenting })
    await app.signOn()
    await assert.rejects(app.tokens(), /The request requires consent\./)
    assert.equal(await app.tokens({ login: 'redirect' }), undefined)
    assert.equal(app.page.assigned.length, 1)
    app.quiet()
  },

  async 'a page that nobody trusts'(kit) {
    const app = new Application({ ...kit, origin: 'https://evil.example.com' })
    await assert.rejects(app.signOn(), /Failed to fetch/)
  },
})
