// Two components side by side: maps, spectra and numbers in one scale; their time courses stand in the panel.

import { html } from "../common/view.js";
import { canvasOf, drawMap, drawSpectra, hertz, percent } from "./cards.js";
import { lineColour } from "./colours.js";
import { divisorsOf } from "./scales.js";

const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

export function compareView(page, act) {
  const { model, state, geometry, frame, summary } = page;
  if (!model || state.component === null || model.components.length < 2) return null;
  const pair = state.compare === null ? null : [state.component, state.compare];
  return html`<section class="card" aria-label="Compare two components"><h2>Compare</h2>
    <div class="row"><label>component ${state.component} with
      <select id="compare" onChange=${(event) => act.compareWith(event.target.value === "" ? null : +event.target.value)}>
        <option value="" selected=${pair === null}>none</option>
        ${model.components.map((one, n) => n !== state.component &&
          html`<option value=${n} selected=${state.compare === n}>component ${n}, ${hertz(one.peak_frequency_hz)}</option>`)}
      </select></label> <kbd>x</kbd></div>
    ${pair === null ? html`<p class="soft">Or click another card with Shift.</p>` : both()}</section>`;

  function both() {
    const divisors = divisorsOf(model, false);
    const facts = { model, positions: geometry.arrays.positions, frame, frequencies: geometry.arrays.frequencies, divisors };
    const numbers = summary?.models[state.model]?.components;
    return html`<div class="pair">${pair.map((component) => html`<figure key=${component}>
        <canvas class="map" ref=${canvasOf(drawMap, { ...facts, component, size: 132 })} role="img"
          aria-label=${`Map of component ${component}`}></canvas>
        <figcaption><i class="swatch" style=${`background: ${lineColour(component)}`}></i> component ${component},
          ${" "}${hertz(model.components[component].peak_frequency_hz)}</figcaption></figure>`)}</div>
      <canvas class="spectra" ref=${canvasOf(drawSpectra, { ...facts, components: pair, height: 110 })} role="img"
        aria-label=${`Spectra of components ${pair.join(" and ")} in one scale`}></canvas>
      <table class="pair-numbers"><thead><tr><td></td>${pair.map((n) => html`<th scope="col">${n}</th>`)}</tr></thead><tbody>
        ${[["explains", (own) => percent(own?.explained_variance, 1)], ["r²", (own) => number(own?.squared_correlation)],
          ["stable", (own) => number(own?.stability)]].map(([says, of]) => html`<tr><th scope="row">${says}</th>
          ${pair.map((n) => html`<td>${of(numbers?.[n])}</td>`)}</tr>`)}
      </tbody></table>
      <p class="soft">Maps, spectra and time courses of both are on the scale of all components.</p>`;
  }
}
