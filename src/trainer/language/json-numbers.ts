/** Numbers of JSON, written digit by digit so that a number is always within its bounds in the end. */

/** What a number may be. Magnitudes count units of 10^-`places`, and are null where no such number has the sign. */
export interface NumberRule {
  readonly places: number;
  /** Without bounds null; else the smallest and the largest magnitude, of numbers without and with a minus sign. */
  readonly ranges: readonly [plain: Range | null, negative: Range | null] | null;
}

type Range = readonly [low: bigint, high: bigint];

/** As many digits as a double holds exactly, so that what is written is what is read. */
const mostDigits = 15;
/** 1e99 times the largest number is still finite. */
const mostExponentDigits = 2;

/** Where bounds have to be held, no more digits than these are written behind the point. */
const boundedPlaces = 9;

export interface NumberBounds {
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly exclusiveMaximum?: number | undefined;
}

export function buildNumberRule(isInteger: boolean, bounds: NumberBounds): NumberRule {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = bounds;
  const isBounded = [minimum, maximum, exclusiveMinimum, exclusiveMaximum].some(Number.isFinite);
  if (!isBounded) return { places: isInteger ? 0 : mostDigits, ranges: null };
  const places = isInteger ? 0 : boundedPlaces;
  const most = 10n ** BigInt(mostDigits + places) - 1n;
  const isAllowed = (value: number): boolean =>
    value >= minimum && value <= maximum && value > exclusiveMinimum && value < exclusiveMaximum;
  const low = findFirst(Math.max(minimum, exclusiveMinimum), { places, most, isAllowed });
  const high = -findFirst(-Math.min(maximum, exclusiveMaximum), { places, most, isAllowed: (value) => isAllowed(-value) });
  const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  const toRange = (from: bigint, to: bigint): Range | null => (from <= to ? [from, to] : null);
  return { places, ranges: low > high ? [null, null] : [toRange(larger(low, 0n), high), toRange(larger(-high, 1n), -low)] };
}

/** The smallest number of units, from a bound on, that is read as an allowed number: the decimals of a bound may be no double. */
function findFirst(
  bound: number,
  { places, most, isAllowed }: { readonly places: number; readonly most: bigint; readonly isAllowed: (value: number) => boolean },
): bigint {
  if (bound <= -(10 ** mostDigits)) return -most;
  if (bound >= 10 ** mostDigits) return most + 1n;
  const whole = Math.floor(bound);
  const units = BigInt(whole) * 10n ** BigInt(places) + BigInt(Math.floor((bound - whole) * 10 ** places));
  const near = [-1n, 0n, 1n, 2n].map((step) => units + step).find((value) => isAllowed(Number(`${value}e-${places}`)));
  return near ?? units + 2n;
}

/** How far a number is written. */
export interface NumberState {
  readonly part: 'sign' | 'zero' | 'whole' | 'point' | 'fraction' | 'e' | 'exponent-sign' | 'exponent';
  readonly isNegative: boolean;
  /** Digits of this part. */
  readonly count: number;
  /** All digits so far as one number; 0 without bounds, where they do not matter. */
  readonly digits: bigint;
}

const before: NumberState = { part: 'sign', isNegative: false, count: 0, digits: 0n };

/** The state after the first character of a number; null where no number begins so. */
export function beginNumber(rule: NumberRule, byte: number): NumberState | null {
  const state = byte === 0x2d ? { ...before, isNegative: true } : writeDigit(rule, before, byte);
  return state === null || countMissing(rule, state) === Infinity ? null : state;
}

/** The state after one more character; null where it does not belong to the number. */
export function continueNumber(rule: NumberRule, state: NumberState, byte: number): NumberState | null {
  const next = isDigit(byte) ? writeDigit(rule, state, byte) : writeMark(rule, state, byte);
  return next === null || countMissing(rule, next) === Infinity ? null : next;
}

export function mayEndNumber(rule: NumberRule, state: NumberState): boolean {
  return countMissing(rule, state) === 0;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function writeDigit({ places, ranges }: NumberRule, state: NumberState, byte: number): NumberState | null {
  if (!isDigit(byte)) return null;
  const { part, count } = state;
  const digits = ranges === null ? 0n : state.digits * 10n + BigInt(byte - 0x30);
  const isRoom = count < (part === 'whole' ? mostDigits : part === 'fraction' ? places : mostExponentDigits);
  switch (part) {
    case 'sign':
      return { ...state, part: byte === 0x30 ? 'zero' : 'whole', count: 1, digits };
    case 'zero':
      return null;
    case 'point':
      return { ...state, part: 'fraction', count: 1, digits };
    case 'e':
    case 'exponent-sign':
      return { ...state, part: 'exponent', count: 1 };
    case 'whole':
    case 'fraction':
      return isRoom ? { ...state, count: count + 1, digits } : null;
    case 'exponent':
      return isRoom ? { ...state, count: count + 1 } : null;
  }
}

function writeMark({ places, ranges }: NumberRule, state: NumberState, byte: number): NumberState | null {
  const { part } = state;
  const isWhole = part === 'zero' || part === 'whole';
  if (byte === 0x2e && isWhole && places > 0) return { ...state, part: 'point', count: 0 };
  const mayScale = ranges === null && places > 0;
  if ((byte === 0x65 || byte === 0x45) && mayScale && (isWhole || part === 'fraction')) return { ...state, part: 'e', count: 0 };
  return (byte === 0x2b || byte === 0x2d) && part === 'e' ? { ...state, part: 'exponent-sign' } : null;
}

/** The fewest characters after which the number may end; infinite where it can no longer get into its bounds. */
export function countMissing(rule: NumberRule, state: NumberState): number {
  const { part, isNegative } = state;
  if (isNegative && part === 'zero' && rule.places === 0) return Infinity; // nobody means -0
  if (rule.ranges === null) return part === 'sign' || part === 'point' || part === 'e' || part === 'exponent-sign' ? 1 : 0;
  const range = rule.ranges[isNegative ? 1 : 0];
  if (range === null) return Infinity;
  if (part === 'sign') {
    const digits = [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39];
    return Math.min(...digits.map((byte) => 1 + countMissing(rule, writeDigit(rule, state, byte)!)));
  }
  if (part === 'point' || part === 'fraction') {
    const missing = countPlaces(state.digits, rule.places - state.count, range);
    return part === 'point' ? Math.max(1, missing) : missing;
  }
  let fewest = Infinity;
  for (let more = 0; more <= (part === 'zero' ? 0 : mostDigits - state.count); more++) {
    const scale = 10n ** BigInt(more);
    const low = state.digits * scale;
    const unit = 10n ** BigInt(rule.places);
    const first = ceilDivide(range[0], unit) > low ? ceilDivide(range[0], unit) : low;
    if (first < low + scale && first * unit <= range[1]) return Math.min(fewest, more); // a whole number
    // Else a fraction behind the largest whole number that is not above the range.
    const whole = range[0] / unit;
    if (rule.places > 0 && whole >= low && whole < low + scale) {
      fewest = Math.min(fewest, more + 1 + Math.max(1, countPlaces(whole, rule.places, range)));
    }
  }
  return fewest;
}

/** How many of the `left` places behind the digits have to be written so that the number is within the range. */
function countPlaces(digits: bigint, left: number, [low, high]: Range): number {
  const scale = 10n ** BigInt(left);
  const from = digits * scale > low ? digits * scale : low;
  const to = digits * scale + scale - 1n < high ? digits * scale + scale - 1n : high;
  for (let places = 0; places <= left; places++) {
    const step = 10n ** BigInt(left - places);
    if (ceilDivide(from, step) * step <= to) return places;
  }
  return Infinity;
}

function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
