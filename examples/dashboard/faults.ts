import { PROVIDERS, type Provider } from './models';

/** What goes wrong at the provider. The page sets it, the server plays it. */
export interface Faults {
  /** How many of the requests fail with 500, 503 or 529, in percent. */
  readonly errorRate: number;
  /** Requests get 429 with this Retry-After, in whole seconds, for so long; then they are answered for as long. `null`: none do. */
  readonly retryAfter: number | null;
  /** Every new answer falls silent in its middle. */
  readonly stall: boolean;
  /** Every new answer is cut after so many characters; what goes on with it is not. `null`: none is. */
  readonly cutAfter: number | null;
  /** Who answers nothing but 503. */
  readonly outages: readonly Provider[];
}

export const HEALTHY: Faults = { errorRate: 0, retryAfter: null, stall: false, cutAfter: null, outages: [] };

/** What each number may be. */
export const RANGES = {
  errorRate: { min: 0, max: 100 },
  retryAfter: { min: 1, max: 30 },
  cutAfter: { min: 1, max: 600 },
} as const;

/** @throws TypeError, RangeError naming the field and its value: what comes over the wire may be anything */
export function checkFaults(value: unknown): Faults {
  if (typeof value !== 'object' || value === null) throw new TypeError('faults must be an object');
  const given = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(HEALTHY, key));
  if (unknown !== undefined) throw new TypeError(`faults.${unknown} is no fault`);
  const { stall, outages } = given;
  if (typeof stall !== 'boolean') throw new TypeError(`faults.stall must be true or false, got ${String(stall)}`);
  if (!Array.isArray(outages)) throw new TypeError('faults.outages must be a list');
  const down = PROVIDERS.filter((provider) => outages.includes(provider));
  if (down.length !== outages.length) throw new RangeError(`faults.outages must be some of ${PROVIDERS.join(', ')}`);
  return {
    errorRate: whole(given, 'errorRate'),
    retryAfter: given['retryAfter'] === null ? null : whole(given, 'retryAfter'),
    stall,
    cutAfter: given['cutAfter'] === null ? null : whole(given, 'cutAfter'),
    outages: down,
  };
}

function whole(given: Readonly<Record<string, unknown>>, name: keyof typeof RANGES): number {
  const { [name]: value } = given;
  const { min, max } = RANGES[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`faults.${name} must be a whole number from ${min} to ${max}, got ${JSON.stringify(value)}`);
}
