"""What pickling keeps beyond the value."""

from __future__ import annotations

from jactors.wire import pack


def test_a_function_of_a_cell_keeps_the_name_of_its_file_and_its_lines():
    namespace = {}
    exec(
        compile("\n\ndef outer():\n    def inner():\n        return 1\n    return inner", "<ipython-3>", "exec"),
        namespace,
    )
    stream, buffers, _ = pack.dumps(namespace["outer"], what="a function")
    outer = pack.loads(stream, buffers)
    assert [function.__code__.co_filename for function in (outer, outer())] == ["<ipython-3>"] * 2
    assert outer().__code__.co_firstlineno == 4 and outer()() == 1
