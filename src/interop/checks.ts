/** The longest delay that a host timer holds (2^31 - 1 ms); above it Node fires after 1 ms. */
export const MAX_DELAY_MS = 2_147_483_647;

/** @throws TypeError if it is no number, RangeError if it is out of range or NaN; the message names the option and the value */
export function within(name: string, value: unknown, min: number, max = MAX_DELAY_MS): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  const Kind = typeof value === 'number' ? RangeError : TypeError;
  throw new Kind(`${name} must be a number from ${min} to ${max}, got ${String(value)}`);
}
