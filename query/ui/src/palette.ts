/** Colours of curves: twelve hues of even lightness, legible on light and dark. Fixed by the run's name. */

const HUES = [221, 14, 158, 268, 42, 330, 190, 95, 0, 248, 174, 60];

export function colour(index: number, alpha = 1): string {
  const hue = HUES[index % HUES.length]!;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return `hsl(${hue} ${dark ? 78 : 68}% ${dark ? 64 : 46}% / ${alpha})`;
}
