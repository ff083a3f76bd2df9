"""The house of DESIGN.md, section 7, as a test: imports go down, third parties have landlords, modules stay small.

What is read is the source, not what happens to be loaded: every import statement counts, also one inside a function,
where it is only later and not lower. Exempt are the blocks under ``if TYPE_CHECKING``, and an import inside a function
whose line says why it must go up: ``from jactors import session  # root: <the reason>``.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "jactors"

#: Room or module -> storey. An import goes to a lower storey, or stays in its own room. Of two entries the longer
#: name wins, so a module may live on another storey than its room does: that is what a root is.
STOREYS = {
    # The cellar: the standard library, and jupyter_core's paths, are all they need.
    "jactors._version": 0,
    "jactors.amounts": 0,
    "jactors.certificate": 0,
    "jactors.context": 0,
    "jactors.frames": 0,
    "jactors.ids": 0,
    "jactors.injection": 1,  # faults on purpose: anybody may have some
    "jactors.job_config": 0,  # Ray's place for it
    "jactors.places": 0,
    "jactors.portable": 0,
    "jactors.rules": 0,
    "jactors.trace": 0,
    "jactors.vitals": 0,
    "jactors.cloudpickle": 0,  # Ray's place for it
    "jactors.runtime_env": 1,  # Ray's place for it
    "jactors.errors": 1,
    "jactors.exceptions": 2,  # Ray's names for errors
    "jactors.options": 2,
    "jactors.objects": 3,
    "jactors.wire": 4,
    # Siblings: they never import each other, and meet in the roots alone.
    "jactors.kernel": 5,
    "jactors.launch": 5,
    "jactors.life": 5,
    "jactors.registry": 5,
    "jactors.ledger": 5,
    # The roots, one a kind of process: the driver, the actor, the supervisor.
    "jactors.holds": 6,  # wire and life meet: what supervisors count
    "jactors.interruption": 5,
    "jactors.links": 6,  # wire and life meet: what supervisors say becomes what links do
    "jactors.succession": 6,  # life and launch meet: a session's supervisor, and the one after it
    "jactors.renewal": 6,
    "jactors.membership": 7,
    "jactors.session": 8,
    "jactors.kernel.__main__": 8,
    "jactors.commons": 6,  # the ledger, and the file that all sessions share
    "jactors.supervise": 8,
    "jactors.actors": 9,
    "jactors.actor": 10,  # Ray's place for exit_actor and method
    "jactors.util": 10,  # Ray's place for ActorPool, Queue and util.state
    "jactors": 11,
    "jactors.notebook": 12,
    "jactors.top": 12,
    "jactors.screen": 13,
    "jactors.cli": 14,
    "jactors.demo": 12,
    "jactors.testing": 12,
    "jactors.__main__": 15,
}

#: Modules of one storey that may nevertheless meet: (importer, imported).
NEIGHBOURS = {
    ("jactors.links", "jactors.holds"),
    ("jactors.renewal", "jactors.succession"),
    ("jactors.kernel.__main__", "jactors.session"),  # an actor calls actors too
    ("jactors.supervise", "jactors.kernel.__main__"),  # what a forked child runs
    ("jactors.top", "jactors.screen"),  # where textual is there
}

#: Third party -> the rooms or modules that may import it.
LANDLORDS = {
    "zmq": ("jactors.wire", "jactors.kernel"),
    "ipykernel": ("jactors.kernel",),
    "jupyter_client": ("jactors.wire", "jactors.kernel", "jactors.launch"),
    "jupyter_client.provisioning": ("jactors.launch",),
    "cloudpickle": ("jactors.wire.pack", "jactors.cloudpickle"),
    "dill": ("jactors.objects.checkpoint",),
    "ipywidgets": ("jactors.notebook",),
    "tqdm": ("jactors.actors.progress",),
    "anywidget": ("jactors.notebook",),
    "textual": ("jactors.screen",),
    "pynvml": ("jactors.launch",),
    "ray": ("jactors.launch.backends",),
}

#: What `import jactors` may not load: each costs a tenth of a second or more, or is nobody's business but an actor's.
HEAVY = ("IPython", "anywidget", "dill", "ipykernel", "ipywidgets", "numpy", "pandas", "matplotlib", "tqdm")

NAMELESS = {"utils", "base", "common", "helpers", "misc"}
LONGEST = 400  # lines


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, as one line of source names it."""

    module: str
    target: str
    line: int
    deferred: bool  # inside a function: it does not run when the module is imported
    excused: bool  # marked `# root: <reason>`


def is_type_checking(test):
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


class Reader(ast.NodeVisitor):
    """Collects a module's imports; ``known`` holds all module names, to tell `from room import module` from a name."""

    def __init__(self, module, source, *, is_package, known):
        self.module = module
        self.lines = source.splitlines()
        self.package = module if is_package else module.rpartition(".")[0]
        self.known = known
        self.depth = 0
        self.found = []
        self.visit(ast.parse(source))

    def visit_FunctionDef(self, node):
        # decorators and defaults run with the module; counting them as deferred would hide nothing but lambdas
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        for child in node.orelse if is_type_checking(node.test) else [node.test, *node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node):
        for alias in node.names:
            self.add(alias.name, node)

    def visit_ImportFrom(self, node):
        origin = node.module or ""
        if node.level:
            parts = self.package.split(".")
            origin = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
        for alias in node.names:
            member = f"{origin}.{alias.name}"
            self.add(member if member in self.known or member in LANDLORDS else origin, node)

    def add(self, target, node):
        marked = any(re.search(r"# root: \S", line) for line in self.lines[node.lineno - 1 : node.end_lineno])
        deferred = self.depth > 0
        found = Import(self.module, target, node.lineno, deferred, excused=marked and deferred)
        if found not in self.found:
            self.found.append(found)


def read_package():
    """Module name -> (source, is it a package?)."""
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["jactors", *path.relative_to(PACKAGE).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        sources[".".join(parts[:-1] if is_package else parts)] = (path.read_text(encoding="utf-8"), is_package)
    return sources


def imports_of(sources):
    return [
        found
        for module, (source, is_package) in sources.items()
        for found in Reader(module, source, is_package=is_package, known=sources.keys()).found
    ]


def entry(name, table):
    """The longest prefix of a dotted name that the table has; None if it has none."""
    while name and name not in table:
        name = name.rpartition(".")[0]
    return name or None


def room(module):
    """Its entry in STOREYS; `jactors` stands for the front door alone, never for a room that the table forgot."""
    found = entry(module, STOREYS)
    return None if found == "jactors" and module != "jactors" else found


def homeless(sources):
    return [module for module in sources if room(module) is None]


def upward(imports):
    complaints = []
    for found in imports:
        if found.target.split(".")[0] != "jactors" or found.excused:
            continue
        importer, imported = room(found.module), room(found.target)
        if importer is None or imported is None or importer == imported or (importer, imported) in NEIGHBOURS:
            continue
        if STOREYS[importer] <= STOREYS[imported]:
            where = "a sibling" if STOREYS[importer] == STOREYS[imported] else "upstairs"
            complaints.append(f"{found.module}:{found.line} imports {found.target}, {where}")
    return complaints


def trespassers(imports):
    complaints = []
    for found in imports:
        third_party = entry(found.target, LANDLORDS)
        if third_party is None:
            continue
        rooms = LANDLORDS[third_party]
        if not any(found.module == home or found.module.startswith(home + ".") for home in rooms):
            complaints.append(f"{found.module}:{found.line} imports {found.target}, which lives in {', '.join(rooms)}")
    return complaints


def cycles(imports):
    """Sets of modules that cannot be imported without each other (Tarjan); deferred imports do not count."""
    graph = {}
    for found in imports:
        graph.setdefault(found.module, set())
        if not found.deferred and found.target.split(".")[0] == "jactors" and found.target != found.module:
            graph[found.module].add(found.target)
            graph.setdefault(found.target, set())
    index, low, stack, knots = {}, {}, [], []

    def walk(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(graph[module]):
            if target not in index:
                walk(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            at = stack.index(module)
            knot = stack[at:]
            del stack[at:]
            if len(knot) > 1:
                knots.append(sorted(knot))

    for module in sorted(graph):
        if module not in index:
            walk(module)
    return knots


# ---- the house as it stands


def test_every_module_has_a_storey():
    assert homeless(read_package()) == [], "give it a line in STOREYS, or another home"


def test_imports_go_down():
    assert upward(imports_of(read_package())) == []


def test_third_parties_live_with_their_landlords():
    assert trespassers(imports_of(read_package())) == []


def test_no_cycle_when_modules_are_imported():
    assert cycles(imports_of(read_package())) == []


def test_no_module_is_longer_than_a_module_should_be():
    lengths = {module: len(source.splitlines()) for module, (source, _) in read_package().items()}
    assert {module: n for module, n in lengths.items() if n > LONGEST} == {}


def test_every_module_is_named_after_a_noun():
    assert [module for module in read_package() if module.rpartition(".")[2] in NAMELESS] == []


def test_import_jactors_is_light():
    code = "import json, sys, jactors; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert [name for name in HEAVY if name in json.loads(done.stdout)] == []


# ---- the tests above bite


def house(**files):
    rooms = {f"jactors.{name.replace('__', '.')}": (text, False) for name, text in files.items()}
    return {"jactors": ("", True)} | rooms


def test_a_sibling_is_seen_and_so_is_the_way_up():
    sources = house(
        life__machine="from jactors.launch import pinning\n",
        launch__pinning="def f():\n    import jactors.session\n",
        session="from .life import machine\nfrom jactors.launch.pinning import f\n",
    )
    assert upward(imports_of(sources)) == [
        "jactors.life.machine:1 imports jactors.launch.pinning, a sibling",
        "jactors.launch.pinning:2 imports jactors.session, upstairs",
    ]


def test_the_front_door_is_upstairs_for_all_but_its_guests():
    sources = house(wire__link="from jactors import get\n", cli="import jactors\n")
    assert upward(imports_of(sources)) == ["jactors.wire.link:1 imports jactors, upstairs"]


def test_a_reason_excuses_inside_a_function_only():
    sources = house(
        wire__link="def f():\n    from jactors import session  # root: a pickle names it\n",
        wire__desk="from jactors import session  # root: because\n",
        wire__pack="def f():\n    from jactors import session  # root:\n",
        session="",
    )
    assert [line.split(":")[0] for line in upward(imports_of(sources))] == ["jactors.wire.desk", "jactors.wire.pack"]


def test_type_checking_is_exempt_and_its_else_is_not():
    sources = house(
        wire__link="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import dill\nelse:\n    import ipykernel\n"
    )
    assert [line.split()[2] for line in trespassers(imports_of(sources))] == ["ipykernel,"]


def test_provisioning_is_not_for_all_who_may_use_jupyter_client():
    sources = house(
        wire__link="import jupyter_client.session\nfrom jupyter_client import provisioning\n",
        launch__provisioner="from jupyter_client.provisioning import KernelProvisionerBase\n",
        actors__handle="import zmq.asyncio\n",
    )
    complaints = trespassers(imports_of(sources))
    assert [line.split(":")[0] for line in complaints] == ["jactors.wire.link", "jactors.actors.handle"]


def test_a_cycle_is_seen_and_a_deferred_one_is_none():
    knot = house(wire__link="from jactors.wire import desk\n", wire__desk="import jactors.wire.link\n")
    assert cycles(imports_of(knot)) == [["jactors.wire.desk", "jactors.wire.link"]]
    knot["jactors.wire.desk"] = ("def f():\n    import jactors.wire.link\n", False)
    assert cycles(imports_of(knot)) == []


def test_a_module_without_a_storey_is_seen():
    assert homeless(house(cellar="", wire__link="")) == ["jactors.cellar"]
