// An application that signs people in with npm oauth4webapi: what every kind of it does alike.
import * as oauth from 'oauth4webapi'

const scope = 'openid profile email offline_access orders:read'

export class Application {
  constructor(kit, id, authentication, metadata = {}) {
    Object.assign(this, { kit, as: kit.as, authentication, client: { client_id: id, ...metadata } })
  }

  async begin(more = {}) {
    this.verifier = oauth.generateRandomCodeVerifier()
    this.state = oauth.generateRandomState()
    this.nonce = oauth.generateRandomNonce()
    return new URLSearchParams({
      client_id: this.client.client_id, response_type: 'code', redirect_uri: this.kit.redirect_uri, scope, state: this.state, nonce: this.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(this.verifier), code_challenge_method: 'S256', ...more,
    })
  }

  address(parameters) {
    const address = new URL(this.as.authorization_endpoint)
    address.search = parameters
    return address
  }
}
