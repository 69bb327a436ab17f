/* node .ci/in-readme.ts FILE: whether the README shows just what was printed into FILE. Exit 0 where it does, 1 where not. */
import { readFileSync } from 'node:fs';

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('expected one argument: the file with what was printed');
const printed = readFileSync(path, 'utf8').trim();
const isShown = printed !== '' && readFileSync('README.md', 'utf8').includes(printed);
console.log(isShown ? 'the README shows what was printed' : `the README does not show:\n${printed}`);
process.exitCode = isShown ? 0 : 1;
