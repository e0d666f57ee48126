/** A JSON object of a request, of which nothing is sure. */
export type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

/** The messages of a request's body. */
export const messagesOf = ({ messages }: Fields): Fields[] =>
  Array.isArray(messages) ? (messages as unknown[]).map(fieldsOf) : [];

/** The texts of a message: its content, or each of its text parts. */
export function textsOf({ content }: Fields): string[] {
  if (typeof content === 'string') return [content];
  const parts = Array.isArray(content) ? (content as unknown[]).map(fieldsOf) : [];
  return parts.flatMap(({ type, text }) => (type === 'text' && typeof text === 'string' ? [text] : []));
}
