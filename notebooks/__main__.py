"""Execute the notebooks and keep what they show: `python notebooks [DIR]`, beside their sources or in DIR.

Each runs in an empty database of its own, so that its outputs are those of a first run. What is of one
machine or one moment is not kept, and a path in an output is an error.
"""

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
TIMEOUT_S = 1200
WIDTH_PX, N_COLOURS = 1000, 128
MACHINE = re.compile(r"/(tmp|home|root|var|work|Users)/|0x[0-9a-f]{8,}")


def execute(source: Path) -> nbformat.NotebookNode:
    """Run a notebook's source; its cells get their outputs."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    NotebookClient(
        notebook, timeout=TIMEOUT_S, kernel_name="python3", store_widget_state=False
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            require_no_machine(source, cell)
            shrink_pictures(cell)
    notebook.metadata.pop("language_info", None)
    return notebook


def require_no_machine(source: Path, cell: nbformat.NotebookNode) -> None:
    """Stop where an output tells of the machine that it was made on."""
    for output in cell.outputs:
        texts = [output.get("text", ""), *map(str, output.get("data", {}).values())]
        found = next(
            (m for t in texts for m in [MACHINE.search(t)] if m and not is_picture(t)), None
        )
        if found is not None:
            sys.exit(
                f"{source}: an output holds {found.group()!r}; show something else:\n{cell.source}"
            )


def is_picture(text: str) -> bool:
    """Whether an output is a PNG, whose letters mean nothing."""
    return text.startswith("iVBOR")


def shrink_pictures(cell: nbformat.NotebookNode) -> None:
    """Make pictures small enough to be kept in a repository."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
            if picture.width > WIDTH_PX:
                height_px = round(picture.height * WIDTH_PX / picture.width)
                picture = picture.resize((WIDTH_PX, height_px), Image.Resampling.LANCZOS)
            small = io.BytesIO()
            picture.quantize(N_COLOURS).save(small, "png", optimize=True)
            data["image/png"] = base64.b64encode(small.getvalue()).decode()


def main() -> None:
    """Execute every notebook."""
    out_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="facerhythm-notebooks-") as home:
        for name in [name for name in os.environ if name.startswith(("DJ_", "FACERHYTHM_"))]:
            del os.environ[name]
        os.environ |= {
            "DJ_IGNORE_CONFIG_FILE": "true",
            "DJ_LOG_STREAM": "stderr",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "FACERHYTHM_EMBEDDED_DIR": f"{home}/server",
            "XDG_DATA_HOME": f"{home}/data",
        }
        from element_facerhythm.database import embedded

        for source in sorted(HERE.glob("[a-z]*.py")):
            try:
                jupytext.write(execute(source), out_dir / source.with_suffix(".ipynb").name)
            finally:
                embedded.destroy()
            sys.stdout.write(f"{source} was executed\n")


main()
