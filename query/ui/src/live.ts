/** Repeats while the page is looked at: soon while something runs, rarely otherwise. */

export function live(step: () => Promise<boolean>, signal: AbortSignal): void {
  const next = (busy: boolean): void => {
    if (signal.aborted) return;
    setTimeout(async () => {
      if (signal.aborted) return;
      if (document.hidden) return next(busy);
      next(await step().catch(() => true));
    }, busy ? 1000 : 5000);
  };
  void step().then(next, () => next(true));
}
