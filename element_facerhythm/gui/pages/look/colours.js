// Colours that can be told apart with every common kind of colour blindness (Okabe and Ito; magma for amounts).

const LIGHT = ["#0072b2", "#c84e00", "#00845f", "#b0568c", "#a87200", "#2e86c1", "#6b6b00", "#5a5e63"];
const DARK = ["#5ab4ee", "#ff8a4c", "#35c99a", "#e8a3cc", "#f2b632", "#9ad6f7", "#c6c64a", "#c3c8ce"];
const MAGMA = ["#000004", "#1c1044", "#4f127b", "#812581", "#b5367a", "#e55064", "#fb8761", "#fec287", "#fcfdbf"];

export const ON_FACE = { point: "#7fd4ff", arrow: "#ffb000", flag: "#ff5c1a", region: "#c9ecff", picked: "#ffffff" };

const darkness = matchMedia("(prefers-color-scheme: dark)");
export const isDark = () => darkness.matches;
export const onTheme = (redraw) => darkness.addEventListener("change", redraw);

export function lineColour(index) {
  const colours = isDark() ? DARK : LIGHT;
  return colours[index % colours.length];
}

/** A colour of the page's own, as canvases need it. */
export function pageColour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

const rgb = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));

/** 256 colours of magma, as bytes and as CSS. */
export const RAMP = new Uint8Array(256 * 3);
export const RAMP_CSS = [];
for (let level = 0; level < 256; level++) {
  const place = (level / 255) * (MAGMA.length - 1);
  const below = Math.min(Math.floor(place), MAGMA.length - 2);
  const [low, high] = [rgb(MAGMA[below]), rgb(MAGMA[below + 1])];
  const mixed = low.map((value, n) => Math.round(value + (high[n] - value) * (place - below)));
  RAMP.set(mixed, 3 * level);
  RAMP_CSS.push(`rgb(${mixed.join(" ")})`);
}
