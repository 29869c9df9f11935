/** URLs of a run's files, asked for together and kept while they work. */

import { fileLinks, type FileLink } from "./api";

const KEPT_MS = 50 * 60 * 1000; // they work for an hour
const AT_ONCE = 500;

export class Links {
  private readonly known = new Map<string, { at: number; link: Promise<FileLink | undefined> }>();
  private waiting = new Map<string, (link: FileLink | undefined) => void>();

  constructor(private readonly run: string) {}

  /** The link to a path; undefined if the run has no such file. */
  get(path: string): Promise<FileLink | undefined> {
    const known = this.known.get(path);
    if (known && Date.now() - known.at < KEPT_MS) return known.link;
    const link = new Promise<FileLink | undefined>((resolve) => {
      if (this.waiting.size === 0) setTimeout(() => void this.ask());
      this.waiting.set(path, resolve);
    });
    this.known.set(path, { at: Date.now(), link });
    return link;
  }

  private async ask(): Promise<void> {
    const waiting = this.waiting;
    this.waiting = new Map();
    const paths = [...waiting.keys()];
    for (let start = 0; start < paths.length; start += AT_ONCE) {
      const part = paths.slice(start, start + AT_ONCE);
      const links = await fileLinks(this.run, part).catch(() => null);
      const found = new Map((links ?? []).map((link) => [link.path, link]));
      for (const path of part) {
        if (!found.has(path)) this.known.delete(path); // it may come yet
        waiting.get(path)!(found.get(path));
      }
    }
  }
}
