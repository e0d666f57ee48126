/**
 * Where the dev servers of the examples send `/api/<provider>`: to `PROVIDER_URL`, or, with none, to an embedded provider that
 * needs no key. It fails: the second answer is cut in its middle, the third question meets an overload, and so on in turn. Your
 * own server takes this place: it adds the key, and knows who may ask.
 */
import process from 'node:process';
import { startFaultyProvider } from 'rx-weir/testing';

const startProvider = () =>
  startFaultyProvider({
    reply: { chunkChars: 3, paceMs: 40, firstTokenMs: 300 },
    script({ provider, nth, continues }) {
      if (provider !== 'openai' || continues) return undefined;
      return { 1: { cut: { afterChars: 120 } }, 3: { status: 503 } }[nth % 4];
    },
  });

/** A cut at the provider has to be one for the page: Vite's proxy leaves the page's response open, and it would wait in vain. */
const passCutsOn = (proxy) =>
  proxy.on('proxyRes', (upstream, request, response) =>
    upstream.once('close', () => {
      if (!upstream.complete) response.destroy();
    }),
  );

/** For Vite's `server.proxy`, and for Angular's `proxyConfig`, which Vite is given. */
/** One, also where the server starts anew for an edit of its configuration. */
let provider;

export async function apiProxy() {
  const target = process.env.PROVIDER_URL ?? (await (provider ??= startProvider())).url;
  return {
    '/api': { target, changeOrigin: true, rewrite: (path) => path.replace(/^\/api/, ''), configure: passCutsOn },
  };
}

/** A Vite plugin: the proxy while it serves, nothing while it builds. */
export const api = () => ({
  name: 'api',
  apply: 'serve',
  config: async () => ({ server: { proxy: await apiProxy() } }),
});
