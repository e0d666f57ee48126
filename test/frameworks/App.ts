import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

export const APPS = ['react', 'vue', 'svelte', 'angular'] as const;
export type AppName = (typeof APPS)[number];

const examples = resolve(import.meta.dirname, '../../examples');

/** Angular's CLI wants a newer Node than the rest: `ANGULAR_NODE` is the folder of one, where that on the path is older. */
function environment(app: AppName): NodeJS.ProcessEnv {
  const { ANGULAR_NODE, NODE_ENV, FORCE_COLOR, ...env } = process.env; // NODE_ENV is 'test' here, and would be for the app
  const path = app === 'angular' && ANGULAR_NODE ? `${ANGULAR_NODE}:${env['PATH']}` : env['PATH'];
  return { ...env, PATH: path, NO_COLOR: '1', NG_CLI_ANALYTICS: 'false' };
}

/** The folder of an app. */
export const folderOf = (app: AppName): string => join(examples, app);

/** Runs an npm script of an app to its end. @throws Error with all that it printed */
export async function run(app: AppName, ...script: string[]): Promise<void> {
  const npm = start(app, script, {});
  const [code] = (await once(npm.process, 'exit')) as [number | null];
  if (code !== 0)
    throw new Error(`npm run ${script.join(' ')} in examples/${app} ended with ${code}:\n${npm.printed()}`);
}

/** Serves an app by an npm script until it is closed. */
export class AppServer {
  readonly #process: ChildProcess;
  readonly url: string;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  static async start(app: AppName, script: string, providerUrl: string): Promise<AppServer> {
    const args = [script, '--', '--host', '127.0.0.1', '--port', '0'];
    const npm = start(app, args, { PROVIDER_URL: providerUrl });
    return new Promise((resolve, reject) => {
      npm.process.on('exit', () => reject(new Error(`examples/${app} is not served:\n${npm.printed()}`)));
      npm.process.stdout.on('data', () => {
        const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(npm.printed()) ?? [];
        if (url) resolve(new AppServer(npm.process, url));
      });
    });
  }

  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    process.kill(-this.#process.pid!); // npm, its shell, and what that runs
    await exit;
  }
}

function start(app: AppName, script: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn('npm', ['run', ...script], {
    cwd: folderOf(app),
    env: { ...environment(app), ...env },
    // A group of its own, which can be ended as one; and a stdin, whose end would end Vite.
    detached: true,
    stdio: 'pipe',
  });
  let printed = '';
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => (printed += text));
  }
  return { process: child, printed: () => stripVTControlCharacters(printed) };
}
