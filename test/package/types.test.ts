import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, inject, it } from 'vitest';
import { readReport } from './report';

const consumer = inject('consumer');
const { names } = readReport().import;
const { Bundler, Node16, NodeNext } = ts.ModuleResolutionKind;
const RESOLUTIONS = {
  node16: { module: ts.ModuleKind.Node16, moduleResolution: Node16 },
  nodenext: { module: ts.ModuleKind.NodeNext, moduleResolution: NodeNext },
  bundler: { module: ts.ModuleKind.Preserve, moduleResolution: Bundler },
};

/** Compiles files of the consumer, with everything relative to its folder (where TypeScript looks for @types, too). */
const compile = (files: readonly string[], options: ts.CompilerOptions): ts.Program =>
  ts.createProgram(
    files.map((file) => join(consumer, file)),
    {
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      ...options,
    },
    { ...ts.createCompilerHost({}), getCurrentDirectory: () => consumer },
  );

/** What TypeScript says of the consumer's files and the package's own .d.ts; other packages' are not ours to check. */
const complaints = (program: ts.Program): string[] =>
  [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...program
      .getSourceFiles()
      .filter(({ fileName }) => fileName.startsWith(consumer))
      .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ].map(({ file, messageText }) => `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);

for (const name of ['use', 'use-testing']) copyFileSync(join(consumer, `${name}.mts`), join(consumer, `${name}.cts`));

describe.each(Object.entries(RESOLUTIONS))('under %s', (_, options) => {
  it('. and ./operators compile in .mts and .cts files, without the types of Node', () => {
    const program = compile(['use.mts', 'use.cts'], options);
    expect(program.getSourceFiles().filter(({ fileName }) => fileName.includes('rx-weir/dist'))).not.toEqual([]);
    expect(complaints(program)).toEqual([]);
  });

  it('./testing compiles in .mts and .cts files', () => {
    expect(complaints(compile(['use-testing.mts', 'use-testing.cts'], { ...options, types: ['node'] }))).toEqual([]);
  });
});

/** Whether an export has a value: it names one, and no `export type` on the way to it takes the value away. */
function isValue(checker: ts.TypeChecker, symbol: ts.Symbol): boolean {
  if (!(symbol.flags & ts.SymbolFlags.Alias)) return (symbol.flags & ts.SymbolFlags.Value) !== 0;
  const typeOnly = symbol.declarations?.some((one) => ts.isTypeOnlyImportOrExportDeclaration(one));
  const target = checker.getImmediateAliasedSymbol(symbol);
  return !typeOnly && target !== undefined && isValue(checker, target);
}

it.each(['.d.ts', '.d.cts'])('the %s files declare the values that the entries have', (extension) => {
  const files = { main: 'index', operators: 'operators/index', testing: 'testing/index' };
  const paths = Object.entries(files).map(([entry, path]) => [entry, `node_modules/rx-weir/dist/${path}${extension}`]);
  const program = compile(Object.values(Object.fromEntries(paths)), { ...RESOLUTIONS.node16, types: ['node'] });
  const checker = program.getTypeChecker();
  const declared = paths.map(([entry, path = '']) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(join(consumer, path))!)!;
    const values = checker.getExportsOfModule(module).filter((one) => isValue(checker, one));
    return [entry, values.map(({ name }) => name).sort()];
  });
  expect(Object.fromEntries(declared)).toEqual(names);
});
