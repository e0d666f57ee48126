import type { Observable } from 'rxjs';

/** Everything that a stream gave, and how it ended. */
export interface Collected<T> {
  values: T[];
  error?: unknown;
  completed: boolean;
}

export const collect = <T>(source: Observable<T>): Promise<Collected<T>> =>
  new Promise((resolve) => {
    const values: T[] = [];
    source.subscribe({
      next: (value) => values.push(value),
      error: (error: unknown) => resolve({ values, error, completed: false }),
      complete: () => resolve({ values, completed: true }),
    });
  });

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The same bytes, cut at the given offsets. */
export function cutAt(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const edges = [
    0,
    ...[...new Set(offsets)].filter((o) => o > 0 && o < bytes.length).sort((a, b) => a - b),
    bytes.length,
  ];
  return edges.slice(1).map((edge, i) => bytes.slice(edges[i], edge));
}

/** How the body of {@link bodyOf} ends: with its last chunk, with an error, or not at all. */
export type BodyEnd = 'close' | 'stall' | { error: unknown };

/** A body in memory that gives its chunks one read at a time, and records that it was cancelled. */
export function bodyOf(
  chunks: readonly (string | Uint8Array)[],
  end: BodyEnd = 'close',
): { body: ReadableStream<Uint8Array>; cancelled: unknown[]; reads: () => number } {
  const cancelled: unknown[] = [];
  let next = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[next++];
        if (chunk !== undefined) controller.enqueue(typeof chunk === 'string' ? bytesOf(chunk) : chunk);
        else if (end === 'close') controller.close();
        else if (end !== 'stall') controller.error(end.error);
        else return new Promise<void>(() => undefined);
        return undefined;
      },
      cancel: (reason) => void cancelled.push(reason),
    },
    { highWaterMark: 0 },
  );
  return { body, cancelled, reads: () => next };
}

/** A `fetch` that answers every request with these chunks, and keeps what it was asked. */
export function fetchOf(
  chunks: readonly (string | Uint8Array)[],
  { end, ...init }: ResponseInit & { end?: BodyEnd } = {},
): {
  fetch: typeof fetch;
  calls: { url: string; headers: Headers; body: Record<string, unknown>; signal: AbortSignal }[];
  cancelled: () => number;
} {
  const calls: { url: string; headers: Headers; body: Record<string, unknown>; signal: AbortSignal }[] = [];
  const bodies: { cancelled: unknown[] }[] = [];
  return {
    calls,
    cancelled: () => bodies.filter(({ cancelled }) => cancelled.length > 0).length,
    fetch: (url, request) => {
      const answer = bodyOf(chunks, end);
      bodies.push(answer);
      calls.push({
        url: String(url),
        headers: new Headers(request?.headers),
        body: JSON.parse(String(request?.body)) as Record<string, unknown>,
        signal: request?.signal as AbortSignal,
      });
      return Promise.resolve(new Response(answer.body, init));
    },
  };
}
