import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { expect } from 'chai';
import { createServer } from 'mysql2';

import {
  startDatabase,
  type Database as DatabaseServer,
} from '../../dev/database/startDatabase.ts';
import { migrate } from '../../db/migrate.ts';
import { createDatabase, execute, selectRows } from '../../platform/db.ts';
import { createLogger } from '../../platform/logger.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type CertificateFiles,
} from '../support/createCertificateAuthority.ts';
import { createTcpSwitch } from '../support/tcpSwitch.ts';

const HAS_IPV6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

/** Whatever an operator may have to put into a password or a name. */
const PASSWORD = "p:ss/w?rd#1 @%&'ä";
const DATABASE = 'msq pay%2';

const log = createLogger({ log: { level: 'silent', pretty: false } }, 'test');

describe('a database that is reached by TLS', function () {
  this.timeout(120_000);

  let folder: string;
  let server: DatabaseServer;
  let authority: CertificateAuthority;
  let other: CertificateAuthority;
  let client: CertificateFiles;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-database-tls-'));
    authority = createCertificateAuthority(join(folder, 'tls'), 'own');
    other = createCertificateAuthority(join(folder, 'tls'), 'other');
    client = authority.issue('client');
    const tls = {
      ca: authority.ca,
      ...authority.issue('server', ['db.internal', '127.0.0.1', '::1']),
    };
    server = await startDatabase({
      dataDir: join(folder, 'database'),
      logPath: join(folder, 'database.log'),
      tls,
      isDisposable: true,
    });
    const admin = createDatabase(`${server.url}/mysql`, 1);
    await admin.raw('CREATE DATABASE ??', [DATABASE]);
    for (const [user, require] of [
      ['plain@x', 'NONE'],
      ['needs_tls', 'SSL'],
      ['needs_x509', 'X509'],
    ] as const) {
      await admin.raw(`CREATE USER ?@'%' IDENTIFIED BY ? REQUIRE ${require}`, [user, PASSWORD]);
      await admin.raw(`GRANT ALL ON *.* TO ?@'%'`, [user]);
    }
    await admin.destroy();
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function urlOf(
    user: string,
    parameters: Readonly<Record<string, string>>,
    host = '127.0.0.1',
    port = server.port,
  ): string {
    const search = Object.entries(parameters).map(
      ([name, value]) => `${name}=${encodeURIComponent(value)}`,
    );
    const login = `${encodeURIComponent(user)}:${encodeURIComponent(PASSWORD)}`;
    return `mysql://${login}@${host}:${port}/${encodeURIComponent(DATABASE)}${search.length === 0 ? '' : `?${search.join('&')}`}`;
  }

  /** @returns the cipher of a connection, empty when it has none */
  async function connect(url: string): Promise<string> {
    const db = createDatabase(url, 1, log);
    try {
      const [chosen] = await selectRows<{ name: string }>(db, 'SELECT DATABASE() AS name');
      expect(chosen?.name).to.equal(DATABASE);
      const [row] = await selectRows<{ Value: string }>(
        db,
        "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
      );
      return row?.Value ?? '';
    } finally {
      await db.destroy();
    }
  }

  async function refusal(url: string): Promise<string> {
    const error: unknown = await connect(url).catch((reason: unknown) => reason);
    if (!(error instanceof Error))
      throw new Error(`the connection was made, with the cipher "${String(error)}"`);
    expect(error.message).not.to.contain(PASSWORD).and.not.to.contain(encodeURIComponent(PASSWORD));
    return `${'code' in error ? String(error.code) : ''} ${error.message}`;
  }

  it('takes accounts that require TLS, and those that require a certificate', async () => {
    expect(await refusal(urlOf('needs_tls', {}))).to.contain('ER_ACCESS_DENIED_ERROR');
    expect(await connect(urlOf('needs_tls', { 'ssl-ca': authority.ca }))).not.to.equal('');
    expect(await refusal(urlOf('needs_x509', { 'ssl-ca': authority.ca }))).to.contain(
      'ER_ACCESS_DENIED_ERROR',
    );
    expect(
      await connect(
        urlOf('needs_x509', {
          'ssl-ca': authority.ca,
          'ssl-cert': client.cert,
          'ssl-key': client.key,
        }),
      ),
    ).not.to.equal('');
  });

  it('is without TLS unless that is asked for', async () => {
    for (const parameters of [{}, { 'ssl-mode': 'DISABLED' }] as const)
      expect(await connect(urlOf('plain@x', parameters))).to.equal('');
  });

  it('is verified as the mode says: the authority, the name, the address', async () => {
    const mode = (name: string, more: Readonly<Record<string, string>> = {}, host?: string) =>
      urlOf('needs_tls', { 'ssl-mode': name, ...more }, host);
    const [ca, wrongCa] = [{ 'ssl-ca': authority.ca }, { 'ssl-ca': other.ca }];

    expect(await connect(mode('required'))).not.to.equal('');
    for (const name of ['VERIFY_CA', 'VERIFY_IDENTITY']) {
      expect(await refusal(mode(name, wrongCa)), name).to.contain('HANDSHAKE_SSL_ERROR');
      expect(await refusal(mode(name)), `${name} by the authorities that Node knows`).to.contain(
        'HANDSHAKE_SSL_ERROR',
      );
      expect(await connect(mode(name, ca)), name).not.to.equal('');
    }
    // The certificate is for db.internal and the addresses, not for localhost.
    expect(await connect(mode('VERIFY_CA', ca, 'localhost'))).not.to.equal('');
    expect(await refusal(mode('VERIFY_IDENTITY', ca, 'localhost'))).to.contain(
      'HANDSHAKE_SSL_ERROR',
    );
    expect(
      await connect(
        mode('VERIFY_IDENTITY', { ...ca, 'ssl-server-name': 'db.internal' }, 'localhost'),
      ),
    ).not.to.equal('');
    for (const name of ['db2.internal', '127.0.0.2']) {
      expect(
        await refusal(mode('VERIFY_IDENTITY', { ...ca, 'ssl-server-name': name })),
        name,
      ).to.contain('HANDSHAKE_SSL_ERROR');
    }
  });

  if (HAS_IPV6) {
    it('is reached by its IPv6 address, with TLS and without', async () => {
      const address = await createTcpSwitch(server.port, '::1');
      try {
        expect(await connect(urlOf('plain@x', {}, '[::1]', address.port))).to.equal('');
        expect(
          await connect(urlOf('needs_tls', { 'ssl-ca': authority.ca }, '[::1]', address.port)),
        ).not.to.equal('');
      } finally {
        await address.close();
      }
    });
  }

  it('is migrated and written to by an account that needs a certificate', async () => {
    const db = createDatabase(
      urlOf('needs_x509', {
        'ssl-ca': authority.ca,
        'ssl-cert': client.cert,
        'ssl-key': client.key,
      }),
      4,
    );
    try {
      await migrate(db);
      await execute(db, 'INSERT INTO readiness_writes (id, written_at) VALUES (1, NOW(3))');
    } finally {
      await db.destroy();
    }
  });

  it('is not spoken to without TLS when it offers none: nobody in between sees a login', async () => {
    const CLIENT_SSL = 0x800;
    const received: string[] = [];
    const listener = createServer((connection) => {
      connection.on('error', () => undefined);
      const { stream } = connection as unknown as { stream: Socket };
      stream.on('data', (data: Buffer) => received.push(data.toString('latin1')));
      connection.serverHandshake({
        protocolVersion: 10,
        serverVersion: '8.4.0',
        connectionId: 1,
        statusFlags: 2,
        characterSet: 45,
        capabilityFlags: 0xffffff & ~CLIENT_SSL,
      });
    });
    listener.listen(0);
    const net = (listener as unknown as { _server: Server })._server;
    await once(net, 'listening');
    try {
      const { port } = net.address() as AddressInfo;
      expect(
        await refusal(urlOf('needs_tls', { 'ssl-mode': 'REQUIRED' }, '127.0.0.1', port)),
      ).to.contain('HANDSHAKE_NO_SSL_SUPPORT');
      expect(received.join('')).not.to.contain('needs_tls');
    } finally {
      net.close();
    }
  });
});
