/** The element of the page with this id. @throws Error if the page has none of that kind */
export function byId<E extends HTMLElement = HTMLElement>(
  id: string,
  Kind: new () => E = HTMLElement as unknown as new () => E,
): E {
  const element = document.getElementById(id);
  if (element instanceof Kind) return element;
  throw new Error(`the page has no ${Kind.name} #${id}`);
}

/** Makes an element. A property that is `true` is an attribute with no value; one that is `false` is left out. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string | boolean>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** Writes a text where it is another one: to write the same one would cost a layout. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** The same for an attribute. */
export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Says whether a button does something now. It stays focusable: the focus must not be lost with a press of it. */
export function setAvailable(button: HTMLButtonElement, is: boolean): void {
  setAttribute(button, 'aria-disabled', String(!is));
}

export const isAvailable = (button: HTMLButtonElement): boolean => button.getAttribute('aria-disabled') !== 'true';
