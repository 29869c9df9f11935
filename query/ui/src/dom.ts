/** Elements by function call: the whole view layer. */

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

/** Makes an element; `on…` props are listeners, `class` and `data-…` attributes, the rest properties. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "style") element.style.cssText = String(value);
    else if (name in element && !name.includes("-")) (element as unknown as Props)[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, String(value));
  }
  element.append(...children.flat().filter((child): child is Node | string => Boolean(child) || child === ""));
  return element;
}

/** Replaces what is in an element. */
export function fill(element: Element, ...children: (Child | Child[])[]): void {
  element.replaceChildren(...children.flat().filter((child): child is Node | string => Boolean(child)));
}
