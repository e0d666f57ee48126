import { BehaviorSubject, filter, firstValueFrom, lastValueFrom, Subject, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { accumulate, ChatRun, isWeirError, ResilientExecutor, type ChatEvent, type ChatRunState } from 'rx-weir';
import { all, clientOf, errorOf, OPENAI, provide, request, shown, TEXT } from '../support/chat';

describe('client.run', () => {
  it('starts at the call, without a subscriber, and once for however many', async () => {
    const provider = await provide();
    const run = clientOf(provider).run(request);
    await provider.when(({ outcome }) => outcome === 'completed');
    const texts = await Promise.all([lastValueFrom(run.text$), lastValueFrom(run.text$)]);
    expect(texts).toEqual([TEXT, TEXT]);
    const [a, b] = await Promise.all([all(run.events$), all(run.events$)]);
    expect(a).toEqual(b);
    expect(provider.requests).toHaveLength(1);
  });

  it('replays everything for those who come late, also after the end', async () => {
    const provider = await provide();
    const run = clientOf(provider).run(request);
    const live = await all(run.events$);
    expect(live.at(-1)).toMatchObject({ type: 'finish' });
    expect(await all(run.events$)).toEqual(live);
    expect(await all(run.text$)).toEqual([TEXT]);
  });

  it('text$ is the text so far, from nothing to all', async () => {
    const provider = await provide();
    const run = clientOf(provider).run(request);
    const texts = await all(run.text$);
    expect(texts[0]).toBe('');
    expect(texts.at(-1)).toBe(TEXT);
    texts.forEach((text, i) => expect(text.startsWith(texts[i - 1] ?? '')).toBe(true));
    expect(texts.length).toBeGreaterThan(5);
  });

  it('text$ has rewinds applied', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 30 } }, { cut: { afterChars: 50, how: 'fin' } }]);
    const run = clientOf(provider, { resume: 'rewind' }).run(request);
    const texts = await all(run.text$);
    expect(texts.at(-1)).toBe(TEXT);
    expect(texts.every((text) => TEXT.startsWith(text))).toBe(true);
    expect(texts.filter((text) => text === '')).toHaveLength(3);
    expect((await all(run.events$)).filter(({ type }) => type === 'rewind')).toHaveLength(2);
  });

  it('state$ is the answer and how it stands, at once and to the end, also for those who come late', async () => {
    const provider = await provide();
    const run = clientOf(provider).run(request);
    const first: ChatRunState[] = [];
    run.state$.subscribe((state) => first.push(state)).unsubscribe();
    expect(first).toEqual([{ status: 'streaming', text: '', reasoning: '', toolCalls: [], resumes: [] }]);
    const states = await all(run.state$);
    expect(states.at(-2)).toMatchObject({ status: 'streaming', text: TEXT, finish: { reason: 'stop' } });
    expect(states.at(-1)).toMatchObject({ status: 'completed', text: TEXT, provider: 'openai', resumes: [] });
    expect(states.at(-1)).toMatchObject(await lastValueFrom(run.events$.pipe(accumulate())));
    expect(await all(run.state$)).toEqual(states.slice(-1));
  });

  it('state$ tells where the answer was cut and gone on with', async () => {
    const provider = await provide({ script: [{ cut: { afterChars: 40, how: 'fin' } }] });
    const run = clientOf(provider).run(request);
    const { resumes, text } = await lastValueFrom(run.state$);
    expect(text).toBe(TEXT);
    expect(resumes).toMatchObject([{ type: 'resume', strategy: 'instruct', at: 40 }]);
  });

  it('state$ forgets what a rewind takes back, but not that it was', async () => {
    const provider = await provide({ script: [{ cut: { afterChars: 40, how: 'fin' } }] });
    const run = clientOf(provider, { resume: 'rewind' }).run(request);
    const texts = (await all(run.state$)).map(({ text }) => text);
    expect(texts).toContain(TEXT.slice(0, 40));
    expect(texts.lastIndexOf('')).toBeGreaterThan(texts.indexOf(TEXT.slice(0, 40)));
    expect(texts.at(-1)).toBe(TEXT);
  });

  it('state$ does not fail with the answer, and keeps what there is', async () => {
    const provider = await provide({ script: { errorFrame: { afterChars: 12, status: 500 } } });
    const run = clientOf(provider, { resume: 'off' }).run(request);
    const state = await lastValueFrom(run.state$);
    expect(state).toMatchObject({ status: 'failed', text: TEXT.slice(0, 12), error: { code: 'E3001' } });
    expect(isWeirError(state.error)).toBe(true);
    run.cancel();
    expect(await all(run.state$)).toEqual([state]);
    const other = clientOf(provider, { resume: 'off' }).run(request);
    other.text$.subscribe({ error: () => other.cancel() });
    other.events$.subscribe({ error: () => undefined });
    expect(await lastValueFrom(other.state$)).toMatchObject({ status: 'failed' });
  });

  it('state$ knows a stopped answer from a whole one, whoever stops it and when', async () => {
    const provider = await provide({ script: [{ stall: { afterChars: 12 } }] });
    const client = clientOf(provider);
    const run = client.run(request);
    await firstValueFrom(run.state$.pipe(filter(({ text }) => text.length === 12)));
    run.cancel();
    expect(await all(run.state$)).toMatchObject([{ status: 'cancelled', text: TEXT.slice(0, 12) }]);
    const inside = client.run(request);
    inside.text$.subscribe((text) => {
      if (text.length > 20) inside.cancel();
    });
    const { status, text } = await lastValueFrom(inside.state$);
    expect(status).toBe('cancelled');
    expect(text.length).toBeGreaterThan(20);
    expect(text).not.toBe(TEXT);
    const late = client.run(request);
    late.events$.subscribe({ complete: () => late.cancel() });
    expect(await lastValueFrom(late.state$)).toMatchObject({ status: 'completed', text: TEXT });
  });

  it('cancel() may be called by those who are told a state, and changes no end', async () => {
    const provider = await provide();
    const client = clientOf(provider);
    const long = client.run(request);
    const states: ChatRunState[] = [];
    long.state$.subscribe((state) => {
      states.push(state);
      if (state.text.length > 20) long.cancel();
    });
    const { text } = await lastValueFrom(long.state$);
    expect(states.map(({ status }) => status).filter((status) => status === 'cancelled')).toHaveLength(1);
    expect(await all(long.text$)).toEqual([text]);
    expect(shown(await all(long.events$))).toBe(text);

    const whole = client.run(request);
    whole.state$.subscribe(({ status }) => status !== 'streaming' && whole.cancel());
    expect(await lastValueFrom(whole.state$)).toMatchObject({ status: 'completed', text: TEXT });

    provider.script('openai', { status: 401 });
    const failing = client.run(request);
    failing.state$.subscribe(({ status }) => status !== 'streaming' && failing.cancel());
    expect(await lastValueFrom(failing.state$)).toMatchObject({ status: 'failed', error: { code: 'E1002' } });
    for (const stream of [failing.text$, failing.events$]) {
      expect(await errorOf(stream)).toMatchObject({ code: 'E1002' });
    }
  });

  it.each(['events$', 'text$', 'state$'] as const)(
    'what %s was told last, all were, when it cancels then',
    async (by) => {
      const provider = await provide();
      const run = clientOf(provider).run(request);
      let seen = 0;
      (run[by] as Observable<unknown>).subscribe(() => ++seen === 7 && run.cancel());
      const { text } = await lastValueFrom(run.state$);
      expect(text.length).toBeGreaterThan(0);
      expect(await all(run.text$)).toEqual([text]);
      expect(shown(await all(run.events$))).toBe(text);
    },
  );

  it('state$ has the seams that are in its text, and no others', () => {
    const source = new Subject<ChatEvent>();
    const run = new ChatRun(source, () => ({ complete: () => undefined }) as never);
    const states: ChatRunState[] = [];
    run.state$.subscribe((state) => states.push(state));
    const marks = () => states.at(-1)!.resumes.map(({ at, strategy }) => `${strategy} ${at}`);
    const resume = (strategy: 'instruct' | 'rewind', at: number) =>
      source.next({ type: 'resume', strategy, at, attempt: 2 });
    source.next({ type: 'text', text: '0123456789' });
    resume('instruct', 10);
    source.next({ type: 'text', text: 'abcdefghij' });
    expect(marks()).toEqual(['instruct 10']);
    resume('rewind', 0); // begins anew; what is equal is not shown again
    expect(marks()).toEqual(['instruct 10', 'rewind 20']);
    source.next({ type: 'rewind', to: 15 }); // and this is where it differs
    expect(marks()).toEqual(['instruct 10', 'rewind 15']);
    resume('rewind', 0);
    source.next({ type: 'rewind', to: 9 });
    expect(marks()).toEqual(['rewind 9']);
    source.next({ type: 'rewind', to: 0 });
    expect(marks()).toEqual([]);
  });

  it("is nothing that Vue's `ref` puts a proxy around, and neither are signals and executors", async () => {
    const provider = await provide();
    const client = clientOf(provider);
    const run = client.run(request);
    for (const [value, name] of [
      [run, 'ChatRun'],
      [run.signals$, 'LiveSubject'],
      [client.signals$, 'LiveSubject'],
      [ResilientExecutor.minimal(), 'ResilientExecutor'],
    ] as const) {
      // Vue asks so for what it knows: Object, Array, Map, Set, WeakMap, WeakSet.
      expect(Object.prototype.toString.call(value)).toBe(`[object ${name}]`);
    }
    run.cancel();
  });

  it('cancel() aborts the request and completes everything', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { afterChars: 12 } });
    const client = clientOf(provider);
    const run = client.run(request);
    const ends: string[] = [];
    run.events$.subscribe({ complete: () => ends.push('events') });
    run.text$.subscribe({ complete: () => ends.push('text') });
    run.signals$.subscribe({ complete: () => ends.push('signals') });
    await provider.when(({ outcome }) => outcome === 'stalled');
    run.cancel();
    expect(ends.sort()).toEqual(['events', 'signals', 'text']);
    expect(client.snapshot()).toMatchObject({
      currentInflight: 0,
      models: { [OPENAI]: { streams: { cancelled: 1 } } },
    });
    await provider.when(({ outcome }) => outcome === 'aborted');
    const text = await lastValueFrom(run.text$);
    expect(TEXT.startsWith(text)).toBe(true);
    run.cancel();
    expect(client.snapshot().models[OPENAI]?.streams.cancelled).toBe(1);
  });

  it("keeps the last state when it is over, whatever the client's other streams do", async () => {
    const provider = await provide();
    const client = clientOf(provider);
    const first = client.run(request);
    await lastValueFrom(first.events$);
    const last = first.signals$.value;
    provider.script('openai', { stall: { afterChars: 5 } });
    const second = client.run(request);
    await provider.when(({ outcome }) => outcome === 'stalled');
    expect(client.signals$.value.currentInflight).toBe(1);
    expect(first.signals$.value).toBe(last);
    second.cancel();
  });

  it('goes on when those who looked on leave', async () => {
    const provider = await provide();
    provider.script('openai', { paceMs: 1 });
    const run = clientOf(provider).run(request);
    run.text$.subscribe().unsubscribe();
    run.signals$.subscribe().unsubscribe();
    expect(await lastValueFrom(run.text$)).toBe(TEXT);
    expect(provider.requests).toMatchObject([{ outcome: 'completed' }]);
  });

  it('gives the error to everybody, early and late, but never to signals$', async () => {
    const provider = await provide();
    provider.script('openai', { status: 400 });
    const run = clientOf(provider).run(request);
    const signals = all(run.signals$);
    const error = await errorOf(run.text$);
    expect(error).toMatchObject({ code: 'E1001' });
    expect(await errorOf(run.events$)).toBe(error);
    expect(await errorOf(run.text$)).toBe(error);
    expect((await signals).length).toBeGreaterThan(0);
    run.cancel();
    expect(await errorOf(run.text$)).toBe(error);
  });

  it('with nobody listening an error goes nowhere', async () => {
    const provider = await provide();
    provider.script('openai', { status: 400 });
    clientOf(provider).run(request);
    await provider.when(({ outcome }) => outcome === 'error');
    await provider.idle();
  });

  it("signals$ are the client's, as long as the answer runs", async () => {
    const provider = await provide();
    provider.script('openai', { stall: { afterChars: 12 } });
    const client = clientOf(provider);
    const run = client.run(request);
    expect(run.signals$).toBeInstanceOf(BehaviorSubject);
    await provider.when(({ outcome }) => outcome === 'stalled');
    expect(run.signals$.value).toMatchObject({ currentInflight: 1, activeModel: OPENAI });
    run.cancel();
    expect(run.signals$.value).toMatchObject({ currentInflight: 0 });
    const late = await all(run.signals$);
    expect(late).toMatchObject([{ currentInflight: 0 }]);
    let open = true;
    client.signals$.subscribe({ complete: () => (open = false) }).unsubscribe();
    expect(open).toBe(true);
  });
});
