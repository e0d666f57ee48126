import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../src/policies/RetryBudget';

const after = (budget: RetryBudget, failures: number, successes = 0): RetryBudget => {
  for (let i = 0; i < failures; i++) budget.failed();
  for (let i = 0; i < successes; i++) budget.succeeded();
  return budget;
};

describe('RetryBudget', () => {
  it('starts full: ten tokens by default, a tenth of one for a success', () => {
    const budget = new RetryBudget();
    expect(budget).toMatchObject({ maxTokens: 10, tokenRatio: 0.1, tokens: 10, allowed: true });
  });

  it('allows retries while more than half of the tokens are left (gRPC A6)', () => {
    expect(after(new RetryBudget(), 4).allowed).toBe(true);
    expect(after(new RetryBudget(), 5).allowed).toBe(false);
    expect(after(new RetryBudget(), 5, 1).allowed).toBe(true);
    // Exactly half, however the fractions add up.
    expect(after(new RetryBudget(), 6, 10).allowed).toBe(false);
    expect(after(new RetryBudget({ tokenRatio: 0.2 }), 6, 5).allowed).toBe(false);
    expect(after(new RetryBudget(), 6, 11).allowed).toBe(true);
  });

  it('has from 0 to maxTokens', () => {
    expect(after(new RetryBudget({ maxTokens: 2.5 }), 100).tokens).toBe(0);
    expect(after(new RetryBudget({ maxTokens: 2.5, tokenRatio: 1 }), 1, 100).tokens).toBe(2.5);
  });

  it('stays within its bounds, and a storm costs no more than the failures and the tokens that were there', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 100, noNaN: true }),
        fc.double({ min: 0.001, max: 2, noNaN: true }),
        fc.array(fc.boolean(), { maxLength: 300 }),
        (maxTokens, tokenRatio, outcomes) => {
          const budget = new RetryBudget({ maxTokens, tokenRatio });
          let retries = 0;
          let successes = 0;
          for (const failed of outcomes) {
            if (failed) budget.failed();
            else budget.succeeded();
            if (!failed) successes++;
            else if (budget.allowed) retries++;
            expect(budget.tokens).toBeGreaterThanOrEqual(0);
            expect(budget.tokens).toBeLessThanOrEqual(maxTokens);
          }
          expect(retries).toBeLessThanOrEqual(maxTokens / 2 + tokenRatio * successes + 1);
        },
      ),
    );
  });

  it('tells of changes only', () => {
    const budget = new RetryBudget({ maxTokens: 1 });
    let changes = 0;
    budget.watch(() => changes++);
    budget.succeeded(); // full
    expect(changes).toBe(0);
    after(budget, 3);
    expect(changes).toBe(1);
  });

  it.each<[unknown, string]>([
    [{ maxTokens: 0 }, 'maxTokens'],
    [{ maxTokens: NaN }, 'maxTokens'],
    [{ maxTokens: Infinity }, 'maxTokens'],
    [{ tokenRatio: 0 }, 'tokenRatio'],
    [{ tokenRatio: -1 }, 'tokenRatio'],
    [{ tokenRatio: '1' }, 'tokenRatio'],
  ])('throws for %j, naming the option', (config, name) => {
    expect(() => new RetryBudget(config as object)).toThrow(name);
  });
});
