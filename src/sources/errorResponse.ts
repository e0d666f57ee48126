import { errorOfResponse } from '../errors/providerError';
import type { WeirError } from '../errors/WeirError';
import { quietly, within } from './plumbing';
import type { ErrorOptions } from '../errors/providerError';
import type { Bytes } from './readEvents';

/** How much of an error's body is read, in bytes, and how long it may take, in ms: the status alone says enough. */
const MAX_BODY = 1 << 16;
const BODY_MS = 5000;

/** The error that a response with an error status is. */
export async function errorResponse(
  { status, headers }: Response,
  reader: Bytes | undefined,
  origin: ErrorOptions,
): Promise<WeirError> {
  const decoder = new TextDecoder();
  let body = '';
  const read = async (): Promise<void> => {
    while (reader && body.length < MAX_BODY) {
      const { done, value } = await reader.read();
      if (done) return;
      body += decoder.decode(value, { stream: true });
    }
  };
  await within(BODY_MS, quietly(read));
  return errorOfResponse(status, headers, body, origin);
}
