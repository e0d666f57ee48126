import { concatMap, from, fromEvent, map, merge, type Subscription } from 'rxjs';
import type { ANSWERS } from '../answers';
import { HEALTHY, type Faults } from '../faults';
import type { Conversation } from './conversation';
import { byId, make } from './dom';
import type { FaultControls } from './faultControls';
import { MOST_CHATS, type Load } from './load';

interface Scenario {
  readonly name: string;
  readonly faults?: Partial<Faults>;
  readonly load?: number;
  readonly question: keyof typeof ANSWERS;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'Cut the answer half-way', faults: { cutAfter: 160 }, question: 'What happens when the answer is cut?' },
  { name: 'Outage of gpt-4o', faults: { outages: ['openai'] }, question: 'What happens in an outage?' },
  { name: '429 for 3 s', faults: { retryAfter: 3 }, question: 'What happens on a 429?' },
  { name: 'Stall', faults: { stall: true }, question: 'What happens when the provider stalls?' },
  { name: '200 chats', load: MOST_CHATS, question: 'What do 200 chats at once do?' },
  { name: 'All healthy', load: 0, question: 'What is a weir?' },
];

/** Buttons that set everything for one thing to be seen, and ask a question whose answer tells of it. */
export function showScenarios(controls: FaultControls, load: Load, conversation: Conversation): Subscription {
  const presses = SCENARIOS.map((scenario) => {
    const button = make('button', { type: 'button' }, scenario.name);
    byId('scenarios').append(button);
    return fromEvent(button, 'click').pipe(map(() => scenario));
  });
  return merge(...presses)
    .pipe(concatMap((scenario) => from(controls.set({ ...HEALTHY, ...scenario.faults })).pipe(map(() => scenario))))
    .subscribe(({ load: level, question }) => {
      if (level !== undefined) load.level$.next(level);
      conversation.ask(question);
    });
}
