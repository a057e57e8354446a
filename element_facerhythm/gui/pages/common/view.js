// preact and htm in one: html`<p>${text}</p>`, drawn into an element by `draw`.

import { h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);

export function draw(view, element) {
  render(view, element);
}

/** A state whose every change draws the page again, at most once a frame. */
export function keep(state, redraw) {
  let waiting = false;
  return {
    get: () => state,
    set(changes) {
      state = { ...state, ...changes };
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        redraw(state);
      });
    },
  };
}

/** A colour of common.css as canvases take it: computed, for the scheme that is shown. */
export function colourOf(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
