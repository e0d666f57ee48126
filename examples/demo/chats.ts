import type { Reply, ScriptRequest } from 'rx-weir/testing';

/** One user's chat: what the provider means to say, and what goes wrong on the way. */
export interface Chat {
  readonly question: string;
  readonly answer: string;
  /** What the first requests to OpenAI meet, one after another; then all is well. */
  readonly trouble: readonly Reply[];
  readonly story: string;
  /** So many characters come of the first answer before OpenAI goes down. */
  readonly diesAt?: number;
  /** Who else fails in an outage of OpenAI. */
  readonly alsoDown?: readonly string[];
}

const PACE: Reply = { chunkChars: 5, paceMs: 25, firstTokenMs: 80 };

/** These run side by side, while the provider has its small troubles. */
export const CHATS: readonly Chat[] = [
  {
    question: 'What is a weir?',
    answer:
      'A weir is a low dam: it holds a river at a steady level, and whatever comes down, what flows over is even.',
    trouble: [],
    story: 'nothing goes wrong',
  },
  {
    question: 'Why is the sea salty?',
    answer:
      'Rain wears salts out of rock 🪨, rivers carry them down, the sun takes the water back ☀️ and leaves the salt behind.',
    trouble: [{ status: 529 }],
    story: '529 overloaded',
  },
  {
    question: 'How do fish sleep?',
    answer: 'With open eyes, mostly: they have no lids. They rest near the bottom and keep a slow fin moving. 🐟',
    trouble: [{ status: 429, headers: { 'retry-after-ms': '900' } }],
    story: '429, Retry-After 0.9 s',
  },
  {
    question: 'What is a haiku?',
    answer:
      'Three lines of five, seven and five sounds: 古池や 蛙飛びこむ 水の音. An old pond, a frog jumps in, the sound of water.',
    trouble: [{ stall: { afterChars: 45 } }],
    story: 'stalls in mid-stream',
  },
  {
    question: 'Why do rivers bend?',
    answer:
      'The outer bank is worn away, the inner one grows, so every small bend becomes a larger one, until the river cuts it off.',
    trouble: [{ cut: { afterChars: 60 } }],
    story: 'socket cut after 60 characters',
  },
  {
    question: 'Who invented paper?',
    answer:
      'Cai Lun is named for it, about 105 in China 🇨🇳: bark, hemp and rags, beaten to a pulp and dried in thin sheets.',
    trouble: [{ cut: { afterChars: 30, how: 'fin' } }, { errorFrame: { afterChars: 50 } }],
    story: 'closed too early, then an error frame',
  },
];

/** These come one after another, while OpenAI is out altogether. */
export const OUTAGE: readonly Chat[] = [
  {
    question: 'What is rain?',
    answer: 'Drops that have grown too heavy for the cloud that made them ☔; most were ice on the way, and melted.',
    trouble: [],
    story: 'OpenAI goes down in mid-answer',
    diesAt: 45,
  },
  {
    question: 'What is ice?',
    answer: 'Water that stands still: its molecules keep hands in a lattice and float on the rest. 🧊',
    trouble: [],
    story: 'OpenAI is down',
  },
  {
    question: 'What is fog?',
    answer: 'A cloud that touches the ground, made of drops so small that they hardly fall. 🌫️',
    trouble: [],
    story: 'OpenAI is down',
  },
  {
    question: 'What is dew?',
    answer: 'Water out of the air, found in the morning on whatever cooled most in the night.',
    trouble: [],
    story: 'OpenAI and Anthropic are down',
    alsoDown: ['anthropic'],
  },
];

/** This one comes when the outage is over. */
export const AFTER: Chat = {
  question: 'Is all well again?',
  answer: 'Yes: one probe went through, the circuit is closed, and everybody is served by the first model again.',
  trouble: [],
  story: 'the outage is over',
};

/** The question that a request asks; one to go on with an answer has more messages behind it. */
export function questionOf({ body }: Pick<ScriptRequest, 'body'>): string {
  const messages = body.messages as { content: string | { text: string }[] }[];
  const content = messages[0]?.content ?? '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}

/** Plays the chats: the trouble only at OpenAI, the same answer everywhere. */
export function playChats(isDown: () => boolean): (request: ScriptRequest) => Reply {
  const asked = new Map<string, number>();
  return (request) => {
    const question = questionOf(request);
    const chat = [...CHATS, ...OUTAGE, AFTER].find((one) => one.question === question);
    if (!chat) return PACE;
    const reply = { ...PACE, text: chat.answer };
    if (isDown() && chat.alsoDown?.includes(request.provider)) return { status: 529 };
    if (request.provider !== 'openai') return reply;
    const nth = asked.get(question) ?? 0;
    asked.set(question, nth + 1);
    if (isDown()) return chat.diesAt && nth === 0 ? { ...reply, cut: { afterChars: chat.diesAt } } : { status: 503 };
    return { ...reply, ...chat.trouble[nth] };
  };
}
