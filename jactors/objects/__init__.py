"""Where the values are: refs in the user's hand, the entries behind them.

Guarantees: an entry ends exactly once, in a payload or an error; whoever waits for it is told
once, in the thread that ended it; a value is rebuilt at each `get`, so two of them never share
state. Nothing here talks to a socket or unpickles: payloads know how to load themselves.
"""
