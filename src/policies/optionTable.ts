import { numberOption } from './options';

type Row = readonly [otherwise: number | undefined, rules?: Parameters<typeof numberOption>[2]];

/**
 * The numbers of a config, checked, by a table of their defaults and rules. Without a default an option may be missing.
 *
 * @throws TypeError | RangeError naming the option and the value
 */
export function numberOptions<T extends Record<string, Row>>(
  config: object,
  table: T,
): { readonly [K in keyof T]: T[K][0] extends number ? number : number | undefined } {
  const checked: Record<string, number | undefined> = {};
  for (const [name, [otherwise, rules]] of Object.entries(table)) {
    const value = (config as Record<string, unknown>)[name];
    checked[name] = value === undefined ? otherwise : numberOption(name, value, rules);
  }
  return checked as { [K in keyof T]: number };
}

/** @throws TypeError if one option is given without the other (or any of several) that it needs */
export function needs<C extends object>(config: C, name: keyof C & string, ...others: (keyof C & string)[]): void {
  if (config[name] !== undefined && others.every((other) => config[other] === undefined)) {
    throw new TypeError(`${name} needs ${others.join(' or ')}`);
  }
}
