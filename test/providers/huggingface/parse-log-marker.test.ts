import { expect, test } from 'vitest';
import { parseLogMarker } from '../../../providers/huggingface/parse-log-marker.ts';

test('the beginning and the end of a job', () => {
  expect(parseLogMarker('===== Job started at 2026-11-23 00:22:06 =====')).toEqual({ type: 'started' });
  expect(parseLogMarker('===== Job finished: status=COMPLETED =====')).toEqual({ type: 'finished', stage: 'COMPLETED' });
});

test.each(['', '=====', 'a ===== Job finished: status=ERROR', '===== Job finished =====', '===== Job startedly'])(
  '"%s" is none',
  (text) => {
    expect(parseLogMarker(text)).toBeNull();
  },
);
