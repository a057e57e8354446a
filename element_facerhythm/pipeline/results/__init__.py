"""Results in a project directory: summarised, judged, compared with what was entered, drawn."""
