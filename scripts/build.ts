import { build } from 'esbuild';

/** Bundles the service into one file, so that the image needs no node_modules. */
await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/postsync.mjs',
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
