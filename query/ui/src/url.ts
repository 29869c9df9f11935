/** The view's state is in the URL, so every view is a link. */

export function read(name: string): string | null {
  return new URLSearchParams(location.search).get(name);
}

export function write(changes: Record<string, string | null>): void {
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") parameters.delete(name);
    else parameters.set(name, value);
  }
  const query = parameters.toString().replaceAll("%2C", ",").replaceAll("%2F", "/");
  history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}`);
}

/** The path of a project's (p) or run's (r) page. */
export function page(kind: "p" | "r", name: string): string {
  return `/${kind}/${name.split("/").map(encodeURIComponent).join("/")}`;
}
