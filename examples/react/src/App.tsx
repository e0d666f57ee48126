import { useState } from 'react';
import { Chat } from './Chat';

export function App() {
  const [isOpen, setOpen] = useState(true);
  return (
    <main>
      <h1>rx-weir with React</h1>
      <button aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        Chat
      </button>
      {isOpen && <Chat />}
    </main>
  );
}
