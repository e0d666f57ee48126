import type { BrowserCommand } from 'vitest/node';
// Not by the package's name: the configuration that imports this knows nothing of tsconfig's paths, and would take the build.
import type { FaultyProvider } from '../../src/testing/FaultyProvider';
import type { FaultyProviderOptions } from '../../src/testing/FaultyProviderOptions';
import type { RequestOutcome, RequestRecord } from '../../src/testing/Recorder';
import { startFaultyProvider } from '../../src/testing/startFaultyProvider';

/** What the tests in a browser can ask of Node: they have no server of their own. All of it goes there and back as JSON. */

declare module 'vitest/browser' {
  interface BrowserCommands {
    startProvider(options: FaultyProviderOptions): Promise<string>;
    closeProvider(url: string): Promise<void>;
    requestsOf(url: string): Promise<RequestRecord[]>;
    /** Waits until so many requests have ended, or stand, like that. */
    requestIs(url: string, outcome: RequestOutcome, count?: number): Promise<RequestRecord>;
  }
}

const providers = new Map<string, FaultyProvider>();
const at = (url: string): FaultyProvider => {
  const provider = providers.get(url);
  if (!provider) throw new Error(`no provider at ${url}`);
  return provider;
};

const startProvider: BrowserCommand<[FaultyProviderOptions]> = async (_, options) => {
  const provider = await startFaultyProvider(options);
  providers.set(provider.url, provider);
  return provider.url;
};
const closeProvider: BrowserCommand<[string]> = async (_, url) => {
  await at(url).close();
  providers.delete(url);
};
const requestsOf: BrowserCommand<[string]> = (_, url) => at(url).requests;
const requestIs: BrowserCommand<[string, RequestOutcome, number?]> = (_, url, outcome, count = 1) => {
  const provider = at(url);
  return provider.when(() => provider.requests.filter((request) => request.outcome === outcome).length >= count);
};

export const commands = { startProvider, closeProvider, requestsOf, requestIs };
