import { describe, expect, it } from 'vitest';
import { readReport } from './report';

const reports = readReport();

describe.each(['import', 'require'] as const)('by %s', (format) => {
  const report = reports[format];

  it('every entry exports something, and nothing undefined', () => {
    expect(Object.values(report.names).filter((names) => names.length === 0)).toEqual([]);
    expect(report.undefined).toEqual([]);
  });

  it('all of ./operators is also in the main entry, as the same values', () => {
    expect(report.differing).toEqual([]);
  });

  it('an error out of ./operators is an instance of the class in the main entry', () => {
    expect(report.instances).toEqual(['EmptyStreamError', 'CircuitOpenError']);
  });

  it('its errors are known to the guards of the other format', () => {
    expect(report.knownToOtherFormat).toEqual(['EmptyStreamError', 'CircuitOpenError']);
  });
});

it('both formats export the same names', () => {
  expect(reports.require.names).toEqual(reports.import.names);
});
