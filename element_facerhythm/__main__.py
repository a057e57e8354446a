"""`python -m element_facerhythm` is `facerhythm`."""

from element_facerhythm.cli import main

if __name__ == "__main__":
    main()
