import { classifyError, isRejected, type ChatClient } from 'rx-weir';
import type { ObservedValueOf } from 'rxjs';
import { nameOf } from '../models';

export type ClientEvent = ObservedValueOf<ChatClient['events$']>;

/** What of the pipeline acted. */
export type Operator =
  | 'streamChat'
  | 'verifyComplete'
  | 'timeoutStream'
  | 'limitConcurrency'
  | 'throttleTokens'
  | 'circuitBreak'
  | 'hedge'
  | 'retryBackoff'
  | 'resume'
  | 'fallbackTo';

/** What the log can be filtered by. */
export type Kind = 'recovery' | 'circuit' | 'waits' | 'failures' | 'attempts';

/** An event, told to a person. */
export interface Told {
  readonly kind: Kind;
  readonly operator: Operator;
  readonly text: string;
}

const OPERATOR_OF = {
  circuitBreaker: 'circuitBreak',
  rateLimiter: 'throttleTokens',
  backpressure: 'limitConcurrency',
} as const;

export function tell(event: ClientEvent): Told {
  const model = nameOf(event.model);
  switch (event.type) {
    case 'attempt.start':
      return { kind: 'attempts', operator: 'streamChat', text: `${model}: asked (attempt ${event.attempt})` };
    case 'attempt.end':
      if (event.outcome === 'success') {
        return { kind: 'attempts', operator: 'streamChat', text: `${model}: attempt ${event.attempt} ended well` };
      }
      // That it was refused is told by an event of its own.
      return event.error === undefined || event.outcome === 'rejected'
        ? { kind: 'attempts', operator: 'streamChat', text: `${model}: attempt ${event.attempt} was left or refused` }
        : {
            kind: 'failures',
            operator: whoNoticed(event.error),
            text: `${model}: ${why(event.error)}${event.outcome === 'failure' ? '' : ' (the circuit does not count it)'}`,
          };
    case 'retry.scheduled':
      return {
        kind: 'recovery',
        operator: 'retryBackoff',
        text: `${model}: ${why(event.error)}, again in ${seconds(event.delayMs)} (attempt ${event.attempt + 1})`,
      };
    case 'fallback': {
      const from = event.from === 'primary' ? event.model : event.from;
      return {
        kind: 'recovery',
        operator: 'fallbackTo',
        text: `${nameOf(from)} gives up (${why(event.error)}), ${nameOf(event.to)} takes over`,
      };
    }
    case 'rejected':
      return {
        kind: event.component === 'circuitBreaker' ? 'circuit' : 'waits',
        operator: OPERATOR_OF[event.component],
        text: `${model}: not asked, ${why(event.error)}`,
      };
    case 'wait.end': {
      const what = event.component === 'backpressure' ? 'a slot' : 'the rate bucket';
      return {
        kind: 'waits',
        operator: OPERATOR_OF[event.component],
        text: `${model}: waited ${seconds(event.waitedMs)} for ${what}`,
      };
    }
    case 'partial': {
      const then = event.action === 'fail' ? 'and ends with it' : 'and goes on with what is missing';
      return { kind: 'recovery', operator: 'resume', text: `${model}: cut after ${event.emitted} tokens, ${then}` };
    }
    case 'hedge':
      return {
        kind: 'recovery',
        operator: 'hedge',
        text: `${model}: silent for ${seconds(event.afterMs)}, asked once more`,
      };
    case 'circuit': {
      const states = `${stateName(event.from)} to ${stateName(event.to)}`;
      return {
        kind: 'circuit',
        operator: 'circuitBreak',
        text: `${model}: circuit ${states}, ${REASONS[event.reason] ?? event.reason}`,
      };
    }
  }
}

const REASONS: Readonly<Record<string, string>> = { failureThreshold: 'too many failures in a row' };

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export const stateName = (state: string): string => state.replace('_', '-');

const CONNECTION = 'the connection was cut';

/** An error in a few words. */
function why(error: unknown): string {
  const { httpStatus, kind, message, name, retryAfterMs } = classifyError(error);
  if (isRejected(error)) return `${message}${retryAfterMs ? ` for ${seconds(retryAfterMs)} more` : ''}`;
  if (name === 'StreamTimeoutError') return 'said nothing for too long';
  if (name === 'IncompleteStreamError') return 'ended before its end';
  if (httpStatus !== undefined) {
    return `${httpStatus} ${kind.replaceAll('_', ' ')}${retryAfterMs ? `, Retry-After ${seconds(retryAfterMs)}` : ''}`;
  }
  return kind === 'server_error' ? CONNECTION : message;
}

function whoNoticed(error: unknown): Operator {
  const { name } = classifyError(error);
  if (name === 'StreamTimeoutError') return 'timeoutStream';
  return name === 'IncompleteStreamError' || name === 'EmptyStreamError' ? 'verifyComplete' : 'streamChat';
}
