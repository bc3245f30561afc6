/** Fails when npm fell back to the machine's Node because install scripts were blocked: the rest needs Node 24. */
const major = Number.parseInt(process.versions.node, 10);
if (major < 24) {
  console.error(
    `postsync needs Node 24 or newer, this is ${process.version}. \`npm ci\` brings it as the package "node"; ` +
      'if install scripts are blocked, allow them: npm install-scripts approve node esbuild',
  );
  process.exitCode = 1;
}
