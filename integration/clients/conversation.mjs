// What a script has to say to the Go test that started it, and the other way round: one JSON
// object a line, on standard output and input. clients_npm_test.go is the other side.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

async function ask(message) {
  say(message)
  const { value, done } = await lines.next()
  if (done) throw new Error('the test has gone')
  return JSON.parse(value)
}

// Person is one browser, new in each case, and the one who sits there: she signs on and agrees
// wherever she is asked to.
class Person {
  // visit goes to an address and on to where that leads. What arrives at an application comes
  // back as the Request that an application would see, with the fragment still in its address.
  async visit(address) {
    const { url, method, body, page } = await ask({ visit: String(address) })
    if (page) throw new Error(`the browser is still at the authorization server: ${page}`)
    return { url: new URL(url), request: new Request(url, method === 'POST' ? { method, body, headers: { 'content-type': 'application/x-www-form-urlencoded' } } : {}) }
  }

  // refused goes to an address where it is told, on a page, that it may not go on. It gives what
  // the page says.
  async refused(address) {
    const { url, page } = await ask({ visit: String(address) })
    if (!page) throw new Error(`the browser was led on to ${new URL(url).pathname}, want an error page`)
    return page
  }

  // logoutToken waits for the logout token of an application.
  async logoutToken() {
    return (await ask({ await: 'logout_token' })).logout_token
  }
}

// secret names text that must never be found in what the server leaves behind.
export const secret = (what, text) => text && say({ secret: text, what })

export function keep(tokens) {
  secret('an access token', tokens.access_token)
  secret('a refresh token', tokens.refresh_token)
  secret('an ID token', tokens.id_token)
  return tokens
}

// serve runs the cases that it is told to, by name, until there are no more. prepare makes
// what all of them need from the test's description of the server.
export async function serve(prepare, cases) {
  let { value } = await lines.next()
  const kit = await prepare(JSON.parse(value))
  say({ cases: Object.keys(cases) })
  for (;;) {
    const { value, done } = await lines.next()
    if (done) break
    const { run } = JSON.parse(value)
    try {
      await cases[run](kit, new Person())
      say({ done: run })
    } catch (e) {
      say({ done: run, error: describe(e) })
    }
  }
  process.exit(0)
}

function describe(e) {
  const cause = e.cause === undefined ? '' : `\n  because ${e.cause instanceof Error ? describe(e.cause) : JSON.stringify(e.cause)}`
  const where = (e.stack ?? '').split('\n').find((l) => l.startsWith('    at ') && !l.includes('node_modules') && !l.includes('node:')) ?? ''
  return `${e.name}: ${e.message}${e.code ? ` (${e.code})` : ''}${where.replace(/file:.*\//, '')}${cause}`
}
