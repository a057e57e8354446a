"""Components of several sessions of one animal, brought into one frame and told which is which.

Pictures are registered to that of one session (`registration`), maps and spectra brought onto a common
lattice and a common axis (`common_axes`), pairs of sessions compared and assigned (`matching`), and
assignments joined into identities (`identities`).
"""
