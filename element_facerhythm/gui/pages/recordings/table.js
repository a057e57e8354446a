// Rows of the table: chosen, in order, and as many of them in the page as fit.

export const ROW_PX = 34;

export class Table {
  constructor(columns) {
    this.columns = columns;
    this.nRows = columns[0]?.values.length ?? 0;
    this.byName = Object.fromEntries(columns.map((one) => [one.name, one]));
    this.sorted = { name: columns[0]?.name, isFalling: false };
    this.shown = [];
  }

  value(name, row) {
    return this.byName[name]?.values[row] ?? null;
  }

  isNumeric(name) {
    return this.byName[name].values.some((value) => typeof value === "number");
  }

  /** Rows whose texts hold all words, whose verdict is wanted, and that lie within a brushed area. */
  choose({ words, verdicts, brush }) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = this.columns.filter((one) => !this.isNumeric(one.name));
    const rows = [];
    for (let row = 0; row < this.nRows; row++) {
      const verdict = this.value("verdict", row);
      if (verdict !== null && !verdicts.has(verdict)) continue;
      if (wanted.length) {
        const said = texts.map((one) => one.values[row] ?? "").join(" ").toLowerCase();
        if (!wanted.every((word) => said.includes(word))) continue;
      }
      if (brush && !brush(row)) continue;
      rows.push(row);
    }
    this.shown = this.#inOrder(rows);
  }

  sortBy(name) {
    const isSame = this.sorted.name === name;
    this.sorted = { name, isFalling: isSame && !this.sorted.isFalling };
  }

  #inOrder(rows) {
    const { name, isFalling } = this.sorted;
    const { values } = this.byName[name] ?? { values: [] };
    const grave = { red: 0, warn: 1, unknown: 2, ok: 3 };
    const key = (row) => (name === "verdict" ? grave[values[row]] : values[row]);
    const isLess = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === y) return a - b;
      if (x === null || x === undefined) return 1; // what is not known comes last, either way
      if (y === null || y === undefined) return -1;
      const order = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
      return (isFalling ? -order : order) || a - b;
    };
    return rows.sort(isLess);
  }
}

export function formatted(value) {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}
