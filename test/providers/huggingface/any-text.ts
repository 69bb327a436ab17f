import fc from 'fast-check';

/** Any text, lone surrogates too. */
export const anyText = fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes));
