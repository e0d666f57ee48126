import { expect, vi } from 'vitest';
import { startFaultyProvider, type FaultyProvider, type FaultyProviderOptions } from 'rx-weir/testing';

const providers: FaultyProvider[] = [];

/** A provider that keeps connections, and is there until {@link closeAll}. */
export async function openProvider(options: FaultyProviderOptions): Promise<FaultyProvider> {
  const provider = await startFaultyProvider(options);
  providers.push(provider);
  return provider;
}

/** Whoever has read an answer, or left it, holds no connection: each is closed by the time that it is kept for another request. */
export async function closeAll(): Promise<void> {
  const open = (): number => providers.reduce((sum, { openSockets }) => sum + openSockets, 0);
  try {
    await vi.waitFor(() => expect(open()).toBe(0), { timeout: 15_000, interval: 100 });
  } finally {
    await Promise.all(providers.splice(0).map((provider) => provider.close()));
  }
}
