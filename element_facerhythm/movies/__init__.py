"""Movies of results: what was found, drawn on the frames that it was found in."""
