import { onTestFinished } from 'vitest';
import { commands } from 'vitest/browser';
import type { FaultyProviderOptions, Reply, RequestOutcome, RequestRecord } from 'rx-weir/testing';

/** What a script in Node, which gets the options as JSON, may be. */
export type Options = Omit<FaultyProviderOptions, 'script'> & { script?: Reply | Reply[] };

/** A faulty provider in Node, as a test in a browser sees it. */
export interface Provided {
  readonly url: string;
  baseUrl(provider: string): string;
  requests(): Promise<RequestRecord[]>;
  /** Waits until so many requests are like that. */
  until(outcome: RequestOutcome, count?: number): Promise<RequestRecord>;
  close(): Promise<void>;
}

/** Starts one for a test, on another origin than the page's. */
export async function provide(options: Options = {}): Promise<Provided> {
  const url = await commands.startProvider(options);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= commands.closeProvider(url));
  onTestFinished(close);
  return {
    url,
    baseUrl: (provider) => `${url}/${provider}${provider === 'anthropic' ? '' : '/v1'}`,
    requests: () => commands.requestsOf(url),
    until: (outcome, count) => commands.requestIs(url, outcome, count),
    close,
  };
}
