import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import rxjsX from 'eslint-plugin-rxjs-x';
import tseslint from 'typescript-eslint';

const LIBRARY = ['src/**/*.ts', 'operators/**/*.ts'];
const TESTING = ['src/testing/**/*.ts'];
const TESTS = ['test/**/*.ts'];

// Time is an argument and chance an option: what reads them by itself cannot run in virtual time.
const timers = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame'];
const clocks = [
  ['Date', 'now'],
  ['performance', 'now'],
  ['Math', 'random'],
  ...timers.map((name) => ['globalThis', name]),
];
const useTheScheduler = 'Use the scheduler, the `now` argument or `random`: this must run in virtual time.';
// `globalThis.process?.env` is the way to an optional one.
const nodeGlobals = ['process', 'Buffer', 'global', 'require', '__dirname', '__filename'].map((name) => ({
  name,
  message: 'The library runs in browsers too; only src/testing is for Node alone.',
}));

const deepRxjs = {
  regex: '^rxjs/(?!testing$)',
  message: "Import from 'rxjs': deep imports are not its public interface.",
};
const noNode = { regex: '^node:', message: 'Only src/testing may import Node modules.' };
const restrictedImports = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

export default defineConfig(
  // The apps have a TypeScript of their own, and packages that are not installed here.
  globalIgnores(['react', 'vue', 'svelte', 'angular'].map((app) => `examples/${app}`)),
  globalIgnores(['dist', 'coverage', '.ci-out']),
  js.configs.recommended,
  { files: ['**/*.{js,mjs}'], languageOptions: { globals: { console: 'readonly', URL: 'readonly' } } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked, rxjsX.configs.recommended],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: new URL('..', import.meta.url).pathname },
    },
    rules: {
      ...restrictedImports(deepRxjs),
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNever: true },
      ],
      // A raw error is whatever was thrown, and is passed on as it is.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // Option callbacks are declared as methods, so that a user may type their value; none uses `this`.
      '@typescript-eslint/unbound-method': 'off',
      // A class here is a name for its public part; error classes are told apart by their brand.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // It does not see that a synchronous callback changed the flag that is asked right behind it.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // tsc has noUnusedLocals and noUnusedParameters; both tools would be told about each exception.
      '@typescript-eslint/no-unused-vars': 'off',
      // It stands where an invariant says more than the type can (noUncheckedIndexedAccess), at no cost in size.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `||` is meant where '' or 0 count as absent, as in environment variables.
      '@typescript-eslint/prefer-nullish-coalescing': 'off',
      // Spreading a string gives its code points, which is what is wanted.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // `['key']` shows that nothing but an index signature vouches for the key.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      // Only taste: `return done();` leaves early, an index signature may name its key, `() => {}` needs no comment.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      // A getter is no property of each instance, which a field is.
      '@typescript-eslint/class-literal-property-style': 'off',
    },
  },
  {
    files: LIBRARY,
    extends: [rxjsX.configs.strict],
    rules: {
      ...restrictedImports(deepRxjs, noNode),
      'no-console': 'error',
      'no-restricted-globals': ['error', ...nodeGlobals],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      // signals$ is a BehaviorSubject, subclassed, and public: that is the contract. What is internal cannot be imported.
      'rxjs-x/no-subclass': 'off',
      'rxjs-x/no-exposed-subjects': 'off',
      // Timers and signals$ never error; any other error that nobody handles fails a test (test/support/unhandled.ts).
      'rxjs-x/no-ignored-error': 'off',
    },
  },
  { files: TESTING, rules: { ...restrictedImports(deepRxjs), 'no-restricted-globals': 'off' } },
  {
    files: ['operators/**/*.ts', 'src/policies/**/*.ts', 'src/signals/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...nodeGlobals, ...timers.map((name) => ({ name, message: useTheScheduler }))],
      'no-restricted-properties': [
        'error',
        ...clocks.map(([object, property]) => ({ object, property, message: useTheScheduler })),
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: useTheScheduler },
      ],
    },
  },
  // The one default clock.
  { files: ['src/policies/options.ts'], rules: { 'no-restricted-properties': 'off' } },
  {
    files: TESTS,
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo)$/]',
          message: 'Every test runs, always.',
        },
      ],
      // Tests reach into parsed JSON and mocks, throw anything, and know what they put into an array.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      // They throw RxJS's own errors, too, whose constructors are deprecated.
      '@typescript-eslint/no-deprecated': 'off',
      // Subscribing inside a callback is what re-entrancy tests are made of.
      'rxjs-x/no-nested-subscribe': 'off',
      'rxjs-x/no-subscribe-in-pipe': 'off',
      'rxjs-x/throw-error': 'off',
    },
  },
);
