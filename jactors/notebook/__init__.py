"""What one sees of actors in a notebook: magics, and how things look.

Why it exists: IPython, HTML and widgets are nobody's business but the reader's of a notebook. Here, and nowhere below,
they may be imported; a script that never loads the extension never pays for them.

It guarantees that looking changes nothing: whatever is shown here was asked of the supervisor, no session is started
and no actor is called for it. Everything has a ``text/plain`` that says as much as its HTML: consoles, tests and screen
readers read that one.

It must never import ipywidgets when the extension is loaded: a table needs none, and the import costs more than all
the rest. The road not taken is one magic a verb (``%actor_list``, ``%actor_kill``, …): one name, ``%actor``, with
subcommands that take ``--help`` is easier to find, and leaves the user's namespace alone.
"""

from __future__ import annotations
