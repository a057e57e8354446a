"""Pages in the browser: draw regions of interest, look at results; a small server on this machine alone.

Nothing of DataJoint is imported here. The server is a thin layer: every number that a page shows comes from
the function that the command line and the tables use.
"""
