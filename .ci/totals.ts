/*
 * node .ci/totals.ts REPORT: prints "PASSED FAILED" from the report of vitest's JSON reporter. A file that could not be run counts as a
 * failed test, and so does a skipped test, unless it is a conformance test whose title says what the provider lacks. Says on stderr which
 * tests did not pass, and why.
 */
import { readFileSync } from 'node:fs';

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly FileResult[];
}

interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly TestResult[];
}

interface TestResult {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Report;
const broken = report.testResults.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0).length;
const isExcused = ({ status, fullName }: TestResult): boolean =>
  status !== 'passed' && status !== 'failed' && / \(skipped: no [^()]+\)$/.test(fullName);
const excused = report.testResults.flatMap(({ assertionResults }) => assertionResults).filter(isExcused).length;
const failed = report.numTotalTests - report.numPassedTests - excused + broken;
console.log(`${report.numPassedTests} ${failed === 0 && !report.success ? 1 : failed}`);

for (const { name, status, message, assertionResults } of report.testResults) {
  if (status === 'failed' && assertionResults.length === 0) console.error(`FAILED ${name}: ${message}`);
  for (const test of assertionResults) {
    if (test.status !== 'passed' && !isExcused(test))
      console.error(`FAILED ${name}: ${test.fullName} (${test.status})\n${test.failureMessages.join('\n')}`);
  }
}
