import { VirtualTimeScheduler, type SchedulerAction, type Subscription } from 'rxjs';

/** Virtual time that a test walks through step by step, and that counts the timers which were asked for. */
export class Time extends VirtualTimeScheduler {
  /** The delay of every timer so far. */
  readonly delays: number[] = [];

  #offset = 0;

  constructor() {
    super();
    this.now = () => this.frame + this.#offset;
  }

  /** Timers that are set now. */
  get timers(): number {
    return this.actions.length;
  }

  override schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    this.delays.push(delay);
    return super.schedule(work, delay, state);
  }

  /** Puts the clock forward or back, as NTP or a laptop's lid does: timers know nothing of it. */
  jump(ms: number): void {
    this.#offset += ms;
  }

  /** Lets time pass, and all that is due in it happen. */
  advance(ms: number): void {
    const end = this.frame + ms;
    this.maxFrames = end;
    this.flush();
    this.frame = end;
  }
}
