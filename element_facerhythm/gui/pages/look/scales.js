// What loadings are drawn as a share of: the largest of all components, as in the figures, or each component's own.

const KINDS = ["maps", "spectra", "courses"];

export const SCALE_NAMES = { common: "one for all components", own: "each to its own maximum" };

/** By kind, what the loadings of each component are divided by, so that 1 is the largest that is drawn. */
export function divisorsOf(model, isOwn) {
  const divisors = {};
  KINDS.forEach((kind, place) => {
    const factors = model.scales.map((own) => own[place] ?? 0);
    const largest = model.largest.map((own) => own[place] ?? 0);
    const top = Math.max(...largest.map((value, n) => value * factors[n]));
    divisors[kind] = largest.map((own, n) => (isOwn || !(top > 0) ? own || 1 : factors[n] > 0 ? top / factors[n] : Infinity));
  });
  return divisors;
}

/** How many times a curve that is small on the common scale is enlarged, to be drawn once more, dotted; 1 is not. */
export function enlargement(largest) {
  if (!(largest > 0) || largest >= 0.2) return 1;
  const power = 10 ** Math.floor(Math.log10(1 / largest));
  return Math.max(...[1, 2, 5].map((step) => step * power).filter((factor) => factor <= 1 / largest));
}
