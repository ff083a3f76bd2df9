"""How fast, how soon, how heavy: ``python -m tests.bench calls spawn memory``.

Every figure is taken in a fresh process of its own (a *subject*: raw pyzmq, jactors, a stock kernel, Ray, xoscar), one
subject at a time, all of them once a round, round after round. So a machine that gets slower under way slows all of
them down. A table shows the median of the rounds, and behind it the lowest and the highest round: their distance is the
noise, and a difference smaller than that is none. Ratios against raw pyzmq, taken round by round, travel between
machines; absolute times do not.

``inspector`` is no comparison: it opens the panel in JupyterLab in a headless Chromium, calls 100 actors, and counts
what is painted; then lets them rest, and weighs what the open panel costs. It takes two minutes a round.

Ray and xoscar may live in another interpreter: ``--ray-python PATH``, ``--xoscar-python PATH``.
"""
