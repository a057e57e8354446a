"""`python -m element_facerhythm.cli`: the command of this very Python, wherever its scripts lie."""

from element_facerhythm.cli import main

main()
