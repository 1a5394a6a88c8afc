// A receiver of webhooks in a process of its own, so that a test can stop it; with the shortest queue of connections that there is.
import { createServer } from 'node:http';

const server = createServer((_request, response) => response.end());
server.listen({ port: 0, host: '0.0.0.0', backlog: 1 }, () => process.send(server.address().port));
