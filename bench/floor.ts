import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { createPool, type ResultSetHeader } from 'mysql2/promise';

/**
 * The floors that the API is measured beside: a bare node:http server that does the one thing that
 * cannot be avoided.
 *   POST /  one durable insert of a row as wide as a payment's
 *   GET  /  one Redis GET of an answer as long as a status
 * Run as a process of its own, as the API is.
 */
const { DATABASE_URL = '', REDIS_URL = '', FLOOR_POOL = '16' } = process.env;
const pool = createPool({ uri: DATABASE_URL, connectionLimit: Number(FLOOR_POOL) });
const redis = new Redis(REDIS_URL);
const KEY = 'bench:floor';
const INSERT = 'INSERT INTO bench_floor (body) VALUES (?)';
/** Of a row of `payments`. */
const ROW_BYTES = 620;

await pool.query(
  'CREATE TABLE IF NOT EXISTS bench_floor (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, body VARCHAR(1000) NOT NULL) ENGINE=InnoDB',
);
await redis.set(
  KEY,
  JSON.stringify({ paymentId: `0x${'ab'.repeat(32)}`, status: 'pending', confirmations: 0 }),
);

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      pool
        .execute<ResultSetHeader>(INSERT, [Buffer.concat(chunks).toString().padEnd(ROW_BYTES)])
        .then(
          ([{ insertId }]) => send(201, JSON.stringify({ id: insertId })),
          () => send(500, '{}'),
        );
    });
  } else {
    redis.get(KEY).then(
      (text) => send(200, text ?? '{}'),
      () => send(500, '{}'),
    );
  }
  function send(status: number, body: string): void {
    response
      .writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      })
      .end(body);
  }
});

server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
process.on('SIGTERM', () => process.exit(0));
