import type { Result } from './result';

const digits = (value: number): string => {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  return size >= 100 ? Math.round(value).toLocaleString('en').replaceAll(',', ' ') : value.toFixed(size >= 10 ? 1 : 2);
};

const measured = (value: number | undefined, of: 'ns' | 'B'): string => {
  if (value === undefined) return '';
  return of === 'ns' && value >= 10_000 ? `${digits(value / 1000)} us` : `${digits(value)} ${of}`;
};

function budgetOf({ budget, unit }: Result): string {
  if (!budget) return '';
  const { atLeast, atMost } = budget;
  const limits = [atLeast !== undefined && `>= ${digits(atLeast)}`, atMost !== undefined && `<= ${digits(atMost)}`];
  return `${limits.filter(Boolean).join(', ')} ${unit}`;
}

const COLUMNS: readonly (readonly [head: string, cell: (result: Result) => string])[] = [
  ['row', ({ name }) => name],
  ['what', ({ what }) => what],
  ['candidate', ({ candidate, of }) => measured(candidate, of)],
  ['base', ({ base, of }) => measured(base, of)],
  ['figure', ({ figure, unit }) => `${digits(figure)} ${unit}`],
  ['min to max', ({ range: [least, most] }) => (least === most ? '' : `${digits(least)} to ${digits(most)}`)],
  ['IQR', ({ spread }) => (Number.isFinite(spread) && spread !== 0 ? `${(100 * spread).toFixed(1)} %` : '')],
  ['mixed', ({ mixed }) => (mixed === undefined ? '' : digits(mixed))],
  ['budget', budgetOf],
  ['', ({ met }) => (met === undefined ? '' : met ? 'met' : 'MISSED')],
];

/** The results as a Markdown table. */
export function table(results: readonly Result[]): string {
  const lines = [
    COLUMNS.map(([head]) => head),
    COLUMNS.map(() => '---'),
    ...results.map((result) => COLUMNS.map(([, cell]) => cell(result))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((cells) => cells[i]!.length)));
  return lines
    .map((cells, line) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!, line === 1 ? '-' : ' ')).join(' | ')} |`)
    .join('\n');
}
