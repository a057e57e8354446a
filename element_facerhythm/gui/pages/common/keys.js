// Keys of a page: one table that acts on them and that `?` shows.

/** Name of a key as the table has it: "Ctrl+z", "Shift+ArrowLeft", "Space". */
export function nameOf(event) {
  const key = event.key === " " ? "Space" : event.key;
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const shift = event.shiftKey && (key.length > 1 || control) ? "Shift+" : "";
  return control + (event.altKey ? "Alt+" : "") + shift + (control ? key.toLowerCase() : key);
}

/**
 * Act on keys: `table` is a list of {keys: [...], says, run(event)}; what is typed into fields is left alone, but for
 * entries that hold `everywhere`.
 */
export function listenToKeys(table, target = window) {
  target.addEventListener("keydown", (event) => {
    const element = event.target;
    const name = nameOf(event);
    if (["Space", "Enter"].includes(name) && element.closest?.("button, a, summary")) return;
    const entry = table.find((one) => one.keys.includes(name));
    const isField = element.closest?.("input:not([type=range]), textarea, select, [contenteditable]");
    if (!entry || (isField && !entry.everywhere)) return;
    if (isField) { // so that what was typed so far counts
      element.blur();
      element.focus();
    }
    if (document.querySelector("dialog[open]")) return;
    if (entry.run(event) !== false) event.preventDefault();
  });
}
