"""How the pages look: dark or light as the reader's system is, on a telephone as on a wide screen."""

STYLE = """
:root { --ink: #222; --quiet: #666; --line: #ddd; --paper: #fff; --block: #f5f5f3; --link: #00588a;
  --blue: #0072b2;  --ok: #0b6e4f; --warn: #8a5a00; --red: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e2; --quiet: #a0a0a0; --line: #3a3d42; --paper: #16181d; --block: #1f2228;
    --link: #6fb7e6; --blue: #4aa3df; --ok: #4cc38a; --warn: #e6a23c; --red: #ff7b72; } }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 74rem; margin: 0 auto; padding: 1.5rem clamp(.9rem, 4vw, 2rem) 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
h1, h2, h3, dd, li, p { overflow-wrap: anywhere; }
a { color: var(--link); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; color: var(--quiet); padding-bottom: .3rem; }
th, td { padding: .25rem .75rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; } td.number { white-space: nowrap; }
td { min-width: 3rem; max-width: 34rem; overflow-wrap: break-word; } td.long { min-width: 15rem; }
dl { margin: .4rem 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap:
.2rem 1.5rem; } dl div { display: flex; gap: .6rem; border-bottom: 1px solid var(--line); padding: .2rem 0; }
dt { color: var(--quiet); flex: 0 0 auto; } dd { margin: 0; margin-left: auto; text-align: right; }
pre { background: var(--block); padding: .8rem 1rem; overflow-x: auto; font-size: 13px; border-radius: 4px; }
code, .digest { font: 12px/1.5 ui-monospace, monospace; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); }
figure { margin: 1rem 0 1.6rem; } figcaption { color: var(--quiet); font-size: 13px; }
figure svg, figure video, figure img { display: block; width: 100%; height: auto; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
figure svg text { fill: var(--ink); }
.verdict { font-weight: 600; } .ok { color: var(--ok); } .warn { color: var(--warn); }
.red { color: var(--red); } .unknown { color: var(--quiet); }
@media (max-width: 600px) { figure { overflow-x: auto; } figure svg { min-width: 640px; } }
@media print { details { display: block; } }
"""
