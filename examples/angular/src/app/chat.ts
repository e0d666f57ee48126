import { AsyncPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, DestroyRef, inject, signal } from '@angular/core';
import { toSignal } from '@angular/core/rxjs-interop';
import type { ChatRun } from 'rx-weir';
import { client } from './client';

@Component({
  selector: 'app-chat',
  imports: [AsyncPipe],
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    @let answer = state$() | async;
    @let busy = answer?.status === 'streaming';
    <form (submit)="send($event, question.value)">
      <input #question aria-label="Question" value="What is a weir?" required />
      <button [disabled]="busy">Send</button>
      <button type="button" [disabled]="!busy" (click)="run()?.cancel()">Stop</button>
    </form>
    <section aria-label="Answer" aria-live="polite" [attr.aria-busy]="busy">
      <p>{{ answer?.text }}</p>
    </section>
    <p role="status">
      @for (resume of answer?.resumes; track resume) {
        Cut after {{ resume.at }} characters, and gone on with.
      }
    </p>
    @if (answer?.error; as error) {
      <p role="alert">{{ error.code }}: {{ error.message }}</p>
    }
    <section aria-label="Signals">
      circuit {{ signals().circuitState }}, {{ signals().currentInflight }} in flight, {{ tokensPerSecond() }} tokens/s
      by
      {{ signals().activeModel }}
    </section>
  `,
})
export class Chat {
  protected readonly signals = toSignal(client.signals$, { requireSync: true });
  protected readonly tokensPerSecond = computed(() => {
    const { activeModel, models } = this.signals();
    return Math.round(models[activeModel]?.streams.tokensPerSecond ?? 0);
  });
  protected readonly run = signal<ChatRun | undefined>(undefined);
  protected readonly state$ = computed(() => this.run()?.state$);

  constructor() {
    // Leaving the view stops the answer.
    inject(DestroyRef).onDestroy(() => this.run()?.cancel());
  }

  protected send(event: Event, question: string): void {
    event.preventDefault();
    this.run()?.cancel();
    this.run.set(client.run({ messages: [{ role: 'user', content: question }] }));
  }
}
