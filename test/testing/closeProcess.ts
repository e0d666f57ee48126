import { request as httpRequest } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { startFaultyProvider } from '../../src/testing/startFaultyProvider';

// Run by close.test.ts in a process of its own, where no test runner has timers too: leaves requests in every state there
// is, closes the provider, tells what is left, and should then end by itself.

const provider = await startFaultyProvider({ reply: { paceMs: 60_000, keepAliveMs: 50_000 } });
provider.script('openai', [
  {},
  { firstTokenMs: 60_000 },
  { headersMs: 60_000 },
  { stall: { before: 'headers' } },
  { stall: { afterChars: 1 } },
  { openAfterEnd: true, paceMs: 0 },
  { paceMs: 0 },
]);
const clients = Array.from({ length: 7 }, () => {
  const request = httpRequest(`${provider.baseUrl('openai')}/chat/completions`, { method: 'POST', agent: false });
  request.end(JSON.stringify({ stream: true, messages: [{ role: 'user', content: 'Hi' }] }));
  request.on('response', (response) => response.on('error', () => undefined).resume());
  return new Promise((resolve) => request.on('error', () => undefined).on('close', resolve));
});
await provider.when(({ index, outcome }) => index === 5 && outcome === 'completed');
await provider.when(({ index, outcome }) => index === 6 && outcome === 'completed');
await provider.when(({ outcome }) => outcome === 'stalled');
const active = provider.active;

const never = provider.when(() => false).catch((error: unknown) => String(error));
await Promise.all([provider.close(), provider.close(), ...clients]);
await turn();
console.log(
  JSON.stringify({
    resources: process.getActiveResourcesInfo().filter((name) => /^(TCP|Timeout|Immediate)/.test(name)),
    active: [active, provider.active],
    openSockets: provider.openSockets,
    outcomes: provider.requests.map(({ outcome }) => outcome),
    never: await never,
  }),
);
