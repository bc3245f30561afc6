import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PostsyncError } from '../errors.ts';

/** A sender that dawdles holds a connection no longer than this. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CHECK_INTERVAL_MS = 5_000;
/** Longer than notification-controller lets pass between two tries, so that it finds its connection open. */
const KEEP_ALIVE_MS = 60_000;
const MAX_CONNECTIONS = 1024;

/**
 * An HTTP server with a limit for everything that a sender could draw out.
 *
 * @returns the server, and the port: a free one where 0 was asked for
 * @throws {PostsyncError} `CONFIG_INVALID`: the port cannot be had
 */
export async function listen(
  app: RequestListener,
  port: number,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAlive: true,
    },
    app,
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const message = `cannot listen on port ${port}: ${(cause as Error).message}; set another POSTSYNC_PORT`;
    throw new PostsyncError('CONFIG_INVALID', message, { cause });
  }
  return { server, port: (server.address() as AddressInfo).port };
}
