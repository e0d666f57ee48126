import type { ClientSignals } from 'rx-weir';

const CIRCUITS = { closed: '●', half_open: '◐', open: '○', isolated: '⊘', disabled: ' ' } as const;

/** The live state of all models in one line, as `signals$` has it. */
export function statusLine({ models, currentInflight, activeModel }: ClientSignals): string {
  const each = Object.entries(models).map(([model, { circuitState, streams }]) => {
    const ttft = streams.firstContentMs ? ` ttft ${streams.firstContentMs.p50} ms` : '';
    return `${CIRCUITS[circuitState]} ${model.split('/', 1)[0]} ${circuitState}${model === activeModel ? '*' : ''}${ttft}`;
  });
  const rate = Object.values(models).reduce((sum, { streams }) => sum + streams.tokensPerSecond, 0);
  return `${each.join('  ')}  | in flight ${currentInflight} | ${Math.round(rate)} tokens/s`;
}

/** Where the demonstration shows itself. */
export interface Screen {
  /** A line that stays. */
  print(line: string): void;
  /** The text of a chat so far. */
  text(chat: string, text: string): void;
  /** A chat is over; its text stays as a line. */
  done(chat: string): void;
  status(line: string): void;
  close(): void;
}

type Output = NodeJS.WriteStream;

/** A terminal: the last lines are the running chats and the status, drawn over and over. */
export function terminalScreen(output: Output): Screen {
  const chats = new Map<string, string>();
  let status = '';
  let drawn = 0;
  const fit = (line: string): string => {
    // By what a reader takes for a character; wide ones may still need a column more.
    const points = Array.from(new Intl.Segmenter().segment(line), ({ segment }) => segment);
    // Some terminals do not know their width and say 0.
    const width = Math.max(20, (output.columns || 80) - 12);
    const head = Math.min(24, width >> 1);
    if (points.length <= width) return line;
    return `${points.slice(0, head).join('')} … ${points.slice(head + 3 - width).join('')}`;
  };
  const erase = (): void => {
    output.write(drawn > 0 ? `\x1b[${drawn}A\x1b[J` : '');
    drawn = 0;
  };
  const draw = (): void => {
    const lines = [
      ...[...chats].map(([chat, text]) => `  ${chat.padEnd(24)}${text}`),
      `\x1b[7m ${fit(status)} \x1b[0m`,
    ];
    output.write(lines.map((line) => `${line.startsWith('\x1b') ? line : fit(line)}\n`).join(''));
    drawn = lines.length;
  };
  const redraw = (change: () => void): void => {
    erase();
    change();
    draw();
  };
  return {
    print: (line) => redraw(() => output.write(`${line}\n`)),
    text: (chat, text) => redraw(() => chats.set(chat, text)),
    done: (chat) =>
      redraw(() => {
        output.write(`\x1b[32m✓\x1b[0m ${fit(`${chat.padEnd(24)}${chats.get(chat) ?? ''}`)}\n`);
        chats.delete(chat);
      }),
    status: (line) => redraw(() => (status = line)),
    close: erase,
  };
}

/** A file or a pipe: plain lines. A chat's text comes in pieces of some length, as it streams. */
export function plainScreen(output: Output, pieceLength = 48): Screen {
  const shown = new Map<string, number>();
  const texts = new Map<string, string>();
  let lastStatus = 0;
  const show = (chat: string, end: number): void => {
    output.write(`  ${chat}: ${texts.get(chat)?.slice(shown.get(chat) ?? 0, end) ?? ''}\n`);
    shown.set(chat, end);
  };
  return {
    print: (line) => output.write(`${line}\n`),
    text: (chat, text) => {
      if (text.length < (texts.get(chat)?.length ?? 0)) shown.set(chat, 0);
      texts.set(chat, text);
      if (text.length - (shown.get(chat) ?? 0) >= pieceLength) show(chat, text.length);
    },
    done: (chat) => {
      const { length } = texts.get(chat) ?? '';
      if (length > (shown.get(chat) ?? 0)) show(chat, length);
      output.write(`✓ ${chat}\n`);
    },
    status: (line) => {
      // A log needs no 20 lines a second.
      if (Date.now() - lastStatus < 1000) return;
      lastStatus = Date.now();
      output.write(`[${line}]\n`);
    },
    close: () => undefined,
  };
}
