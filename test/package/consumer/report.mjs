// Loads every entry by `import` and by `require`, and prints as JSON what a user of each would see.
import { createRequire } from 'node:module';
import { EMPTY, NEVER } from 'rxjs';
import * as main from 'rx-weir';
import * as operators from 'rx-weir/operators';
import * as testing from 'rx-weir/testing';

const require = createRequire(import.meta.url);
const formats = {
  import: { main, operators, testing },
  require: {
    main: require('rx-weir'),
    operators: require('rx-weir/operators'),
    testing: require('rx-weir/testing'),
  },
};

const errorOf = (source) => {
  let caught;
  source.subscribe({ error: (error) => (caught = error) }).unsubscribe();
  return caught;
};

const errorsOf = ({ main, operators }) => {
  const breaker = new main.CircuitBreaker();
  breaker.isolate();
  return {
    EmptyStreamError: errorOf(EMPTY.pipe(operators.verifyComplete())),
    CircuitOpenError: errorOf(NEVER.pipe(operators.circuitBreak(breaker))),
  };
};

const report = {};
for (const [format, entries] of Object.entries(formats)) {
  const other = formats[format === 'import' ? 'require' : 'import'];
  const errors = errorsOf(entries);
  report[format] = {
    names: Object.fromEntries(Object.entries(entries).map(([entry, exports]) => [entry, Object.keys(exports).sort()])),
    undefined: Object.values(entries).flatMap((exports) =>
      Object.keys(exports).filter((name) => exports[name] === undefined),
    ),
    differing: Object.keys(entries.operators).filter((name) => entries.operators[name] !== entries.main[name]),
    instances: Object.keys(errors).filter((name) => errors[name] instanceof entries.main[name]),
    knownToOtherFormat: Object.keys(errors).filter((name) => other.main.isWeirError(errors[name])),
  };
}
console.log(JSON.stringify(report));
