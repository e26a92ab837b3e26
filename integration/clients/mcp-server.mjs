// A server of the Model Context Protocol with three tools. It asks nobody for a token: it is for behind a gate, which
// says in X-User who is calling. docs/mcp.md has the gate.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'

const tools = {
  list_orders: { description: 'Lists the orders.', run: (user) => `${user} has 2 orders` },
  delete_order: { description: 'Deletes an order.', run: (user) => `${user} has deleted an order` },
  drop_orders: { description: 'Deletes all orders. Nobody may.', run: (user) => `${user} has no orders any more` },
}

async function newSession() {
  const server = new Server({ name: 'orders', version: '1.0.0' }, { capabilities: { tools: {} } })
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.entries(tools).map(([name, { description }]) => ({ name, description, inputSchema: { type: 'object' } })),
  }))
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { requestInfo }) => ({
    content: [{ type: 'text', text: tools[params.name].run(requestInfo.headers['x-user']) }],
  }))
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
  })
  transport.onclose = () => sessions.delete(transport.sessionId)
  await server.connect(transport)
  return transport
}

const sessions = new Map()

createServer(async (request, response) => {
  const id = request.headers['mcp-session-id']
  if (id && !sessions.has(id)) return response.writeHead(404).end()
  await (sessions.get(id) ?? (await newSession())).handleRequest(request, response)
}).listen(process.env.PORT ?? 3000, '127.0.0.1', function () {
  console.log(`MCP server on port ${this.address().port}`)
})
