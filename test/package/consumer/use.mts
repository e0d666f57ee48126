// Compiled, not run, as .mts and as .cts under each module resolution. An unused @ts-expect-error is an error itself:
// where the types decayed to `any`, this does not compile.
import { of, type Observable } from 'rxjs';
import { CircuitBreaker, isWeirError, type ChatEvent, type WeirError } from 'rx-weir';
import { circuitBreak, limitConcurrency, retryBackoff, verifyComplete } from 'rx-weir/operators';

const breaker = new CircuitBreaker({ failureThreshold: 3 });
export const tokens: Observable<string> = of('a', 'b').pipe(
  retryBackoff({ maxRetries: 2 }),
  circuitBreak(breaker),
  limitConcurrency(4),
);
export const events: Observable<ChatEvent> = of<ChatEvent>({ type: 'text', text: 'a' }).pipe(verifyComplete());
export const codeOf = (error: unknown): WeirError['code'] | undefined => (isWeirError(error) ? error.code : undefined);

// @ts-expect-error an option of the wrong type
retryBackoff({ maxRetries: 'three' });
// @ts-expect-error an option that does not exist
new CircuitBreaker({ failureTreshold: 3 });
// @ts-expect-error an event of no known type
export const wrong: ChatEvent = { type: 'token', text: 'a' };
