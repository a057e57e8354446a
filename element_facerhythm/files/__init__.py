"""Files, texts and values from any source: opened safely, within limits, made plain, known by content."""
