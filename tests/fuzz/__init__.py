"""Fuzz: recorded messages, changed at random, at every socket that a session has. Nothing may run, crash or linger.

``python -m tests.fuzz --messages 100000 --seed 1`` prints a table; a smaller run is in the test suite. What is sent:

* *replays and changes* of messages that were delivered before: each must be refused, and counted;
* *strangers*: messages of every type, shutdown among them, signed with another key: likewise;
* *insiders*: signed with the right key, content nonsense: they may be answered, and must not hurt;
* *raw bytes* at the Unix sockets, below zmq, and lines at the supervisor's channel.

The oracle: the actor's counter and the canary files are as before, the number of refused messages is that of those
sent, the actor answers after each batch, in about the time that it took before.
"""
