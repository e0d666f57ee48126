/**
 * A `fetch` that spreads its requests over several origins which lead to the same server: each goes where the fewest are open.
 * Over HTTP/1.1 a browser opens at most six connections to one origin, and a stream holds its connection to its end; with one
 * origin the seventh chat would wait for the first, and nothing would tell. A provider that speaks HTTP/2 needs none of this.
 */
export function laneFetch(origins: readonly string[], fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  const open = new Map(origins.map((origin) => [origin, 0]));
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const [origin] = [...open].reduce((least, lane) => (lane[1] < least[1] ? lane : least));
    open.set(origin, (open.get(origin) ?? 0) + 1);
    let isOpen = true;
    const leave = (): void => {
      if (isOpen) open.set(origin, (open.get(origin) ?? 0) - 1);
      isOpen = false;
      init?.signal?.removeEventListener('abort', leave);
    };
    init?.signal?.addEventListener('abort', leave, { once: true });
    try {
      const target = `${origin}${url.pathname}${url.search}`;
      const response = await fetch(input instanceof Request ? new Request(target, input) : target, init);
      if (response.body) return new Response(endingWith(response.body, leave), response);
      leave();
      return response;
    } catch (error) {
      leave();
      throw error;
    }
  };
}

/** The same body; tells when it has ended, in whichever way. */
function endingWith(body: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (value) controller.enqueue(value);
          if (!done) return;
          ended();
          controller.close();
        } catch (error) {
          ended();
          controller.error(error);
        }
      },
      cancel(reason) {
        ended();
        return reader.cancel(reason);
      },
    },
    // Nothing is read ahead of who reads.
    { highWaterMark: 0 },
  );
}
