"""What becomes of calls, actors and files on the worst day.

``oracle`` is the judge and touches nothing; ``witness`` holds the actors whose every call is written down, and the
book of those who call them. ``test_table`` is *when* times *how*; ``test_rows``, and ``test_surroundings`` where it is
not an actor that is hit, are the faults 1 to 28, one test or more each, by number; ``test_soak`` is a short run of
``python -m tests.soak``.
"""
