// A receiver of webhooks in a process of its own, so that a test can stop it; with the shortest
// queue of connections that there is. Its arguments: the host (default: all) and the port (default:
// any).
import { createServer } from 'node:http';

const [host = '0.0.0.0', port = '0'] = process.argv.slice(2);
const server = createServer((_request, response) => response.end());
server.listen({ port: Number(port), host, backlog: 1 }, () => process.send(server.address().port));
