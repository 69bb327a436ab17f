import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';

export interface Installed {
  /** The command's file, to be started with this Node: what a symbolic link or a shell adds is not measured. */
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Packs the project as it would be published and installs it in a new folder below `scratch`. */
export function installPackage(scratch: string): Installed {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) && name !== 'NODE_OPTIONS');
  const env = { ...Object.fromEntries(own), PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) };
  const [packed, folder] = [join(scratch, 'packed'), join(scratch, 'installed')];
  for (const made of [packed, folder]) mkdirSync(made, { recursive: true });
  const project = resolve(import.meta.dirname, '..');
  execFileSync('npm', ['pack', '--silent', '--pack-destination', packed], { cwd: project, env, stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(join(folder, 'package.json'), '{"private": true}');
  const tarball = join(packed, readdirSync(packed)[0]!);
  execFileSync('npm', ['install', '--silent', '--prefer-offline', tarball], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  return { command: join(folder, 'node_modules/finetune-orchestrator/bin/orchestrate.js'), env };
}
