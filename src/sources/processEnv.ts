/** Variables and their values, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of the process; empty where there is none, as in a browser. */
export const processEnv = (): Environment => (globalThis as { process?: { env?: Environment } }).process?.env ?? {};
