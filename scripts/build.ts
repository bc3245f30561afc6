import { rmSync } from 'node:fs';
import { build } from 'esbuild';

// The names of chunks change with what is in them.
rmSync('dist', { recursive: true, force: true });

/**
 * Bundles the service, so that the image needs no node_modules. What is imported when it is needed stands in files of
 * its own: the text of a module stays in memory, though only a part of it is run.
 */
await build({
  entryPoints: [{ in: 'src/main.ts', out: 'postsync' }],
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  splitting: true,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: true,
  // A few characters beyond Latin-1 make all of it two-byte text in memory, white space and comments included.
  minifyWhitespace: true,
  // Some packages are CommonJS and call require() for Node's own modules, which ESM does not have.
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  logLevel: 'info',
});
