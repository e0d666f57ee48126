import { ChangeDetectionStrategy, Component, signal } from '@angular/core';
import { Chat } from './chat';

@Component({
  selector: 'app-root',
  imports: [Chat],
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <main>
      <h1>rx-weir with Angular</h1>
      <button [attr.aria-expanded]="isOpen()" (click)="isOpen.set(!isOpen())">Chat</button>
      @if (isOpen()) {
        <app-chat />
      }
    </main>
  `,
})
export class App {
  protected readonly isOpen = signal(true);
}
