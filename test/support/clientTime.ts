import type { ChatClient, ChatClientConfig, WeirEvent } from 'rx-weir';
import type { FaultyProvider } from 'rx-weir/testing';
import { clientOf } from './chat';
import { VirtualTime } from './virtual';

export type ClientEvent = WeirEvent & { model: string };

/** A client whose time passes when the test says so, but for the wait before a retry; and what it tells in events$. */
export interface TimedClient {
  readonly client: ChatClient;
  readonly time: VirtualTime;
  readonly told: ClientEvent[];
  /** What was told of one kind. */
  of<K extends WeirEvent['type']>(type: K): Extract<ClientEvent, { type: K }>[];
}

export function timedClient(provider: FaultyProvider, config: Partial<ChatClientConfig>): TimedClient {
  const time = new VirtualTime();
  const client = clientOf(provider, { scheduler: time, ...config });
  const told: ClientEvent[] = [];
  client.events$.subscribe((event) => {
    told.push(event);
    // It is told right before the wait begins.
    if (event.type === 'retry.scheduled') queueMicrotask(() => time.advance(event.delayMs));
  });
  return {
    client,
    time,
    told,
    of: <K extends WeirEvent['type']>(type: K) =>
      told.filter((event): event is Extract<ClientEvent, { type: K }> => event.type === type),
  };
}
