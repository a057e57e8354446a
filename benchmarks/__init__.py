"""Speed and accuracy of this package beside face-rhythm 0.3.3, measured in one run on one machine.

``make bench`` runs all of it. Each module can be run by itself, ``python -m benchmarks.tracking --quick``,
and writes ``benchmarks/results/<name>.json`` together with the machine it ran on.
"""
