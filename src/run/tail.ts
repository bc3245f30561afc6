import { stripVTControlCharacters } from 'node:util';

/** Bytes of what a container said that go into a message. */
const LIMIT = 1024;

/** The end of a container's output, at most 1 KiB of UTF-8 and if possible whole lines, without colours and other control characters. */
export function tail(output: string): string {
  const plain = stripVTControlCharacters(output)
    .replaceAll(/[^\P{Cc}\n\t]/gu, '')
    .trim();
  const bytes = Buffer.from(plain);
  if (bytes.length <= LIMIT) return plain;
  let start = bytes.length - LIMIT;
  const end = bytes.indexOf('\n', start - 1);
  if (end >= 0) return bytes.toString('utf8', end + 1).trimStart();
  // 10xxxxxx is inside of a character.
  while (((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.toString('utf8', start).trimStart();
}

/** The last line, where people look for what was wrong and of which alone lists show something; then all of it. */
export function lastLineFirst(text: string): string {
  const last = text.slice(text.lastIndexOf('\n') + 1);
  return last === text ? text : `${last.trimStart()}\n${text}`;
}
