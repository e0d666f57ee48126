import { MAX_DELAY_MS, numberOption, objectOption } from '../../src/policies/options';
import type { Limits } from './Watchdog';

/** Deadlines of a stream, each in ms; above 2^31 - 1 (25 days) there is none. */
export interface TimeoutConfig {
  /** From the subscription to the first content. @defaultValue Infinity (none) */
  firstMs?: number;
  /** Between two contents, from the first on; noticed within 1.25 times of it. @defaultValue Infinity (none) */
  idleMs?: number;
  /** The whole stream. @defaultValue Infinity (none) */
  totalMs?: number;
}

/** @throws TypeError, RangeError naming the option */
export function resolveLimits(config: TimeoutConfig): Required<TimeoutConfig> & { limits: Limits | undefined } {
  objectOption('timeout', config);
  const limit = (name: keyof TimeoutConfig): number => {
    const { [name]: given = Infinity } = config;
    const ms = numberOption(name, given, { min: 1, infinity: true });
    return ms > MAX_DELAY_MS ? Infinity : ms; // a host timer would fire at once
  };
  const [firstMs, idleMs, totalMs] = [limit('firstMs'), limit('idleMs'), limit('totalMs')];
  return { firstMs, idleMs, totalMs, limits: Math.min(firstMs, idleMs) < Infinity ? { firstMs, idleMs } : undefined };
}
