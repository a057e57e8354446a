"""Sizes of files as people read them."""


def human_size(n_bytes: int) -> str:
    """Return a size in decimal units, as file managers show it."""
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
