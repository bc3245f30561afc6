import type { IncomingMessage, ServerResponse } from 'node:http';

/** Seconds after which a sender that was refused for the moment may try again. Flux itself waits 2 s at least. */
export const RETRY_AFTER_SECONDS = 2;

/** Answers with JSON. Express' own way hashes each body for an ETag that nobody asks for. */
export function answer(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  res.end(text);
}

/** What bodies may still be held in memory, over all requests that share it. */
export interface Room {
  bytes: number;
}

/** A body can come in single bytes: each piece costs an object besides. */
const PIECE_BYTES = 256;

/**
 * The bytes of a request as they came. What is refused is read and thrown away, so that the sender hears the answer;
 * how long that may take is the server's `requestTimeout`.
 *
 * @param room what it takes its bytes from while it is read; absent: nothing else limits it
 * @returns why there are none; rejects when the sender went away
 */
export function readBody(
  req: IncomingMessage,
  limit: number,
  room: Room = { bytes: Number.POSITIVE_INFINITY },
): Promise<Buffer | 'too large' | 'no room'> {
  return new Promise((resolve, reject) => {
    let pieces: Buffer[] = [];
    let size = 0;
    let held = 0;
    let refused: 'too large' | 'no room' | undefined;
    const letGo = () => {
      room.bytes += held;
      held = 0;
      pieces = [];
    };
    req.on('data', (piece: Buffer) => {
      const cost = piece.length + PIECE_BYTES;
      size += piece.length;
      if (size > limit) refused = 'too large';
      else if (cost > room.bytes) refused ??= 'no room';
      if (refused) return letGo();
      room.bytes -= cost;
      held += cost;
      pieces.push(piece);
    });
    req.on('end', () => {
      const body = refused ?? Buffer.concat(pieces);
      letGo();
      resolve(body);
    });
    req.on('error', (error) => {
      letGo();
      reject(error);
    });
  });
}
