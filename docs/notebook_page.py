"""Hook of MkDocs: the notebook becomes a page, with the outputs that it was committed with."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "tutorial.ipynb"
PAGE = "tutorial/notebook.md"
HEAD = (
    "This page is the notebook [`tutorial.ipynb`](tutorial.ipynb), as it was executed; a copy runs with no "
    "further settings (`pip install 'element-facerhythm[notebook]'`, then `jupyter notebook`)."
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page, its pictures and the notebook itself."""
    pictures: dict[str, bytes] = {}
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    parts = [part for cell in cells for part in markdown_of(cell, pictures)]
    parts.insert(1, HEAD)
    contents: dict[str, str | bytes] = {
        PAGE: "\n\n".join(parts) + "\n",
        "tutorial/tutorial.ipynb": NOTEBOOK.read_bytes(),
        **{f"tutorial/{name}": picture for name, picture in pictures.items()},
    }
    for path, content in contents.items():
        files.append(File.generated(config, path, content=content))
    return files


def markdown_of(cell: dict[str, Any], pictures: dict[str, bytes]) -> Iterator[str]:
    """Yield the paragraphs of a cell; pictures among its outputs are put into `pictures` by name."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        heading, _, rest = source.partition("\n")
        yield from (
            (text for text in (heading, rest.strip()) if text) if heading[:1] == "#" else (source,)
        )
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            name = f"notebook-{len(pictures)}.png"
            pictures[name] = base64.b64decode("".join(data["image/png"]))
            yield f"![What the lines above draw]({name})"
        else:
            text = "".join(output.get("text") or data["text/plain"])
            yield f"```text\n{text.rstrip()}\n```"
