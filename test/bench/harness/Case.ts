/** Something that is measured by the time it takes. */
export interface Subject {
  /** Does the same work so many times over. */
  run(operations: number): void | Promise<void>;
  /** `operations` is a multiple of this. @defaultValue 1 */
  readonly unit?: number;
}

/** Something that is measured by the heap it holds. */
export interface Holder {
  /** Opens one more. */
  open(): void | Promise<void>;
  /** Closes all that are open. */
  close(): void | Promise<void>;
}

/** Makes a subject in a process of its own; what stands behind `@` in a row's name is its parameter. */
export type Case = (parameter: string) => Subject | Promise<Subject>;
export type HeapCase = () => Holder | Promise<Holder>;

/** What a file in `cases` exports. */
export interface CaseFile {
  readonly cases: Readonly<Record<string, Case>>;
}
export interface HeapCaseFile {
  readonly cases: Readonly<Record<string, HeapCase>>;
}
