/** What can be asked and is answered to the point; anything else gets one of these answers. */
export const ANSWERS = {
  'What is a weir?':
    'A weir is a low dam across a river. Upstream the water comes as it likes: in floods, in dribbles, with branches in it. ' +
    'Downstream it flows over the crest at a steady level. rx-weir does that to a stream of tokens. The provider may be slow, ' +
    'overloaded or gone; what reaches the screen is one answer, whole, with nothing twice. 🌊 Each chip on this page is one part of the ' +
    'weir, and lights up whenever it had something to do. At the moment there is not much: all is well.',
  'What happens when the answer is cut?':
    'The provider hung up while you were reading this. The text that had arrived stays where it is: it is yours, and asking for it ' +
    'again would show it twice. Instead the model is asked once more, told what it has said so far, and goes on behind its last ' +
    'character. The mark in the text is the seam. verifyComplete noticed that the end was missing, retryBackoff waited for a ' +
    'moment, and resume put the two halves together. Without them you would have got half an answer, and no error.',
  'What happens in an outage?':
    'Another model is telling you this, as gpt-4o answers nothing but 503. It was tried a few times, with a growing wait between. ' +
    'The third failure in a row opened its circuit: for eight seconds nobody asks it any more, which is quicker for you and ' +
    'kinder to a provider that tries to get up. Ask again now, and the fallback answers at once. When the countdown is over a ' +
    'single probe goes through; if that is answered, the circuit closes, and everybody is back at the first model.',
  'What happens on a 429?':
    'This answer came late, and that was right: the provider said 429 and Retry-After, too many requests, come back then. ' +
    'retryBackoff takes that wait as the least it waits. throttleTokens closes the bucket for everybody meanwhile, so that ' +
    'two hundred other chats do not knock on the same door in vain. No circuit opened: a provider that says when to come ' +
    'back is not a broken one. Then the request went out once more, and here you are.',
  'What happens when the provider stalls?':
    'The connection was open, and nothing came: no error, no end, only silence. To a socket that is a healthy state, and it ' +
    'may last for an hour. timeoutStream looks at the gap between two tokens, and not at the whole, so that a long answer may ' +
    'be long. After two seconds of silence it ended the attempt and aborted the request; retryBackoff asked anew, and the ' +
    'answer went on behind its last character. The wait was what you saw, the text is whole.',
  'What do 200 chats at once do?':
    'They queue. limitConcurrency lets sixty-four streams run at a model, and holds each slot from the first byte to the last: ' +
    'a stream that talks for ten seconds is a load for ten seconds. throttleTokens starts twenty-four a second. The others wait ' +
    'their turn, in order, and nobody overtakes but you: your question has a higher priority. Look at the tiles: each is ' +
    'one chat. Lower the slider, and those too many are aborted at the provider at once.',
} as const;

const QUESTIONS = Object.keys(ANSWERS) as (keyof typeof ANSWERS)[];

/** The same question has the same answer at every model, so that one can go on where another was cut. */
export function answerTo(question: string): string {
  if (Object.hasOwn(ANSWERS, question)) return ANSWERS[question as keyof typeof ANSWERS];
  let sum = 0;
  for (const character of question) sum += character.codePointAt(0) ?? 0;
  return ANSWERS[QUESTIONS[sum % QUESTIONS.length] ?? 'What is a weir?'];
}
