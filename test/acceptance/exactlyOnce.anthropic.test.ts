import { describe, expect, it } from 'vitest';
import { closeAll } from '../support/connections';
import { CLAUDE, cutEverywhere, FAULTS, OPENAI } from '../support/everyCut';

describe('an answer of Anthropic comes whole, and once, behind whichever byte it is', () => {
  it.each(FAULTS)('%s, and tried again', { timeout: 60_000 }, async (_, cuts) => {
    expect(await cutEverywhere(cuts, [CLAUDE])).toEqual(['prefix']);
  });

  it.each(FAULTS)('%s, and gone on with by OpenAI', { timeout: 60_000 }, async (_, cuts) => {
    // Where there are too few words for an instruction, it begins anew.
    expect(await cutEverywhere(cuts, [CLAUDE, OPENAI])).toEqual(['instruct', 'rewind']);
  });

  it('and leaves no connection', { timeout: 20_000 }, closeAll);
});
