import type { SchedulerLike, Subscriber, Subscription } from 'rxjs';
import { textOf, withText } from '../events/defaults';
import { codePoints, type Characters } from './characters';
import { Fifo } from './Fifo';
import { sameButText } from './sameButText';

/** The longest character that is kept whole, in UTF-16 units: families of emoji have some 12, a letter under 30 marks 31. */
const MAX_CHARACTER = 256;

/** The most values that wait; a reader could not follow beyond. A source that never lets a timer run would fill the memory. */
const MAX_WAITING = 16_384;

interface Entry<T> {
  readonly value: T;
  /** Its text, '' if it has none, */
  readonly text: string;
  /** and how much of it is through. */
  from: number;
}

/** What waits for one subscriber. */
export class Smoother<T> {
  readonly #subscriber: Subscriber<T>;
  readonly #characters: Characters;
  readonly #lagMs: number;
  readonly #everyMs: number;
  readonly #scheduler: SchedulerLike;
  readonly #waiting = new Fifo<Entry<T>>();
  /** The length of all text that waits. */
  #length = 0;
  /** How much of it may go now. */
  #due = 0;
  /** The end of what went: a character that began in it may go on. */
  #before = '';
  /** How long nothing came. */
  #quietMs = 0;
  #timer: Subscription | undefined;

  constructor(
    subscriber: Subscriber<T>,
    characters: Characters,
    lagMs: number,
    everyMs: number,
    scheduler: SchedulerLike,
  ) {
    this.#subscriber = subscriber;
    this.#characters = characters;
    this.#lagMs = Math.max(1, lagMs);
    this.#everyMs = everyMs;
    this.#scheduler = scheduler;
  }

  push(value: T, atOnce: boolean): void {
    const text = textOf(value);
    this.#waiting.push({ value, text, from: 0 });
    this.#length += text.length;
    this.#quietMs = 0;
    if (atOnce || this.#waiting.size > MAX_WAITING) this.flush();
    else if (!this.#timer) this.#let(Math.max(1, this.#everyMs));
  }

  /** Everything at once. */
  flush(): void {
    this.stop();
    this.#due = Infinity;
    this.#pass();
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  /** The share of a period in the lag goes of what waits. Who is called with it may push, so the timer is set before. */
  #let(periodMs: number): void {
    const units = Math.ceil(this.#length * Math.min(1, periodMs / this.#lagMs));
    if (this.#length > 0) {
      const since = this.#scheduler.now();
      this.#timer = this.#scheduler.schedule(() => {
        // Late timers let more through, and a clock that was put back lets no character wait for ever.
        const elapsed = Math.max(1, this.#everyMs, this.#scheduler.now() - since);
        this.#quietMs += elapsed;
        this.#let(elapsed);
      }, this.#everyMs);
    }
    this.#due = this.#cut(units);
    this.#pass();
    if (this.#waiting.size === 0) this.stop();
  }

  /**
   * How much goes if `units` may: up to the end of a character. The last one may go on in the text that comes next; without
   * any for a while it is whole, and so it is if something else follows it.
   */
  #cut(units: number): number {
    if (units === 0) return 0;
    const most = units + MAX_CHARACTER;
    let ahead = '';
    for (let link = this.#waiting.first; link && ahead.length < most; link = link.next) {
      const { text, from } = link.item;
      ahead += text.slice(from, from + most - ahead.length);
    }
    const start = this.#before.length;
    const text = this.#before + ahead;
    const edge = this.#characters(text);
    let end = start + units;
    if (end < text.length) end = edge(end, true);
    if (ahead.length < this.#length) {
      if (end === text.length) end = codePoints(text)(end - 1); // longer than any character
    } else if (this.#quietMs < this.#lagMs && this.#waiting.last?.item.text) {
      // With half of a code point behind it, the one before is not known to be whole either.
      end = Math.min(end, edge(Math.max(0, text.length - (/[\ud800-\udbff]$/.test(text) ? 2 : 1))));
    }
    return end - start;
  }

  /** Lets through what is due of the text, and what has none among and behind it. */
  #pass(): void {
    const waiting = this.#waiting;
    for (let link; (link = waiting.first) && !this.#subscriber.closed;) {
      const { value, text } = link.item;
      if (text && this.#due <= 0) return;
      let piece = '';
      do {
        const entry = link.item;
        const part = entry.text.slice(entry.from, entry.from + this.#due);
        piece += part;
        this.#due -= part.length;
        if ((entry.from += part.length) === entry.text.length) waiting.shift();
        link = waiting.first;
      } while (piece && this.#due > 0 && link?.item.text && sameButText(value, link.item.value));
      this.#length -= piece.length;
      this.#before = (this.#before + piece).slice(-MAX_CHARACTER);
      this.#subscriber.next(piece === text ? value : (withText(value, piece) as T));
    }
  }
}
