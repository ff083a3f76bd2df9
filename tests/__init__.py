"""jactors' tests.

``unit`` needs no process and takes seconds, ``live`` starts real kernels, ``faults`` kills them, ``bench`` measures
(``python -m tests.bench``) and is no test. The notebooks are tests too: pytest
compares what each cell gives with its stored output.
"""
