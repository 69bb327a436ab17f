/*
 * node .ci/totals.ts REPORT: prints "PASSED FAILED" from the report of vitest's JSON reporter. A file that could not be run counts as a
 * failed test, and a test that was left out too: none may be.
 */
import { readFileSync } from 'node:fs';

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Report;
const broken = report.testResults.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0).length;
const failed = report.numTotalTests - report.numPassedTests + broken;
console.log(`${report.numPassedTests} ${failed === 0 && !report.success ? 1 : failed}`);
