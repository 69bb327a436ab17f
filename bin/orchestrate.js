#!/usr/bin/env node
// Starts the command line. Plain JavaScript that old versions of Node can parse: they are to be told in one line what is missing,
// not to fail at the first newer module or at TypeScript.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major > 24 || (major === 24 && minor >= 15)) {
  start().then((status) => {
    process.exitCode = status; // and not process.exit(), which cuts off what is still being written
  });
} else {
  const found = process.versions.node + ' (' + process.execPath + ')';
  const remedy = "install it from https://nodejs.org, or, in a clone of the project, run 'npm ci' and start with 'npx orchestrate'";
  console.error('orchestrate needs Node.js 24.15 or newer, found ' + found + ': ' + remedy);
  process.exitCode = 78;
}

async function start() {
  const [module, fs] = await Promise.all([import('node:module'), import('node:fs')]);
  module.enableCompileCache();
  // A clone runs its source. The package has none: it runs the bundle, so that a bundle left in a clone never shadows the source.
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const bundle = new URL('../dist/cli.js', import.meta.url);
  try {
    const { runCli } = await import(fs.existsSync(source) ? source.href : bundle.href);
    return await runCli(process.argv.slice(2));
  } catch (error) {
    if (error.code === 'EMFILE' || error.code === 'ENFILE') {
      console.error('orchestrate: the system lets this process open no more files: raise the limit, such as with `ulimit -n 1024`');
      return 71;
    }
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    console.error("orchestrate is not fully installed: run 'npm ci' in its folder (" + error.message + ')');
    return 78;
  }
}
