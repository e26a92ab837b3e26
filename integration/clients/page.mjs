// A page of an application, as far as a library for browsers looks at it: storage, an address,
// hidden frames, and a fetch that keeps cookies and lets scripts read no more than CORS does
// (Fetch §3.2, §4.8). No browser is started: what differs from one is said where it matters.
const network = globalThis.fetch

const siteOf = (address) => { const { protocol, hostname } = new URL(address); return `${protocol}//${hostname}` }

// Storage is localStorage or sessionStorage.
class Storage {
  #items = new Map()
  getItem = (name) => this.#items.get(name) ?? null
  setItem = (name, value) => void this.#items.set(name, String(value))
  removeItem = (name) => void this.#items.delete(name)
}

// Cookies of one host, which is all that these tests speak to.
class Cookies {
  all = new Map()

  // keep stores what an answer sets. A cookie of SameSite=None that is not Secure is none.
  keep(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(';').map((part) => part.trim())
      const at = pair.indexOf('=')
      const cookie = { name: pair.slice(0, at), value: pair.slice(at + 1), path: '/', sameSite: 'lax' }
      for (const part of rest) {
        const [name, value = ''] = part.split('=')
        switch (name.toLowerCase()) {
          case 'path': cookie.path = value; break
          case 'samesite': cookie.sameSite = value.toLowerCase(); break
          case 'secure': cookie.secure = true; break
          case 'httponly': cookie.httpOnly = true; break
          case 'max-age': if (Number(value) <= 0) cookie.gone = true; break
          case 'expires': if (new Date(value) <= new Date()) cookie.gone = true; break
        }
      }
      if (cookie.gone || (cookie.sameSite === 'none' && !cookie.secure)) this.all.delete(cookie.name)
      else this.all.set(cookie.name, cookie)
    }
  }

  header(address, crossSite) {
    const { pathname, protocol } = new URL(address)
    const under = (path) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : path + '/')
    return [...this.all.values()]
      .filter((c) => under(c.path) && (!c.secure || protocol === 'https:') && (!crossSite || c.sameSite === 'none'))
      .map((c) => `${c.name}=${c.value}`).join('; ')
  }
}

const forbidden = ['content-length', 'cookie', 'host', 'origin'] // to scripts
const plain = (name, value) => ['accept', 'accept-language', 'content-language'].includes(name) ||
  (name === 'content-type' && /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/.test(value))
const listed = (response, name) => (response.headers.get(name) ?? '').split(',').map((part) => part.trim().toLowerCase())

// Page is one tab at an address of the application. It takes the place of whatever page there was.
export class Page {
  cookies = new Cookies()
  assigned = [] // addresses that the page sent the browser to
  complaints = [] // what it wrote to the console

  constructor(origin) {
    this.origin = origin
    const location = { href: origin + '/', origin, assign: (address) => void this.assigned.push(String(address)) }
    const note = (...words) => void this.complaints.push(words.map(String).join(' '))
    Object.assign(globalThis, {
      localStorage: new Storage(), sessionStorage: new Storage(), location, window: globalThis,
      document: { createElement: () => new Frame(this), body: { appendChild() {} } },
      fetch: (address, init) => this.fetch(address, init),
      console: { ...console, warn: note, error: note },
    })
  }

  // fetch is what scripts have. A script may not read what the server has not opened to its origin.
  async fetch(address, { method = 'GET', headers, body, credentials = 'same-origin' } = {}) {
    const sent = new Headers(headers)
    forbidden.forEach((name) => sent.delete(name))
    if (body !== undefined && !sent.has('content-type')) sent.set('content-type', 'text/plain;charset=UTF-8')
    const withCookies = credentials === 'include'
    const unusual = [...sent].filter(([name, value]) => !plain(name, value)).map(([name]) => name).sort()
    if (unusual.length || !['GET', 'HEAD', 'POST'].includes(method)) await this.#preflight(address, method, unusual, withCookies)
    for (let step = 0; step < 5; step++) {
      const all = new Headers(sent)
      all.set('origin', this.origin)
      const cookie = withCookies && this.cookies.header(address, siteOf(address) !== siteOf(this.origin))
      if (cookie) all.set('cookie', cookie)
      const response = await network(address, { method, headers: all, body, redirect: 'manual' })
      if (withCookies) this.cookies.keep(response)
      this.#check(response, withCookies, `${method} ${new URL(address).pathname}`)
      if (response.status < 300 || response.status > 399) return response
      address = new URL(response.headers.get('location'), address).href
      ;[method, body] = ['GET', undefined]
    }
    throw new TypeError('Failed to fetch: too many redirects')
  }

  async #preflight(address, method, headers, withCookies) {
    const what = `preflight of ${method} ${new URL(address).pathname}`
    const asked = { origin: this.origin, 'access-control-request-method': method }
    if (headers.length) asked['access-control-request-headers'] = headers.join(',')
    const response = await network(address, { method: 'OPTIONS', headers: asked })
    if (!response.ok) throw new TypeError(`Failed to fetch: ${what} has status ${response.status}`)
    this.#check(response, withCookies, what)
    const allowed = listed(response, 'access-control-allow-headers')
    const missing = headers.filter((name) => !allowed.includes(name) && (withCookies || name === 'authorization' || !allowed.includes('*')))
    if (missing.length) throw new TypeError(`Failed to fetch: ${what} does not allow ${missing}`)
    if (!['GET', 'HEAD', 'POST'].includes(method) && !listed(response, 'access-control-allow-methods').includes(method.toLowerCase())) throw new TypeError(`Failed to fetch: ${what} does not allow the method`)
  }

  #check(response, withCookies, what) {
    const origin = response.headers.get('access-control-allow-origin')
    if (origin !== this.origin && (withCookies || origin !== '*')) throw new TypeError(`Failed to fetch: ${what} (${response.status}) is open to ${origin}`)
    if (withCookies && response.headers.get('access-control-allow-credentials') !== 'true') throw new TypeError(`Failed to fetch: ${what} is not open with cookies`)
  }

  // frame goes to an address as a frame of the page does, and gives the address of the page's own
  // origin where that leads; null where it ends somewhere else.
  async frame(address) {
    for (let step = 0; step < 10; step++) {
      if (new URL(address).origin === this.origin) return address
      const headers = { 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate', accept: 'text/html' }
      const cookie = this.cookies.header(address, siteOf(address) !== siteOf(this.origin))
      if (cookie) headers.cookie = cookie
      const response = await network(address, { headers, redirect: 'manual' })
      this.cookies.keep(response)
      if (response.status < 300 || response.status > 399) return null
      address = new URL(response.headers.get('location'), address).href
    }
    return null
  }
}

// Frame is a hidden iframe. A page of another origin in it can be loaded, but not looked into.
class Frame {
  style = {}
  contentWindow = null
  #listeners = new Set()

  constructor(page) { this.page = page }
  addEventListener(_, listener) { this.#listeners.add(listener) }
  removeEventListener(_, listener) { this.#listeners.delete(listener) }
  remove() { this.#listeners.clear() }

  set src(address) {
    this.page.frame(address).then((href) => {
      this.contentWindow = href === null ? null : { location: { href } }
      this.#listeners.forEach((listener) => listener())
    }, (e) => this.page.complaints.push(`frame: ${e.message}`))
  }
}
