/** Lets everything happen that is due now: promises, and what they lead to. In a browser as in Node. */
export const turn = (): Promise<void> => new Promise((done) => setTimeout(done));
