// Compiled, not run, with the types of Node.
import { startFaultyProvider } from 'rx-weir/testing';

// @ts-expect-error a port that is no number
export const provider = startFaultyProvider({ port: 'any' });
