/**
 * A chat and everything that keeps it up, to look at: `npm run dashboard`. No key, no network: the provider is embedded, and
 * fails as the page tells it to.
 *
 *   --port 5173    the first that is tried; 0: any free one
 */
import { parseArgs } from 'node:util';
import { startDashboard } from './startDashboard';

const { values } = parseArgs({ options: { port: { type: 'string', default: '5173' } } });
const dashboard = await startDashboard({ port: Number(values.port) });
console.log(`The dashboard is at ${dashboard.url} (Ctrl+C ends it)`);

const close = (): void => void dashboard.close();
process.once('SIGINT', close).once('SIGTERM', close);
