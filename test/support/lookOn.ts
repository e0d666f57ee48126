// Run as a process of its own by keepAlive.test.ts: it looks on in every way that there is, and has nothing else to do.
import { throwError } from 'rxjs';
import { createChatClient, liveSignals, ResilientExecutor, WeirError } from 'rx-weir';

const HOUR = 3_600_000;
const config = { circuitBreaker: { failureThreshold: 1, cooldownMs: HOUR }, rateLimiter: { requestsPerSecond: 1 } };
const executor = new ResilientExecutor(config);
let said = '';
executor.signals$.subscribe(({ circuitState }) => (said = circuitState));
executor.events$.subscribe();
liveSignals(executor.preflight).subscribe();
createChatClient({ model: 'openai/x', fallbacks: ['openai/y'], resilience: config }).signals$.subscribe();
const down = throwError(() => new WeirError('down', { code: 'E3001' }));
down.pipe(executor.protect()).subscribe({ error: () => undefined });
executor.preflight.rateLimiter?.observe({ retryAfterMs: HOUR });
process.on('exit', () => console.log(said));
