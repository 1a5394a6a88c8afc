import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * One address that leads to one server now and to another one later, as after a failover: what is
 * connected stays where it is.
 */
export interface TcpSwitch {
  readonly port: number;
  /** Connections that were opened since the switch leads where it leads now. */
  readonly opened: number;
  leadTo(port: number): void;
  close(): Promise<void>;
}

export async function createTcpSwitch(firstPort: number, host = '127.0.0.1'): Promise<TcpSwitch> {
  let target = firstPort;
  let opened = 0;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  };
  const server = createServer((near) => {
    opened++;
    const far = connect(target, '127.0.0.1');
    keep(near);
    keep(far);
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get opened() {
      return opened;
    },
    leadTo(port) {
      target = port;
      opened = 0;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
