/** The faulty provider, in a process of its own: its heap and its sockets are not what is watched. */
import { startFaultyProvider } from 'rx-weir/testing';

/** What it is asked. */
export type Question = 'rest' | 'end';

/** What it answers: where it is, or how many requests and sockets it has. */
export type Answer = { urls: Record<'openai' | 'anthropic', string> } | { active: number; sockets: number };

const seed = Number(process.argv[2]);
const provider = await startFaultyProvider({
  seed,
  reply: { text: 'The river rises slowly, and the weir holds it where it is. '.repeat(4), chunkChars: 8 },
  faults: {
    rate: 0.25,
    kinds: [
      'rateLimit',
      'overload',
      'serverError',
      'refuse',
      'reset',
      'fin',
      'stall',
      'errorFrame',
      'malformed',
      'empty',
    ],
  },
});
const answer = (it: Answer): void => void process.send!(it);

process.on('message', (question: Question) => {
  const { active, openSockets: sockets } = provider;
  // Its records would be all that grows here.
  if (active === 0) provider.reset();
  answer({ active, sockets });
  if (question === 'end' && sockets === 0) void provider.close().then(() => process.disconnect?.());
});
process.on('disconnect', () => process.exit());
answer({ urls: { openai: provider.baseUrl('openai'), anthropic: provider.baseUrl('anthropic') } });
