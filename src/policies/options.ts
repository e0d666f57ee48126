/** The only clock of this folder: the default of every policy's `clock`. */
export const wallClock = (): number => Date.now();

/** The longest delay that a host timer holds (2^31 - 1 ms); above it Node fires after 1 ms. */
export const MAX_DELAY_MS = 2_147_483_647;

interface NumberRules {
  /** @defaultValue 0 */
  min?: number;
  max?: number;
  integer?: boolean;
  /** Whether `Infinity` ("no limit") is legal. */
  infinity?: boolean;
}

/**
 * Checks an option that must be a number.
 *
 * @throws TypeError if it is none, RangeError if it is out of range; the message names the option and the value
 */
export function numberOption(name: string, value: unknown, rules: NumberRules = {}): number {
  const { min = 0, max = Infinity, integer = false, infinity = false } = rules;
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${describe(value)}`);
  const whole = !integer || value === Infinity || Number.isInteger(value);
  if (!(value >= min && value <= max && whole && (infinity || value < Infinity))) {
    const range =
      max < Infinity ? `from ${min} to ${max}` : `of at least ${min}${infinity ? ' (Infinity: no limit)' : ''}`;
    throw new RangeError(`${name} must be ${integer ? 'a whole number' : 'a number'} ${range}, got ${value}`);
  }
  return value;
}

/** Checks what must be an object of options (or an instance). @throws TypeError naming it and the value */
export function objectOption(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${name} takes options, got ${describe(value)}`);
}

/** Checks an option that must be a function, where it is given. @throws TypeError naming the option and the value */
export function functionOption(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${name} must be a function, got ${describe(value)}`);
  }
}

/** Checks an option that must be one of a few strings. @throws TypeError naming the option and the value */
export function choiceOption<C extends string>(name: string, value: unknown, choices: readonly C[]): C {
  if (!choices.includes(value as C)) {
    throw new TypeError(`${name} must be one of ${choices.map((c) => `'${c}'`).join(', ')}, got ${describe(value)}`);
  }
  return value as C;
}

/** A value as an error message shows it: short, and never throwing. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  return value === null || typeof value !== 'object' ? String(value) : Array.isArray(value) ? 'an array' : 'an object';
}
