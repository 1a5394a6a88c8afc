import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { waitUntil } from '../support/waitUntil.ts';
import { SHORT_TIMEOUT_MS, TOKEN, useDefender } from './defenderFixture.ts';

describe('the Defender relayer', () => {
  const defender = useDefender('real');

  describe('on a real connection', () => {
    let server: Server;
    let sockets: Set<Socket>;
    let onTransaction: (socket: Socket) => void;

    beforeEach(async () => {
      sockets = new Set();
      server = createServer((request, response) => {
        if (request.url === '/auth/login') {
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify({ accessToken: TOKEN, refreshToken: 'refresh' }));
          return;
        }
        defender.posts += 1;
        request.resume().on('end', () => onTransaction(request.socket));
      });
      server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      process.env['DEFENDER_API_URL'] =
        `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    it('closes the connection of a send that was given up', async () => {
      onTransaction = () => undefined;
      expect(
        (await defender.send(defender.createRelayer({ timeoutMs: SHORT_TIMEOUT_MS }))).kind,
      ).to.equal('ambiguous');
      // At most the idle one of the login is left.
      await waitUntil(() => sockets.size <= 1, { what: 'the connection’s end' });
      expect(defender.posts).to.equal(1);
    });

    it('has a connection of its own, that the provider cannot be hanging up from before', async () => {
      const used: Socket[] = [];
      onTransaction = (socket) => {
        used.push(socket);
        socket.write('HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n');
      };
      const relayer = defender.createRelayer();
      await defender.send(relayer);
      await defender.send(relayer);
      expect(new Set(used).size).to.equal(2);
    });

    it('is ambiguous when the provider hangs up after it has read the request, and is posted once', async () => {
      onTransaction = (socket) => socket.destroy();
      expect((await defender.send()).kind).to.equal('ambiguous');
      await sleep(50);
      expect(defender.posts).to.equal(1);
    });

    it('is refused when it is told to wait, and when nobody listens', async () => {
      onTransaction = (socket) =>
        socket.end('HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n');
      const relayer = defender.createRelayer();
      expect(await defender.send(relayer)).to.include({ kind: 'refused', retryAfterMs: 3_000 });
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      const outcome = await defender.send(relayer);
      expect(outcome.kind).to.equal('refused');
      expect(outcome).to.have.property('reason').that.contains('ECONNREFUSED');
    });
  });
});
