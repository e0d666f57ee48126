import { concatMap, debounceTime, filter, from, fromEvent, map, Subscription } from 'rxjs';
import { checkFaults, type Faults } from '../faults';
import { modelOf, nameOf, PROVIDERS, type Provider } from '../models';
import { byId, make, setText } from './dom';

export interface FaultControls {
  /** Sets them at the provider and in the form. */
  set(faults: Faults): Promise<void>;
  readonly subscription: Subscription;
}

/** The form that says what goes wrong. The server keeps it, so that a reload of the page finds it as it was. */
export async function showFaults(): Promise<FaultControls> {
  const form = byId('faults', HTMLFormElement);
  byId('outages').append(...PROVIDERS.map(outageOf));
  const field = (name: string): HTMLInputElement => form.elements.namedItem(name) as HTMLInputElement;

  const fill = (faults: Faults): void => {
    field('errorRate').valueAsNumber = faults.errorRate;
    field('limited').checked = faults.retryAfter !== null;
    if (faults.retryAfter !== null) field('retryAfter').valueAsNumber = faults.retryAfter;
    field('stall').checked = faults.stall;
    field('cut').checked = faults.cutAfter !== null;
    if (faults.cutAfter !== null) field('cutAfter').valueAsNumber = faults.cutAfter;
    for (const provider of PROVIDERS) field(`outage-${provider}`).checked = faults.outages.includes(provider);
    showRate();
    setText(byId('faults-note'), inWords(faults));
  };
  const showRate = (): void => setText(byId('error-rate'), `${field('errorRate').value} %`);
  const read = (): Faults => ({
    errorRate: field('errorRate').valueAsNumber,
    retryAfter: field('limited').checked ? field('retryAfter').valueAsNumber : null,
    stall: field('stall').checked,
    cutAfter: field('cut').checked ? field('cutAfter').valueAsNumber : null,
    outages: PROVIDERS.filter((provider) => field(`outage-${provider}`).checked),
  });
  const tell = async (faults: Faults): Promise<void> => {
    const problem = await put(faults).catch((error: unknown) => String(error));
    setText(byId('faults-note'), problem ?? inWords(faults));
  };

  fill(await get());
  const subscription = new Subscription();
  subscription.add(fromEvent(form, 'submit').subscribe((event) => event.preventDefault()));
  subscription.add(
    fromEvent(form, 'input')
      .pipe(
        map(showRate),
        debounceTime(100),
        filter(() => form.reportValidity()),
        // In their order: the last one stays.
        concatMap(() => from(tell(read()))),
      )
      .subscribe(),
  );
  return {
    subscription,
    async set(faults) {
      fill(faults);
      await tell(faults);
    },
  };
}

/** What the provider was told. */
function inWords({ errorRate, retryAfter, stall, cutAfter, outages }: Faults): string {
  const parts = [
    errorRate > 0 && `${errorRate} % errors`,
    retryAfter !== null && `429 for ${retryAfter} s`,
    cutAfter !== null && `cut after ${cutAfter} characters`,
    stall && 'stall',
    outages.length > 0 && `outage of ${outages.map((provider) => nameOf(modelOf(provider))).join(', ')}`,
  ].filter((part) => part !== false);
  return parts.length > 0 ? `The provider plays: ${parts.join('; ')}.` : 'Nothing goes wrong now.';
}

async function get(): Promise<Faults> {
  const response = await fetch('/api/faults');
  return checkFaults(await response.json());
}

/** @returns what is wrong with them */
async function put(faults: Faults): Promise<string | undefined> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch('/api/faults', { method: 'PUT', headers, body: JSON.stringify(faults) });
  return response.ok ? undefined : ((await response.json()) as { error: string }).error;
}

const outageOf = (provider: Provider): HTMLElement =>
  make(
    'label',
    { class: 'check' },
    make('input', { type: 'checkbox', name: `outage-${provider}` }),
    nameOf(modelOf(provider)),
  );
