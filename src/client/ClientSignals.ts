import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { LiveSubject } from '../signals/LiveSubject';
import { deepFreeze } from '../signals/snapshots';
import type { SignalsSnapshot } from '../signals/SignalsSnapshot';
import type { ResilientExecutor } from './ResilientExecutor';

/** The live state of a chat client. Frozen, JSON-serialisable, all times absolute (ms). */
export interface ClientSignals {
  readonly timestamp: number;
  /** Of the primary model. */
  readonly circuitState: SignalsSnapshot['circuitState'];
  /** Of the primary model; `null`: unlimited. */
  readonly rateRemaining: number | null;
  /** Of all models. */
  readonly currentInflight: number;
  /** Whether any model is. */
  readonly isHealthy: boolean;
  /** 0..1, the best model's. */
  readonly healthScore: number;
  /** The model that was asked last; once one answers, that. */
  readonly activeModel: string;
  /** By model id. */
  readonly models: Readonly<Record<string, SignalsSnapshot>>;
}

/** The state of all models together, as a subject. */
export function clientSignals(
  executors: ReadonlyMap<string, ResilientExecutor>,
  activeModel: () => string,
  scheduler: SchedulerLike = asyncScheduler,
): LiveSubject<ClientSignals> {
  const read = (previous: ClientSignals | undefined): ClientSignals => {
    const models = Object.fromEntries([...executors].map(([model, executor]) => [model, executor.signals$.value]));
    const all = Object.values(models);
    const active = activeModel();
    if (
      previous?.activeModel === active &&
      Object.entries(models).every(([id, state]) => previous.models[id] === state)
    ) {
      return previous;
    }
    const [primary] = all;
    return deepFreeze({
      timestamp: scheduler.now(),
      circuitState: primary?.circuitState ?? 'disabled',
      rateRemaining: primary?.rateRemaining ?? null,
      currentInflight: all.reduce((sum, { currentInflight }) => sum + currentInflight, 0),
      isHealthy: all.some(({ isHealthy }) => isHealthy),
      healthScore: Math.max(...all.map(({ healthScore }) => healthScore)),
      activeModel: active,
      models,
    });
  };
  const changed = (): void => signals$.changedNow();
  const signals$ = new LiveSubject<ClientSignals>(
    {
      read,
      differ: (a, b) => a !== b,
      // Each model tells its changes coalesced already, and a circuit's at once.
      watch: () => {
        const subscriptions = [...executors.values()].map((executor) => executor.signals$.subscribe({ next: changed }));
        return () => {
          for (const subscription of subscriptions) subscription.unsubscribe();
        };
      },
      moving: () => false,
      nextChangeAt: () => undefined,
      advance: () => undefined,
    },
    0,
    scheduler,
  );
  return signals$;
}
