// Keys of the page for drawing.

import { draw, html } from "../common/view.js";
import { TOOLS } from "./editor.js";

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function keyTable(actions) {
  const editor = actions.editor;
  const isOnCanvas = (event) => event.target === actions.sheet().canvas;
  const arrows = (keys, by, frameBy) => ({
    keys,
    run: (event) => {
      const [dx, dy] = MOVES[event.key];
      if (isOnCanvas(event) && editor().nudge(dx * by, dy * by)) return true;
      if (!dx || event.target.type === "range") return false;
      actions.frames().pause();
      actions.frames().step(dx * frameBy);
      return true;
    },
  });
  const named = Object.keys(MOVES);
  return [
    { keys: ["?"], says: "these keys", run: actions.help },
    ...Object.entries(TOOLS).map(([tool, { key, says }]) => ({
      keys: [key], says: `${says.toLowerCase()} tool`,
      run: () => (key === "b" && actions.blink()) || editor().use(tool),
    })),
    { keys: ["B"], says: "both recordings in turn, while regions of one are copied (b as well)", run: () => actions.blink() },
    { ...arrows(named, 1, 1), says: "frame by frame; on the picture, move the pen, the vertex or the region" },
    { ...arrows(named.map((name) => `Shift+${name}`), 10, 10), says: "ten at a time" },
    { keys: ["Ctrl+arrowleft"], says: "100 frames back", run: () => actions.frames().step(-100) },
    { keys: ["Ctrl+arrowright"], says: "100 frames on", run: () => actions.frames().step(100) },
    {
      keys: ["Space"],
      says: "play or pause; on the picture with a drawing tool, set a vertex or a corner",
      run: (event) => {
        if (isOnCanvas(event) && editor().press()) return;
        const frames = actions.frames();
        if (frames.isPlaying) frames.pause();
        else frames.play();
        actions.page.set({});
      },
    },
    { keys: ["Enter"], says: "close the polygon", run: () => (editor().draft.length ? editor().close() : false) },
    {
      keys: ["Backspace", "Delete"],
      says: "take the last vertex back; delete the vertex or the region that is selected",
      run: () => (editor().draft.length ? editor().takeBack() : editor().remove()),
    },
    { keys: ["n"], says: "next vertex of the region", run: () => editor().nextVertex(1) },
    { keys: ["N"], says: "vertex before", run: () => editor().nextVertex(-1) },
    { keys: ["Escape"], says: "leave what is being drawn; select nothing", run: () => editor().escape() },
    { keys: ["Ctrl+z"], says: "undo", run: () => editor().undo() },
    { keys: ["Ctrl+Shift+z", "Ctrl+y"], says: "redo", run: () => editor().redo() },
    { keys: ["Ctrl+s"], says: "save", everywhere: true, run: () => void actions.save() },
    { keys: ["1"], says: "show the frame", run: () => actions.background("frame") },
    { keys: ["2"], says: "show the mean", run: () => actions.background("mean") },
    { keys: ["3"], says: "show where gray levels vary", run: () => actions.background("deviation") },
    { keys: ["4"], says: "show where it moves", run: () => actions.background("energy") },
    { keys: ["+", "="], says: "larger", run: () => actions.sheet().zoom(1.25) },
    { keys: ["-"], says: "smaller", run: () => actions.sheet().zoom(0.8) },
    { keys: ["0"], says: "the whole frame", run: () => actions.sheet().fit() },
  ];
}

export function showHelp(table) {
  const dialog = document.querySelector("#help");
  draw(html`
    <h1 id="help-title">Keys</h1>
    <dl>${table.map((entry) => html`
      <dt>${entry.keys.slice(0, 4).map((key) => html`<kbd>${shown(key)}</kbd> `)}</dt><dd>${entry.says}</dd>`)}
    </dl>
    <button autofocus onClick=${() => dialog.close()}>Close</button>`, dialog);
  dialog.showModal();
  dialog.scrollTop = 0; // the focus, on the button at the end, has scrolled it
}

function shown(key) {
  const arrows = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  const name = Object.entries(arrows).reduce((text, [word, sign]) => text.replace(new RegExp(word, "i"), sign), key);
  return name.replace("Ctrl+", "Ctrl ").replace("Shift+", "Shift ");
}
