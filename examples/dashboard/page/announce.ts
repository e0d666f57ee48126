import { Observable, type Subscription } from 'rxjs';
import { isRunning, type Answer } from './conversation';
import { byId, make } from './dom';

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * Lets a screen reader follow the answer. The text itself is no live region: that would be read anew, or interrupted, with every
 * token. What is said goes to a polite one of its own, a whole sentence at a time, with what became of the stream.
 */
export function announce(answer$: Observable<Answer | undefined>): Subscription {
  const region = byId('announcements');
  const say = (text: string): void => region.append(make('p', {}, text.trim()));
  let id = 0;
  let said = 0;
  let seams = 0;
  let before: Answer | undefined;
  return answer$.subscribe((answer) => {
    if (!answer || answer === before) return;
    if (answer.id !== id) {
      [id, said, seams] = [answer.id, 0, 0];
      region.replaceChildren();
    }
    const { text, status } = answer;
    if (text.length < said) {
      say('The answer begins anew from here.');
      said = text.length;
    }
    if (answer.seams.length > seams) say('The stream was cut, and goes on.');
    seams = answer.seams.length;
    if (text.length > (before?.id === id ? before.text.length : 0) || !isRunning(answer)) {
      const rest = Array.from(sentences.segment(text.slice(said)), ({ segment }) => segment);
      // The last one may go on.
      const whole = (isRunning(answer) ? rest.slice(0, -1) : rest).join('');
      if (whole) say(whole);
      said += whole.length;
    }
    if (status !== before?.status && !isRunning(answer)) {
      say(
        { complete: 'End of the answer.', stopped: 'Stopped.', failed: `Failed: ${answer.error?.message}` }[
          status as 'complete'
        ],
      );
    }
    before = answer;
  });
}
