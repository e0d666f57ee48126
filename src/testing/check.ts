/** The longest delay that a host timer holds (2^31 - 1 ms). */
const MAX_MS = 2_147_483_647;

/** @throws RangeError naming the option and the value, if it is no whole number from `min` to `max` */
export function whole(name: string, value: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, got ${String(value)}`);
  }
}

/** @throws RangeError naming the option and the value, if it is no number from `min` to `max` */
export function within(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new RangeError(`${name} must be a number from ${min} to ${max}, got ${String(value)}`);
  }
}

/** @throws TypeError naming the option and the value, if it is none of `words` */
export function oneOf(name: string, value: unknown, words: readonly string[]): void {
  if (!words.includes(value as string)) {
    throw new TypeError(`${name} must be one of ${words.join(', ')}, got ${String(value)}`);
  }
}

/** A wait in ms that a timer can hold. @throws RangeError naming the option and the value */
export const delay = (name: string, value: unknown): void => within(name, value, 0, MAX_MS);
