// Dialogs: the keys, and the code that gives the numbers that are shown.

import { draw, html } from "../common/view.js";

export function showHelp(element, keys) {
  draw(html`<h2>Keys</h2>
    <dl>${keys.map(({ shown, says }) => html`
      <dt>${shown.map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${says}</dd>`)}</dl>
    <p class="soft">Over time: drag to zoom, click to go there, double click for all, Ctrl and wheel to zoom,
      Shift and wheel to move. On the face: click a point, Ctrl and wheel to zoom, drag to move.</p>
    <form method="dialog"><button autofocus>Close</button></form>`, element);
  element.showModal();
  element.scrollTop = 0; // the focus, on the button at the end, has scrolled it
}

export function showQuery(element, { python, sql, has_key: hasKey }) {
  const block = (says, text) => html`<h2>${says}</h2><pre class="command" tabindex="0">${text}</pre>
    <p><button onClick=${() => navigator.clipboard?.writeText(text)}>Copy</button></p>`;
  draw(html`${block(hasKey ? "Python, from the rows and the project directory" : "Python, from the project directory", python)}${block(hasKey ? "SQL, from the database, with the key of this row" : "SQL, from a database", sql)}
    <form method="dialog"><button autofocus>Close</button></form>`, element);
  element.showModal();
}

export function showShare(element, { figures, base }, save) {
  draw(html`<h2>Share</h2>
    <p><button class="primary" onClick=${save}>Save a snapshot</button></p>
    <p class="soft">One HTML file of what is shown now: pictures, and the numbers in them as tables. It needs neither this
      server nor the internet.</p>
    <h2>Figures of the whole recording, as SVG</h2>
    <ul class="figures">${figures.map((name) => html`<li><a href=${`${base}/figures/${encodeURIComponent(name)}.svg`}
      download=${`${name}.svg`}>${name}</a></li>`)}</ul>
    <p class="soft">Other formats: <code>facerhythm figures</code></p>
    <form method="dialog"><button autofocus>Close</button></form>`, element);
  element.showModal();
}
