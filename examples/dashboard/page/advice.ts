import type { WeirError } from 'rx-weir';

/** What a person can do about an error. */
export function adviceFor({ code, retryAfterMs }: WeirError): string {
  const wait = retryAfterMs ? ` in ${Math.ceil(retryAfterMs / 1000)} s` : '';
  switch (code) {
    case 'E2001':
    case 'E3001':
    case 'E3002':
    case 'E3003':
      return `Nobody could answer: press Retry${wait}, or switch faults off.`;
    case 'E1002':
    case 'E1003':
    case 'E2002':
      return 'The provider does not accept the account: its key and its quota need a look.';
    default:
      return 'The request cannot be answered as it is: ask in another way.';
  }
}
