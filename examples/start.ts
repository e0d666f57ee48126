/**
 * npm start                                                     every kind of trouble, played by an embedded provider
 * npm start -- --model openai/gpt-4o "Why is the sky blue?"     the real thing, with your key
 */
import { parseArgs } from 'node:util';
import { ask } from './ask';
import { demo } from './demo/demo';

const USAGE = `npm start                                    a demonstration: no key, no network
npm start -- --model provider/model "question"   streams an answer with your key, e.g. of OPENAI_API_KEY
  --fallback provider/model   takes over when the model fails; may be given more than once
  --base-url URL              where the model is served, e.g. http://localhost:11434/v1`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string' },
      fallback: { type: 'string', multiple: true, default: [] },
      'base-url': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const question = positionals.join(' ');
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const asked = question || values.model || values['base-url'] || values.fallback.length > 0;
  if (!asked) return demo(process.stdout);
  if (values.model === undefined || !question) throw new TypeError(`both a --model and a question, please\n${USAGE}`);
  return ask({ model: values.model, fallbacks: values.fallback, baseUrl: values['base-url'], question });
}

// The reader of a pipe may leave early, as `head` does.
process.stdout.on('error', () => process.exit());

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
