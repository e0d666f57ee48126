import { answerOf, pieces } from './answerOf';
import { byteFaults, splitBytes } from './byteFaults';
import { checkReply } from './checkReply';
import { continuationOf } from './continuationOf';
import { anthropic } from './dialects/anthropic';
import { frame, requestId, type Answer, type Dialect, type Frame } from './dialects/Dialect';
import { openai } from './dialects/openai';
import { cutStep, eventFaults, faultChars, type Part } from './eventFaults';
import type { Plan, PlanRequest, Step } from './Plan';
import { seededRandom } from './random';
import type { DialectName, Reply } from './Reply';

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { openai, anthropic };

const utf8 = new TextEncoder();

/** Silence of `ms`, with the reply's keep-alives in it. */
const silencer =
  ({ keepAliveMs }: Reply, keepAlive: string) =>
  (ms: number): Step[] => {
    const bytes = utf8.encode(keepAlive);
    const everyMs = keepAliveMs ?? Infinity;
    if (ms === Infinity) return [{ type: 'stall', ...(keepAliveMs ? { keepAlive: { everyMs, bytes } } : {}) }];
    const steps: Step[] = [];
    for (; ms > everyMs; ms -= everyMs) {
      steps.push({ type: 'wait', ms: everyMs }, { type: 'bytes', bytes, text: '', chars: 0 });
    }
    if (ms > 0) steps.push({ type: 'wait', ms });
    return steps;
  };

/** A body that is not streamed: all of it content, so that fault points count its characters. */
function wholeBody(reply: Reply, status: number, answer: Answer, dialect: Dialect): Frame[] {
  const { body, errorFrame } = reply;
  if (body instanceof Uint8Array) return [frame(body)];
  const failed = status >= 300 || errorFrame !== undefined;
  const error = (): unknown => {
    const { status: as = dialect.frameStatus, ...detail } = errorFrame ?? { status, ...reply.error };
    return dialect.errorBody(as, detail, requestId(answer.index));
  };
  const value = body ?? (failed ? error() : dialect.body(answer));
  const parts = pieces(typeof value === 'string' ? value : JSON.stringify(value), Infinity, faultChars(reply));
  const text = failed || body !== undefined ? '' : answer.text;
  return parts.map((data, i) => frame(data, data.length, i === parts.length - 1 ? text : ''));
}

function contentType({ body }: Reply, streamed: boolean): string {
  if (streamed) return 'text/event-stream; charset=utf-8';
  if (typeof body === 'string') return body.trimStart().startsWith('<') ? 'text/html' : 'text/plain; charset=utf-8';
  return 'application/json';
}

/** Events with the reply's pace and line ends, as steps. */
function encode(parts: readonly Part[], reply: Reply, streamed: boolean, silence: (ms: number) => Step[]): Step[] {
  const { firstTokenMs = 0, paceMs = 0, crlf = false, missingLastBlankLine = false } = reply;
  const lastEvent = parts.map((part) => 'type' in part).lastIndexOf(false);
  const lines = (data: string, i: number): string => {
    const whole = missingLastBlankLine && i === lastEvent ? data.replace(/\n\n$/, '\n') : data;
    return crlf ? whole.replaceAll('\n', '\r\n') : whole;
  };
  let waitMs = firstTokenMs;
  return parts.flatMap((part, i): Step[] => {
    if ('type' in part) return [part];
    const { data, chars, text, end } = part;
    const bytes = typeof data === 'string' ? utf8.encode(streamed ? lines(data, i) : data) : data;
    const write: Step = { type: 'bytes', bytes, chars, text };
    if (!streamed || (chars === 0 && !end)) return [write];
    const wait = silence(waitMs);
    waitMs = chars === 0 ? 0 : paceMs;
    return [...wait, write];
  });
}

/** Turns between the last write and a break, which discards what the client has not read by then. */
const TURNS_BEFORE_BREAK = 4;

/**
 * Puts a turn behind the headers and every write up to the last content; with `all` behind every write. Otherwise what follows the last
 * content goes out in one: a client that stops at the terminator is not one that gave up.
 */
function spaced(steps: readonly Step[], all: boolean): Step[] {
  const turn: Step = { type: 'turn' };
  const lastContent = steps.map((step) => step.type === 'bytes' && step.chars > 0).lastIndexOf(true);
  return steps.flatMap((step, i) => {
    if (step.type === 'break') return [...Array<Step>(TURNS_BEFORE_BREAK).fill(turn), step];
    const read = step.type === 'head' || (step.type === 'bytes' && (all || i <= lastContent));
    return read ? [step, turn] : [step];
  });
}

/** Status and headers, and what comes before them or instead of them. */
function lead(reply: Reply, prompt: boolean, silence: (ms: number) => Step[]): Step[] {
  const { stall, cut, headersMs = 0, firstTokenMs = 0, keepAliveMs } = reply;
  const head: Step = { type: 'head' };
  // No keep-alive can go out before the headers.
  const quiet = silencer({}, '');
  const answer = prompt
    ? [head]
    : keepAliveMs === undefined
      ? [...quiet(firstTokenMs), head]
      : [head, ...silence(firstTokenMs)];
  const stalled = stall && 'before' in stall ? quiet(stall.ms ?? Infinity) : [];
  const cutOff = cut && 'before' in cut ? [cutStep(cut.how)] : [];
  return [...quiet(headersMs), ...stalled, ...cutOff, ...answer];
}

/**
 * What the server does for a reply, byte by byte. Pure: no socket, no clock; the same reply, request and chance give the
 * same plan. The bytes alone: `plan.steps.flatMap((step) => (step.type === 'bytes' ? [step.bytes] : []))`.
 *
 * @throws RangeError, TypeError naming a field of the reply that is out of range
 */
export function planReply(reply: Reply, request: PlanRequest): Plan {
  checkReply(reply);
  const { dialect: name, provider = name, body = {} } = request;
  const { continues, text, refused } = continuationOf(reply, { dialect: name, provider, body });
  if (continues === undefined) return planAnswer(reply, request);
  const message = continues === 'prefix' ? DIALECTS[name].prefixRefused : 'This conversation cannot be continued.';
  const said = refused && (reply.status ?? 200) < 300 ? { status: 400, error: { message } } : { ...reply, text };
  return { ...planAnswer(said, request), continues };
}

/** The plan of a reply as it is, whatever it is the answer to. */
function planAnswer(reply: Reply, request: PlanRequest): Plan {
  const { dialect: name, stream = true, provider = name, model = 'weir-1', index = 0 } = request;
  const { body = { stream_options: { include_usage: true } }, random = seededRandom(0, index) } = request;
  const { status = 200, errorFrame, terminator, openAfterEnd: open = false, splitBytes: split } = reply;
  const dialect = DIALECTS[name];
  const refused = status >= 300;
  const streamed = stream && !refused && reply.body === undefined;
  const answer = answerOf(reply, { index, provider, model, stream, body }, dialect, faultChars(reply));
  const silence = silencer(reply, streamed ? ': keep-alive\n\n' : '\n');

  const events = streamed ? dialect.frames(answer) : wholeBody(reply, status, answer, dialect);
  const failed = refused || (!streamed && errorFrame !== undefined);
  const end: Step = { type: 'end', open, outcome: failed ? 'error' : terminator === 'none' ? 'cut' : 'completed' };
  const parts = [...eventFaults(events, reply, { streamed, dialect, answer }, silence), end];
  const whole = byteFaults(encode(parts, reply, streamed, silence), reply, silence);
  const size = split === 'random' ? () => 1 + Math.floor(random() * 16) : () => split ?? Infinity;
  const sent = split === undefined ? whole : splitBytes(whole, size);
  const steps = spaced([...lead(reply, streamed || failed, silence), ...sent], split !== undefined);
  const last = steps.findIndex(({ type }) => type === 'stall' || type === 'break' || type === 'end');

  const custom = Object.entries(reply.headers ?? {}).map(([key, value]) => [key.toLowerCase(), value] as const);
  return {
    status,
    headers: {
      'content-type': contentType(reply, streamed),
      'cache-control': 'no-cache',
      [dialect.requestIdHeader]: requestId(index),
      ...Object.fromEntries(custom),
    },
    steps: steps.slice(0, last + 1),
    inputTokens: failed ? 0 : answer.inputTokens,
    outputTokens: failed ? 0 : answer.outputTokens,
    chars: events.reduce((sum, { chars }) => sum + chars, 0),
  };
}
