import { share, Subscription } from 'rxjs';
import { showCharts } from './charts';
import { showChat } from './chat';
import { createClient } from './client';
import { startConversation } from './conversation';
import { showEvents } from './eventLog';
import { showFaults } from './faultControls';
import { createLoad } from './load';
import { showSignals } from './panel';
import { showPipeline } from './pipeline';
import { showScenarios } from './scenarios';
import { showLoad } from './tiles';

const lanes = await fetch('/api/lanes');
const client = createClient((await lanes.json()) as number[]);
const events$ = client.events$.pipe(share());
const conversation = startConversation(client);
const load = createLoad(client);
const controls = await showFaults();

const page = new Subscription();
for (const part of [
  showSignals(client),
  showCharts(client),
  showPipeline(events$),
  showEvents(events$),
  showChat(conversation),
  showLoad(load),
  controls.subscription,
  showScenarios(controls, load, conversation),
])
  page.add(part);

// A page that is left aborts what it asked for.
addEventListener('pagehide', () => page.unsubscribe(), { once: true });
// And one that is come back to begins anew.
addEventListener('pageshow', ({ persisted }) => persisted && location.reload());
document.documentElement.dataset['ready'] = '';
