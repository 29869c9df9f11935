/** Repeats while the page is looked at: soon while something runs, rarely otherwise; says when it fails. */

import { ApiError } from "./api";
import { banner } from "./banner";

export function live(step: () => Promise<boolean>, signal: AbortSignal): void {
  const once = async (): Promise<boolean> => {
    try {
      const busy = await step();
      if (!signal.aborted) banner(null);
      return busy;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!signal.aborted) banner(error.message);
      return true;
    }
  };
  const next = (busy: boolean): void => {
    if (signal.aborted) return;
    setTimeout(async () => {
      if (signal.aborted) return;
      if (document.hidden) return next(busy);
      next(await once());
    }, busy ? 1000 : 5000);
  };
  void once().then(next);
}
