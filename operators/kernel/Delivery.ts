import { isDiverged } from '../../src/errors/streamErrors';
import type { Delivered } from './Delivered';
import type { Seam } from './seams';

/** Where the values of an attempt go. */
export interface Outlet<T> {
  readonly destination: { next(value: T): void };
  /** What joins them to what was delivered before. */
  readonly seam?: Seam<T> | undefined;
  /** Where it is collected what the subscriber has. */
  readonly delivered?: Delivered<T> | undefined;
}

/** Whom it tells. */
interface Sender {
  /** A value could not be delivered: a callback threw, or it is of no use to the consumer. Nothing more is delivered. */
  abandon(error: unknown, by: 'callback' | 'consumer'): void;
  /** What waited is delivered. */
  drained(): void;
}

/**
 * Brings the values of one attempt to the subscriber. Where several go at once, what the subscriber makes the source say
 * meanwhile comes behind them.
 */
export class Delivery<T> {
  readonly #destination: { next(value: T): void };
  readonly #seam: Seam<T> | undefined;
  readonly #delivered: Delivered<T> | undefined;
  readonly #sender: Sender;
  #queue: T[] | undefined;
  #closed = false;

  constructor({ destination, seam, delivered }: Outlet<T>, sender: Sender) {
    this.#destination = destination;
    this.#seam = seam;
    this.#delivered = delivered;
    this.#sender = sender;
  }

  /** Whether something waits: an end has to come behind it. */
  get isBusy(): boolean {
    return this.#queue !== undefined;
  }

  /** The subscriber itself, where nothing has to be done with a value. */
  get direct(): { next(value: T): void } | undefined {
    return this.#seam || this.#delivered ? undefined : this.#destination;
  }

  pass(value: T): void {
    if (this.#queue) {
      this.#queue.push(value);
      return;
    }
    const values = this.#sift(value);
    if (!values) this.#say(value);
    else if (values.length > 0) {
      this.wait([]);
      this.#sayAll(values);
      this.drain();
    }
  }

  /** From now on values wait behind these, until {@link drain}. */
  wait(values: T[]): void {
    this.#queue = values;
  }

  /** Delivers what waits. @param first - before all of it */
  drain(first: readonly T[] = []): void {
    const queue = this.#queue ?? [];
    try {
      for (const values of [first, queue]) {
        // By index: the queue may grow meanwhile.
        for (let at = 0; at < values.length && !this.#closed; at++) this.#siftAndSay(values[at]!);
      }
    } finally {
      this.#queue = undefined;
    }
    if (!this.#closed) this.#sender.drained();
  }

  /** The source is complete: delivers what the seam has held back. */
  rest(): void {
    if (!this.#seam) return;
    let values: readonly T[];
    try {
      values = this.#seam.end();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#sayAll(values);
  }

  /** Nothing more is wanted. */
  close(): void {
    this.#closed = true;
  }

  #siftAndSay(value: T): void {
    const values = this.#sift(value);
    if (values) this.#sayAll(values);
    else this.#say(value);
  }

  #sift(value: T): readonly T[] | undefined {
    if (!this.#seam) return undefined;
    try {
      return this.#seam.pass(value);
    } catch (error) {
      this.#fail(error);
      return [];
    }
  }

  #sayAll(values: readonly T[]): void {
    for (const value of values) if (!this.#closed) this.#say(value);
  }

  #say(value: T): void {
    try {
      this.#delivered?.add(value);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    this.#destination.next(value);
  }

  #fail(error: unknown): void {
    this.close();
    // What differs is of no use to the consumer; anything else was thrown by a callback.
    this.#sender.abandon(error, isDiverged(error) ? 'consumer' : 'callback');
  }
}
