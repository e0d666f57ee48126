import { ConcurrencyLimitError } from '../errors/rejections';
import { describe, numberOption } from './options';
import { Queueable, type Cost, type Waiter } from './waiting';

/** Options of {@link Backpressure}. */
export interface BackpressureConfig {
  /** How many streams may run at once; `Infinity`: no limit. @defaultValue 10 */
  maxInflight?: number;
  /** How many streams may wait for a slot; one more is refused with a ConcurrencyLimitError. @defaultValue Infinity */
  maxQueue?: number;
  /** How long a stream may wait for a slot, in ms; then it is refused with a ConcurrencyLimitError. @defaultValue Infinity */
  maxWaitMs?: number;
}

/** The concurrency part of a signals snapshot. */
export interface InflightSnapshot {
  readonly max: number;
  readonly inUse: number;
  readonly available: number;
  readonly queued: number;
  /** `inUse / max`, 0..1 */
  readonly utilization: number;
}

/** One stream's slot; giving it back twice does nothing. */
export interface Slot {
  release(): void;
}

/**
 * A limit on how many streams run at once (a bulkhead). First come, first served; nobody overtakes.
 *
 * @throws TypeError, RangeError for a bad option
 */
export class Backpressure extends Queueable {
  override readonly config: Readonly<Required<BackpressureConfig>>;
  #inUse = 0;

  constructor(config: BackpressureConfig = {}) {
    super();
    const { maxInflight = 10, maxQueue = Infinity, maxWaitMs = Infinity } = config;
    this.config = Object.freeze({
      maxInflight: numberOption('maxInflight', maxInflight, { min: 1, integer: true, infinity: true }),
      maxQueue: numberOption('maxQueue', maxQueue, { integer: true, infinity: true }),
      maxWaitMs: numberOption('maxWaitMs', maxWaitMs, { infinity: true }),
    });
  }

  /** How many streams hold a slot now. */
  get inUse(): number {
    return this.#inUse;
  }

  override lacks(): boolean {
    return this.#inUse >= this.config.maxInflight;
  }

  /** The refusal that a stream would get now if it could not wait; changes nothing. */
  check(cost: Required<Cost>, now: number, who?: Waiter): ConcurrencyLimitError | undefined {
    return this.ready(cost, now, who) ? undefined : this.refuse();
  }

  /** When a slot comes free, nobody knows. */
  override waitMs(): undefined {
    return undefined;
  }

  override backlogMs(): undefined {
    return undefined;
  }

  override refuse(why = 'nobody waits here'): ConcurrencyLimitError {
    return new ConcurrencyLimitError(`all ${this.config.maxInflight} slots (maxInflight) are taken: ${why}`);
  }

  /** Takes a slot; the caller has checked that one is free. */
  take(): Slot {
    let held = true;
    this.enter();
    return {
      release: () => {
        if (!held) return;
        held = false; // before whoever hears of it
        this.leave();
      },
    };
  }

  /** @internal As {@link take}, by somebody who will {@link leave} exactly once. */
  enter(): void {
    this.#inUse++;
    this.changed();
  }

  /** @internal */
  leave(): void {
    this.#inUse--;
    this.changed();
  }

  /** Its part of a signals snapshot; `null` where there is no limit. */
  snapshot(): InflightSnapshot | null {
    const { maxInflight: max } = this.config;
    if (max === Infinity) return null;
    const inUse = this.#inUse;
    return { max, inUse, available: Math.max(0, max - inUse), queued: this.queued, utilization: inUse / max };
  }
}

/** A backpressure, its options, or just `maxInflight`, as an instance. @throws TypeError for anything else */
export function toBackpressure(value: Backpressure | BackpressureConfig | number): Backpressure {
  if (typeof value === 'number') return new Backpressure({ maxInflight: value });
  if (typeof value !== 'object' || (value as unknown) === null) {
    throw new TypeError(`backpressure must be a number, options or a Backpressure, got ${describe(value)}`);
  }
  return 'take' in value ? value : new Backpressure(value);
}
