"""Uses each public name that Ray and jactors share, and says what comes of it: ``python script.py jactors [file]``.

One line an observation, without anything that differs from run to run. The number at its beginning is
the section of RAY_API.md. What is deliberately different (its section 0) is not in here, nor what
needs Ray's dashboard.
"""

from __future__ import annotations

import abc
import asyncio
import atexit
import builtins
import concurrent.futures
import functools
import gc
import importlib
import io
import os
import pickle
import queue
import sys
import tempfile
import threading
import time
import warnings

import numpy as np

ray = importlib.import_module(sys.argv[1])
util = importlib.import_module(f"{sys.argv[1]}.util")
Queue = importlib.import_module(f"{sys.argv[1]}.util.queue").Queue
scheduling_strategies = importlib.import_module(f"{sys.argv[1]}.util.scheduling_strategies")
runtime_env = importlib.import_module(f"{sys.argv[1]}.runtime_env")
actor_group = importlib.import_module(f"{sys.argv[1]}.util.actor_group")
actor_module = importlib.import_module(f"{sys.argv[1]}.actor")
exceptions = importlib.import_module(f"{sys.argv[1]}.exceptions")

#: Ray's own processes print to stdout, so a file is better.
OUT = open(sys.argv[2], "w") if len(sys.argv) > 2 else sys.stdout  # noqa: SIM115

TIMEOUT = 60
FOLDER = tempfile.mkdtemp()

KIND_NAMES = """
    RayTaskError TaskCancelledError RayActorError ActorDiedError ActorUnavailableError GetTimeoutError
    PendingCallsLimitExceeded ActorAlreadyExistsError OwnerDiedError
"""
BUILTIN_NAMES = """
    AssertionError AttributeError KeyError NotImplementedError RuntimeError StopIteration TimeoutError TypeError
    ValueError ZeroDivisionError ExceptionGroup
"""
PUBLIC_NAMES = """
    actor available_resources cancel cluster_resources exceptions get get_actor get_gpu_ids get_runtime_context
    init is_initialized kill method put remote shutdown util wait timeline ActorID JobID NodeID ObjectID ObjectRef
    ObjectRefGenerator DynamicObjectRefGenerator TaskID __version__
"""
ERROR_NAMES = """
    ActorAlreadyExistsError ActorHandleNotFoundError ActorPlacementGroupRemoved AuthenticationError CrossLanguageError
    LocalRayletDiedError NodeDiedError ObjectRefStreamEndOfStreamError RayCgraphCapacityExceeded RayChannelError
    RayChannelTimeoutError RayDirectTransportError StreamingGeneratorReplayInconsistentError TaskPlacementGroupRemoved
    ActorDiedError ActorUnavailableError ActorUnschedulableError AsyncioActorExit GetTimeoutError
    ObjectFetchTimedOutError ObjectFreedError ObjectLostError ObjectReconstructionFailedError
    ObjectStoreFullError OufOfBandObjectRefSerializationException OutOfDiskError OutOfMemoryError OwnerDiedError
    PendingCallsLimitExceeded PlasmaObjectNotAvailable RayActorError RayError RaySystemError RayTaskError
    ReferenceCountingAssertionError RpcError RuntimeEnvSetupError TaskCancelledError TaskUnschedulableError
    UnserializableException UserCodeException WorkerCrashedError
"""

#: What an error is told to be an instance of. Not RayError: all errors of jactors are, also where Ray's is a plain
#: TypeError or ValueError.
KINDS = {name: getattr(exceptions, name) for name in KIND_NAMES.split()} | {
    name: getattr(builtins, name) for name in BUILTIN_NAMES.split()
}
KINDS |= {"CancelledError": asyncio.CancelledError, "Empty": queue.Empty, "Full": queue.Full}


def say(label, value):
    print(f"{label}: {value!r}", file=OUT, flush=True)


def kinds(error):
    names = [name for name, kind in KINDS.items() if isinstance(error, kind)] or [type(error).__name__]
    if "RayTaskError" in names and {"TaskCancelledError", "Empty", "Full"}.intersection(names):
        names.remove("RayTaskError")  # whether there was a traceback to show
    return " ".join(names)


def fails(label, call, *args, **kwargs):
    """Say what kind of error a call raises."""
    try:
        value = call(*args, **kwargs)
    except BaseException as error:
        print(f"{label}: raises {kinds(error)}", file=OUT, flush=True)
        return error
    print(f"{label}: returns {value!r}", file=OUT, flush=True)
    return None


def fails_get(label, ref):
    return fails(label, ray.get, ref, timeout=TIMEOUT)


def get(refs):
    return ray.get(refs, timeout=TIMEOUT)


def until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def path(name):
    return os.path.join(FOLDER, name)


def touch(name):
    with open(path(name), "w"):
        pass


def read(file):
    with open(file) as opened:
        return opened.read().split()


class Base:
    kind = "counter"

    def inherited(self):
        return f"inherited by {type(self).__name__}"


@ray.remote
class Counter(Base):
    """Counts."""

    def __init__(self, start=0, *, step=1):
        self.value = start  # with the name of a method
        self.step = step

    def add(self, by=None):
        self.value += self.step if by is None else by
        return self.value

    def value(self):
        return f"the method, not {self.value}"

    def echo(self, *args, **kwargs):
        return args, kwargs

    def types(self, *args):
        return [type(arg).__name__ for arg in args]

    def boom(self, text="boom"):
        raise ValueError(text)

    def raise_(self, error):
        raise error

    def get(self, refs):
        return ray.get(refs[0])

    def call(self, other, method, *args):
        return ray.get(getattr(other, method).remote(*args))

    def hold(self, name):
        touch(name + ".runs")
        until(lambda: os.path.exists(path(name)))
        return name

    def many(self, n):
        return list(range(n))

    @ray.method(num_returns=2)
    def pair(self):
        return "a", "b"

    def gen(self, n, fail_at=None):
        for i in range(n):
            if i == fail_at:
                raise ValueError(i)
            yield i

    def writeable(self, array):
        return array.flags.writeable, int(array.sum())

    def append(self, items):
        items.append(0)
        return len(items)

    def put(self, x):
        return ray.put(x)

    def lock(self):
        return threading.Lock()

    def itself(self):
        return ray.get_runtime_context().current_actor

    @property
    def shown(self):
        return "a property"

    @staticmethod
    def static(x):
        return x + 1

    @classmethod
    def starting_at(cls, start):
        return cls(start)

    def twice(self, x):
        return 2 * x

    thrice = functools.partialmethod(echo, 3)

    twice.__ray_invocation_decorator__ = lambda invocation: lambda args, kwargs: invocation((args[0] + 1,), kwargs)

    @classmethod
    def named(cls):
        return cls.kind

    def _private(self):
        return "private"

    def __len__(self):
        return 42

    def main_thread(self):
        return threading.current_thread() is threading.main_thread()


class Own(BaseException):
    pass


class Abstract(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Concrete(Abstract):
    def area(self):
        return 4


class Custom(Exception):  # noqa: N818
    def __init__(self, code):
        super().__init__(code)
        self.code = code


def names():
    for name in PUBLIC_NAMES.split():
        say(f"0 {name}", hasattr(ray, name))
    for name in ERROR_NAMES.split():
        say(f"4 {name}", issubclass(getattr(exceptions, name), BaseException))


def creating():
    say("1 remote gives", isinstance(Counter, actor_module.ActorClass))
    say("1 class attribute", Counter.kind)
    say("1 static", Counter.static(1))
    say("1 a local object", Counter.starting_at(3).add())
    say("1 dir", sorted({"remote", "options", "add", "inherited"} & set(dir(Counter))))
    fails("1 remote()", ray.remote)
    fails("1 remote(5)", lambda: ray.remote(5))
    fails("1 remote(remote)", lambda: ray.remote(Counter))
    fails("1 Counter()", Counter)
    error = fails("1 inheriting", lambda: type("Sub", (Counter,), {}))
    say("1 inheriting exception", isinstance(error, actor_module.ActorClassInheritanceException))
    fails("1 too many", lambda: Counter.remote(1, 2))
    fails("1 unexpected keyword", lambda: Counter.remote(zz=1))
    fails("1 unpicklable argument", lambda: Counter.remote(threading.Lock()))
    for name, value in (
        ("num_cpu", 1),
        ("num_cpus", "two"),
        ("num_cpus", -1),
        ("num_gpus", -1),
        ("num_cpus", 0.00001),
        ("memory", "1"),
        ("resources", {"CPU": 1}),
        ("resources", [1]),
        ("max_restarts", 1.5),
        ("max_restarts", -2),
        ("max_task_retries", -2),
        ("max_concurrency", -1),
        ("name", 5),
        ("namespace", 5),
        ("lifetime", "for ever"),
        ("concurrency_groups", {"io": 1}),
        ("get_if_exists", "yes"),
    ):
        fails(f"1 options({name}={value!r})", lambda name=name, value=value: Counter.options(**{name: value}) and None)
    fails("1 empty name", lambda: Counter.options(name="").remote())
    fails("1 empty namespace", lambda: Counter.options(namespace="").remote())
    fails("1 get_if_exists without name", lambda: Counter.options(get_if_exists=True).remote())
    fails("1 ordered and threaded", Counter.options(max_concurrency=2, allow_out_of_order_execution=False).remote)
    fails("1 bare option wrapper", lambda: Counter.options(num_cpus=0).kind)
    for name, value in (
        ("accelerator_type", None),
        ("enable_task_events", False),
        ("label_selector", None),
        ("fallback_strategy", None),
        ("scheduling_strategy", "DEFAULT"),
        ("placement_group", None),
        ("allow_out_of_order_execution", True),
    ):
        get(Counter.options(**{name: value}).remote().__ray_ready__.remote())
        say(f"1 options({name}={value!r})", "accepted")
    c = Counter._remote(args=[5], kwargs={"step": 2}, num_cpus=0)
    say("1 _remote", get(c.add.remote()))


def methods():
    c = Counter.remote(10, step=2)
    say("2 call", get(c.add.remote()))
    say("2 order", get([c.add.remote(1) for _ in range(5)]))
    say("2 keywords are the user's", get(c.echo.remote(1, name="n", num_returns=3, task_id=4)))
    for name in ("inherited", "_private", "__len__", "value", "named"):
        say(f"2 {name}", get(getattr(c, name).remote()))
    say("2 static", get(c.static.remote(1)))
    say("2 ready", get(c.__ray_ready__.remote()))
    say("2 __ray_call__", get(c.__ray_call__.remote(lambda self, x: self.step + x, 3)))
    fails("2 no such method", lambda: c.nope)
    fails("2 no attribute", lambda: c.kind)
    fails("2 no property", lambda: c.shown)
    say("2 method", [isinstance(c.add, actor_module.ActorMethod), callable(c.add.remote)])
    say("2 partial method", get(c.thrice.remote()))
    fails("2 abstract class", lambda: ray.remote(Abstract).remote())
    say("2 function of a class", get(ray.remote(Concrete).remote().area.remote()))
    say("2 invocation decorator", get(c.twice.remote(3)))
    fails("2 wrong signature", lambda: c.add.remote(1, 2))
    fails("2 unpicklable argument", lambda: c.echo.remote(threading.Lock()))
    say("2 dir", sorted(name for name in dir(c) if name.startswith("__ray") or name == "add"))
    say("2 num_returns", [get(c.pair.remote()), get(c.many.options(num_returns=3).remote(3))])
    say("2 num_returns=0", c.add.options(num_returns=0).remote())
    say("2 @method is a default", get(c.pair.options(num_returns=1).remote()))
    for label, refs in (
        ("too many", c.many.options(num_returns=2).remote(3)),
        ("not sized", c.add.options(num_returns=2).remote()),
    ):
        for ref in refs:
            fails_get(f"2 {label}", ref)
    fails("2 num_returns=-1", lambda: c.add.options(num_returns=-1))
    fails("2 @method(nope)", lambda: ray.method(nope=1))
    fails("2 @method streaming", lambda: ray.method(num_returns="streaming")(lambda self: None))
    say("2 _remote", get(c.echo._remote(args=(1,), kwargs={"b": 2})))
    fails("2 len of a handle", lambda: len(c))

    again = pickle.loads(pickle.dumps(c))
    say("2 handle", isinstance(c, actor_module.ActorHandle))
    say("2 handles", [again == c, hash(again) == hash(c), c != 1, len({c, again}), len(c._actor_id.hex())])
    say("2 repr", repr(c) == f"Actor(Counter, {c._actor_id.hex()})")
    other = Counter.remote()
    say("2 handle as argument", get(other.call.remote(c, "add", 100)))
    say("2 handle from a result", get(c.itself.remote()) == c)
    ref = ray.put([1])
    say("2 refs as arguments", get(c.types.remote(ref, [ref])))
    say("2 ref as keyword", get(c.echo.remote(x=ray.put(5))))
    say("2 ref nested", get(other.get.remote([c.add.remote(0)])))
    items = [1, 2]
    say("2 by value", [get(c.append.remote(items)), items])
    say("2 two gets", get(ref) is get(ref))
    say("2 arrays are read-only", get(c.writeable.remote(np.ones(100_000))))
    say("2 a small one too", get(c.writeable.remote(np.ones(3))))
    say("2 array got", get(ray.put(np.ones(3))).flags.writeable)
    error = fails_get("2 failed dependency", c.add.remote(c.boom.remote()))
    say("2 failed dependency cause", isinstance(error.cause, ValueError))
    fails("2 generator as argument", lambda: c.echo.remote(c.gen.remote(1)))
    fails_get("2 unpicklable result", c.lock.remote())
    say("2 lives on", get(c.static.remote(1)))


def verbs():
    c = Counter.remote()
    ref = ray.put("x")
    say("3 get", [get(ref), get([]), get([ref, ref])])
    say("3 get(generator)", [get(each) for each in get(c.gen.remote(2))])
    for bad in ((ref,), {ref}, 5, c):
        fails(f"3 get({type(bad).__name__})", lambda bad=bad: ray.get(bad))
    fails("3 get([5])", lambda: ray.get([ref, 5]))
    fails("3 positional timeout", lambda: ray.get(ref, 1))
    held = c.hold.remote("verbs")
    fails("3 get in no time", lambda: ray.get(held, timeout=0))
    fails("3 get too late", lambda: ray.get(held, timeout=0.05))
    say("3 wait", [len(part) for part in ray.wait([held, ref], num_returns=2, timeout=0.2)])
    ready, rest = ray.wait([held, ref], fetch_local=True)
    say("3 wait for one", [ready == [ref], rest == [held], ray.wait([])])
    for label, args, kwargs in (
        ("a ref", (ref,), {}),
        ("a tuple", ((ref,),), {}),
        ("no refs", ([5],), {}),
        ("twice", ([ref, ref],), {}),
        ("none", ([ref],), {"num_returns": 0}),
        ("too many", ([ref],), {"num_returns": 2}),
        ("negative time", ([ref],), {"timeout": -1}),
    ):
        fails(f"3 wait for {label}", ray.wait, *args, **kwargs)
    touch("verbs")
    say("3 get again", get(held))
    say("3 failed is ready", len(ray.wait([c.boom.remote()], timeout=TIMEOUT)[0]))
    fails("3 put(ref)", lambda: ray.put(ref))
    fails("3 put(lock)", lambda: ray.put(threading.Lock()))

    fails("3 cancel(5)", lambda: ray.cancel(5))
    fails("3 cancel by force", lambda: ray.cancel(c.add.remote(), force=True, recursive=False))
    say("3 cancel what has ended", [ray.cancel(held), get(held), ray.cancel(ref)])
    held = c.hold.remote("cancel")
    until(lambda: os.path.exists(path("cancel.runs")))
    queued, needs = c.add.remote(), Counter.remote().echo.remote(held)
    ray.cancel(queued)
    ray.cancel(needs)
    time.sleep(0.3)  # a cancel is on its way when it returns, and Ray tells of its arrival only at the end of the call
    touch("cancel")
    fails_get("3 cancelled in the queue", queued)
    fails_get("3 cancelled before its argument", needs)
    say("3 not cancelled", get(held))

    # Another one: with Ray the numbers of cancelled calls may be missed, and later ones then wait for half a minute.
    c = Counter.remote()
    for bad in (None, 5, ref):
        fails(f"3 kill({type(bad).__name__})", lambda bad=bad: ray.kill(bad))
    kept = c.add.remote()
    get(kept)
    running = c.hold.remote("never")
    until(lambda: os.path.exists(path("never.runs")))
    ray.kill(c)
    fails_get("3 killed: running call", running)
    fails_get("3 killed: later call", c.add.remote())
    say("3 killed twice", ray.kill(c))
    say("3 results survive", get(kept) > 0)

    for bad in (None, "", 5, "   ", "nobody"):
        fails(f"3 get_actor({bad!r})", lambda bad=bad: ray.get_actor(bad))
    fails("3 namespace 5", lambda: ray.get_actor("x", namespace=5))
    fails("3 namespace ''", lambda: ray.get_actor("x", namespace=""))
    named = Counter.options(name="nm").remote(7)
    say("3 get_actor", [ray.get_actor("nm") == named, get(ray.get_actor("nm").add.remote())])
    fails("3 name taken", lambda: Counter.options(name="nm").remote())
    say("3 get_if_exists", Counter.options(name="nm", get_if_exists=True).remote() == named)
    far = Counter.options(name="nm", namespace="far").remote()
    say("3 another namespace", [ray.get_actor("nm", namespace="far") == far, far == named])
    say("3 list_named_actors", util.list_named_actors())
    say("3 by keyword", [get(ray.put(value=1)), ray.get(object_refs=[]), ray.wait(ray_waitables=[])])
    spaces = util.list_named_actors(all_namespaces=True)
    say("3 all namespaces", sorted((each["name"], each["namespace"] == "far") for each in spaces))
    ray.kill(named)
    fails("3 name is free", lambda: ray.get_actor("nm"))
    say("3 created again", get(Counter.options(name="nm", get_if_exists=True).remote(1).add.remote()))
    fails("3 init twice", ray.init)
    say("3 init twice, ignored", bool(ray.init(ignore_reinit_error=True)))


@ray.remote
class Mortal:
    def __init__(self, log=None, how=None):
        self.log = path(log) if log else None
        self.note("init")
        if how == "raise":
            raise ValueError("in init")
        atexit.register(self.note, "atexit")
        self.calls = 0

    def note(self, text):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{text}\n")

    def pid(self):
        return os.getpid()

    def crash(self, times=1 << 30):
        """Crash, but at most so often."""
        self.note("crash")
        if read(self.log).count("crash") <= times:
            os._exit(1)
        return "lived"

    def flaky(self, failures):
        self.calls += 1
        if self.calls <= failures:
            raise ValueError(self.calls)
        return self.calls

    def count(self):
        self.calls += 1
        return self.calls, ray.get_runtime_context().was_current_actor_reconstructed

    def leave(self):
        actor_module.exit_actor()
        return "still here"

    def leave_by_sys_exit(self, code):
        sys.exit(code)

    def parent(self):
        self.child = ray.remote(type(self)).remote()
        return self.child

    def owner_of_a_ref(self):
        return [ray.put("owned")]

    def __ray_shutdown__(self):
        self.note("shutdown")


def dead(handle):
    try:
        get(handle.pid.remote())
    except exceptions.ActorDiedError:
        return True
    return False


def lost(handle):
    try:
        get(handle.__ray_ready__.remote())
    except exceptions.ActorDiedError:
        return True
    return False


def lives():
    def log(name):
        return read(path(name))

    error = fails_get("4 init raises", Mortal.remote(how="raise").pid.remote())
    say("4 init raises: text", ["in init" in str(error), "ValueError" in str(error)])
    fails("4 exit_actor in a driver", actor_module.exit_actor)

    for how in ("leave", "__ray_terminate__"):
        m = Mortal.options(max_restarts=1).remote(how)
        fails_get(f"4 {how}", getattr(m, how).remote())
        fails_get(f"4 after {how}", m.pid.remote())
        until(lambda how=how: "atexit" in log(how))
        say(f"4 {how}: order", log(how))
    m = Mortal.options(max_restarts=1).remote()
    fails_get("4 sys.exit(0) does not restart", m.leave_by_sys_exit.remote(0))

    m = Mortal.remote("crashed")
    fails_get("4 crash", m.crash.remote())
    fails_get("4 after the crash", m.pid.remote())
    say("4 crash: no farewell", log("crashed"))

    m = Mortal.options(max_restarts=1).remote("restarted")
    before, first = get(m.pid.remote()), get(m.count.remote())
    fails_get("4 crash with a restart left", m.crash.remote())

    def alive():
        try:
            return get(m.pid.remote()) != before
        except exceptions.ActorUnavailableError:
            return False

    until(alive)
    say("4 restarted", [first, get(m.count.remote())])
    fails_get("4 crash with none left", m.crash.remote())

    m = Mortal.options(max_restarts=-1, max_task_retries=-1).remote("retried")
    say("4 retried over crashes", get(m.crash.remote(2)))
    say("4 retried: log", log("retried"))

    m = Mortal.options(max_restarts=1).remote()
    before = get(m.pid.remote())
    ray.kill(m, no_restart=False)
    until(alive)
    say("4 kill and restart", get(m.count.remote()))

    m = Mortal.remote()
    flaky = m.flaky.options(retry_exceptions=True, max_task_retries=3)
    say("4 retry_exceptions", get(flaky.remote(2)))
    fails_get("4 retry_exceptions used up", Mortal.remote().flaky.options(retry_exceptions=True).remote(1))
    listed = m.flaky.options(retry_exceptions=[ValueError], max_task_retries=5)
    say("4 retry of a listed one", get(listed.remote(5)))
    unlisted = m.flaky.options(retry_exceptions=[KeyError], max_task_retries=5)
    fails_get("4 no retry of another", unlisted.remote(1 << 30))

    m = Mortal.remote("scope")
    done = m.count.remote()
    del m
    gc.collect()
    say("4 handle gone: calls run", get(done))
    until(lambda: "atexit" in log("scope"))
    say("4 handle gone: order", log("scope"))

    m = Mortal.remote()
    (owned,) = get(m.owner_of_a_ref.remote())
    say("4 borrowed ref", get(owned))
    child = get(m.parent.remote())
    say("4 child", get(child.flaky.remote(0)))
    ray.kill(m)
    until(lambda: dead(m))  # Ray may still let a call through that comes right behind
    fails_get("4 owner killed", m.pid.remote())
    until(lambda: dead(child))
    fails_get("4 owner killed: its child", child.pid.remote())

    strong = Mortal.options(name="weak").remote()
    weak = ray.get_actor("weak")
    say("4 weak handle", get(weak.flaky.remote(0)))
    del strong
    gc.collect()
    until(lambda: dead(weak))
    fails("4 weak handle does not keep it", lambda: ray.get_actor("weak"))

    Mortal.options(name="detached", lifetime="detached").remote()
    gc.collect()
    say("4 detached", get(ray.get_actor("detached").flaky.remote(0)))
    ray.kill(ray.get_actor("detached"))


def errors():
    c, d = Counter.remote(), Counter.remote()
    error = fails_get("4 user error", c.boom.remote("text"))
    say("4 user error: no chain", [error.__cause__, isinstance(error.as_instanceof_cause(), ValueError)])
    say("4 user error: cause", [type(error.cause).__name__, error.cause.args, error.args == (error.cause,)])
    say("4 user error: text", ["boom" in str(error), "ValueError: text" in str(error), "line" in str(error)])
    error = fails_get("4 custom", c.raise_.remote(Custom(7)))
    say("4 custom: fields", [isinstance(error, Custom), error.code])
    error = fails_get("4 nested", d.call.remote(c, "boom"))
    say("4 all are RayErrors", isinstance(error, exceptions.RayError))
    error = fails_get("4 group", c.raise_.remote(ExceptionGroup("g", [ValueError(1), TypeError(2)])))
    say("4 group: parts", [type(each).__name__ for each in error.exceptions])
    fails_get("4 KeyboardInterrupt", c.raise_.remote(KeyboardInterrupt()))
    error = fails_get("4 BaseException", c.raise_.remote(Own("mine")))
    say("4 BaseException: type", isinstance(error, Own))
    ray.kill(c)
    until(lambda: lost(c))
    error = fails_get("4 actor error", c.add.remote())
    fields = [error.actor_id == c._actor_id.hex(), bool(error.error_msg), error.preempted, error.actor_init_failed]
    say("4 actor error: fields", fields)
    fails_get("4 dead one seen through another", d.call.remote(c, "add"))


@ray.remote(max_concurrency=3)
class Threads:
    def __init__(self):
        self.barrier = threading.Barrier(3)
        self.local = threading.local()

    def meet(self):
        return self.barrier.wait(TIMEOUT) >= 0 and threading.current_thread() is not threading.main_thread()


@ray.remote(concurrency_groups={"io": 2, "compute": 1})
class Groups:
    def __init__(self):
        self.barrier = threading.Barrier(2)
        self.gate = threading.Event()

    @ray.method(concurrency_group="io")
    def meet(self):
        return self.barrier.wait(TIMEOUT) >= 0

    @ray.method(concurrency_group="compute")
    def held(self):
        return self.gate.wait(TIMEOUT)

    def open(self):
        self.gate.set()
        return "open"


@ray.remote
class Async:
    async def __init__(self):
        self.gate = asyncio.Event()
        self.most = self.now = 0

    async def wait(self):
        self.now += 1
        self.most = max(self.most, self.now)
        await self.gate.wait()
        self.now -= 1
        return "through"

    async def open(self):
        self.gate.set()
        return self.most

    def sync(self):
        return asyncio.get_running_loop().is_running(), threading.current_thread() is threading.main_thread()

    async def agen(self, n):
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    async def await_ref(self, refs):
        return await refs[0] + sum(await asyncio.gather(*refs))

    async def sleep(self, name):
        try:
            touch(name)
            await asyncio.sleep(TIMEOUT)
        except asyncio.CancelledError:
            touch(name + ".cancelled")
            raise

    async def canceled(self):
        return ray.get_runtime_context().is_canceled()


def concurrency():
    c = Counter.remote()
    say("5 sync: main thread", get(c.main_thread.remote()))
    t = Threads.remote()
    say("5 threads: three at once", get([t.meet.remote() for _ in range(6)]))
    g = Groups.remote()
    held = g.held.remote()
    say("5 groups: two at once", get([g.meet.remote(), g.meet.remote()]))
    say("5 groups: another one is held", [get(g.open.remote()), get(held)])
    say("5 group by option", get(g.open.options(concurrency_group="io").remote()))
    undeclared = type("U", (), {"m": ray.method(concurrency_group="x")(lambda self: None)})
    fails("5 undeclared group", lambda: ray.remote(undeclared).remote())
    a = Async.remote()
    waiting = [a.wait.remote() for _ in range(200)]
    until(lambda: get(a.__ray_call__.remote(lambda self: self.now)) == 200)
    say("5 async: 200 at once", [get(a.open.remote()), set(get(waiting))])
    say("5 async: sync methods", get(a.sync.remote())[0])
    say("5 async: await refs", get(a.await_ref.remote([ray.put(1), ray.put(2)])))
    sleeping = a.sleep.remote("sleep")
    until(lambda: os.path.exists(path("sleep")))
    ray.cancel(sleeping)
    fails_get("5 async: cancelled", sleeping)
    until(lambda: os.path.exists(path("sleep.cancelled")))
    limited = Counter.options(max_pending_calls=2).remote()
    held = [limited.hold.remote("pending"), limited.add.remote()]
    fails("5 max_pending_calls", limited.add.remote)
    touch("pending")
    say("5 room again", [get(held), get(limited.add.remote())])


def refs():
    c = Counter.remote()
    ref = c.add.remote()
    say("6 type", [isinstance(ref, ray.ObjectRef), type(ref).__name__])
    say("6 ids", [len(ref.hex()), len(ref.binary()), len(ref.task_id().hex()), ref.is_nil()])
    say("6 same", [pickle.loads(pickle.dumps(ref)) == ref, len({ref, pickle.loads(pickle.dumps(ref))}), bool(ref)])
    fails("6 not iterable", lambda: list(ref))
    say("6 job", ref.job_id().hex() == ray.get_runtime_context().get_job_id())
    future = ref.future()
    say("6 future", [isinstance(future, concurrent.futures.Future), future.result(TIMEOUT)])
    fails("6 future of a failure", lambda: c.boom.remote().future().result(TIMEOUT))
    told = queue.Queue()
    c.add.remote()._on_completed(told.put)
    say("6 _on_completed", told.get(timeout=TIMEOUT))

    async def main():
        several = await asyncio.gather(c.add.remote(), c.add.remote())
        await asyncio.wait([c.add.remote().as_future()])
        return await ref, several

    say("6 await", asyncio.run(main()))
    say("6 ids by class", [cls.__name__ for cls in (ray.ActorID, ray.JobID, ray.NodeID, ray.ObjectID, ray.TaskID)][:3])
    say("6 generic", ray.ObjectRef[int] is not None)
    say("6 call_site", ref.call_site())


def generators():
    c, a = Counter.remote(), Async.remote()
    g = c.gen.remote(3)
    say("7 type", [type(g).__name__, isinstance(g, ray.ObjectRefGenerator)])
    say("7 values", [get(ref) for ref in g])
    fails("7 at the end", lambda: next(g))
    say("7 finished", [g.is_finished(), g.next_ready(), get(g.completed())])
    g = c.gen.remote(5, 2)
    got = []
    for ref in g:
        try:
            got.append(get(ref))
        except ValueError as error:
            got.append(kinds(error))
    say("7 error in the middle", got)
    for name in ("close", "send", "throw"):
        args = () if name == "close" else (ValueError(),)
        fails(f"7 {name}", getattr(g, name), *args)
    fails("7 pickled", lambda: pickle.dumps(g))
    say("7 fixed number", get(c.gen.options(num_returns=2).remote(2)))
    too_few = c.gen.options(num_returns=3).remote(2)
    say("7 too few", get(too_few[:2]))
    fails_get("7 too few: the rest", too_few[2])
    say("7 too many", get(c.gen.options(num_returns=2).remote(4)))
    everything = get(c.gen.options(num_returns="dynamic").remote(3))
    say("7 dynamic", [type(everything).__name__, [get(ref) for ref in everything]])
    *there, failed = get(c.gen.options(num_returns="dynamic").remote(3, 2))
    say("7 dynamic, failed", get(there))
    fails_get("7 dynamic: the last", failed)
    say("7 async generator", [get(ref) for ref in a.agen.remote(3)])

    async def main():
        first = a.agen.remote(1)
        return [await (await anext(first))] + [await ref async for ref in a.agen.remote(3)]

    say("7 async for", asyncio.run(main()))
    pressed = c.gen.options(_generator_backpressure_num_objects=1).remote(3)
    say("7 back-pressure", [get(ref) for ref in pressed])
    pressed = c.gen.options(_generator_backpressure_num_objects=1).remote(3)
    del pressed
    say("7 dropped, and released", get(c.static.remote(1)))
    g = c.gen.remote(2)
    say("7 wait for a generator", len(ray.wait([g], timeout=TIMEOUT)[0]))


@ray.remote
class Context:
    def ask(self):
        here = ray.get_runtime_context()
        return {
            "actor_id": here.get_actor_id() == here.current_actor._actor_id.hex(),
            "name": here.get_actor_name(),
            "task_id": len(here.get_task_id()),
            "task_name": here.get_task_name(),
            "function": here.get_task_function_name().partition(".")[2],
            "node": here.get_node_id() != "",
            "worker": here.get_worker_id() != "",
            "session": here.get_session_name().startswith("session_"),
            "namespace": here.namespace,
            "again": here.was_current_actor_reconstructed,
            "resources": here.get_assigned_resources(),
            "accelerators": here.get_accelerator_ids()["GPU"],
            "again by its old name": here.get_resource_ids().get("GPU", []),
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "gpus": ray.get_gpu_ids(),
            "canceled": here.is_canceled(),
            "job": len(here.get_job_id()),
        }

    def task_id(self):
        return ray.get_runtime_context().get_task_id()

    def environment(self, name):
        return os.environ.get(name)


def context():
    plain = Context.remote()
    for key, value in get(plain.ask.remote()).items():
        say(f"8 {key}", value)
    big = Context.options(name="big", num_cpus=1, num_gpus=1, resources={"wheel": 2}).remote()
    told = get(big.ask.remote())
    say("8 with resources", [told["name"], sorted(told["resources"].items()), told["accelerators"], told["gpus"]])
    say("8 CUDA_VISIBLE_DEVICES", get(big.environment.remote("CUDA_VISIBLE_DEVICES")))
    say("8 cluster_resources", [ray.cluster_resources().get(key) for key in ("CPU", "GPU", "wheel")])
    until(lambda: ray.available_resources().get("CPU") == 1)
    say("8 available_resources", [ray.available_resources().get(key) for key in ("CPU", "GPU", "wheel")])
    ref = plain.task_id.remote()
    say("8 task id is the ref's", get(ref) == ref.task_id().hex())
    say("8 a name by the call", get(plain.ask.options(name="mine").remote())["task_name"])
    (node,) = ray.nodes()
    here = ray.get_runtime_context().get_node_id()
    say("8 nodes", [node["Alive"], node["NodeID"] == here, node["Resources"]["CPU"] == ray.cluster_resources()["CPU"]])
    say("8 node's address", util.get_node_ip_address() == node["NodeManagerAddress"])
    there = scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    env = runtime_env.RuntimeEnv(env_vars={"MARK": "seen"})
    marked = Context.options(scheduling_strategy=there, runtime_env=env).remote()
    say("8 on that node, in that environment", [env["env_vars"], get(marked.environment.remote("MARK"))])
    say("8 cloudpickle", ray.cloudpickle.loads(ray.cloudpickle.dumps(lambda: here))() == here)
    env = Context.options(runtime_env={"env_vars": {"FROM_ENV": "yes"}}).remote()
    say("8 env_vars", get(env.environment.remote("FROM_ENV")))
    here = ray.get_runtime_context()
    say("8 driver", [here.get_actor_id(), here.get_actor_name(), here.namespace, ray.get_gpu_ids()])
    say("8 driver: runtime_env", here.get_runtime_env_string())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        say("8 by old names", [here.job_id.hex() == here.get_job_id(), here.node_id.hex() == here.get_node_id()])
    say("8 by old names: warned", {issubclass(each.category, DeprecationWarning) for each in told})
    fails("8 driver: current_actor", lambda: here.current_actor)
    fails("8 driver: reconstructed", lambda: here.was_current_actor_reconstructed)
    fails("8 driver: resources", here.get_assigned_resources)
    fails("8 driver: is_canceled", here.is_canceled)
    fails_get("8 async: is_canceled", Async.remote().canceled.remote())


@ray.remote
def square(x):
    return x * x


@ray.remote(num_returns=2)
def pair(x):
    return x, -x


@ray.remote
def count_to(n):
    for i in range(n):  # noqa: UP028 - Ray sends into its generators
        yield i


@ray.remote
def broken(name, times):
    """Raise so many times, then say how often it was begun."""
    with open(path(name), "a") as log:
        log.write("x ")
    if len(read(path(name))) <= times:
        raise ValueError("not yet")
    return len(read(path(name)))


@ray.remote
def crashes(name, times):
    with open(path(name), "a") as log:
        log.write("x ")
    if len(read(path(name))) <= times:
        os._exit(1)
    return len(read(path(name)))


@ray.remote
def nested(n):
    return n if n == 0 else n + ray.get(nested.options(num_cpus=0).remote(n - 1))


@ray.remote
def who():
    here = ray.get_runtime_context()
    return [here.get_task_name(), here.get_task_function_name().rpartition(".")[2], here.get_actor_id()]


def tasks():
    say("0 task", get(square.remote(3)))
    say("0 task of refs", get(square.remote(square.remote(2))))
    fails("0 task called", lambda: square(3))
    fails("0 task, wrong arguments", square.remote)
    fails("0 task, unknown option", lambda: square.options(nonsense=1))
    fails("0 task, negative", lambda: square.options(num_returns=-1))
    say("0 task, two returns", get(pair.remote(2)))
    say("0 task, no return", square.options(num_returns=0).remote(2))
    fails_get("0 task, too many", pair.options(num_returns=3).remote(1)[0])
    say("0 task streams", [get(ref) for ref in count_to.remote(3)])
    say("0 task streams two", get(count_to.options(num_returns=2).remote(2)))
    fails_get("0 task raises", broken.remote("broken", 9))
    say("0 task retried", get(broken.options(retry_exceptions=True, max_retries=3).remote("retried task", 2)))
    say("0 task retried for a type", get(broken.options(retry_exceptions=[ValueError]).remote("typed task", 1)))
    fails_get("0 task not retried", broken.options(retry_exceptions=[KeyError]).remote("other task", 1))
    say("0 task crashed", get(crashes.remote("crashed task", 1)))
    say("0 nested tasks", get(nested.remote(3)))
    say("0 names", get(who.options(name="mine").remote()))
    say("0 no name", get(who.remote()))
    say("0 _remote", get(square._remote(args=[4])))
    say("0 many tasks", sum(get([square.remote(i) for i in range(50)])))
    fails("0 an async function", lambda: ray.remote(asyncio.sleep))


@ray.remote
class Keeper:
    def keep(self, thing):
        self.thing = thing

    def give(self):
        return self.thing

    def forget(self):
        self.thing = None
        gc.collect()

    def ask(self):
        return ray.get(self.thing[0].pid.remote())

    def look(self):
        return ray.get(self.thing[0])

    def put(self, value):
        return [ray.put(value)]

    def pid(self):
        return os.getpid()


def holding():
    """Who keeps whom alive."""

    def made(name):
        handle = Keeper.options(name=name).remote()
        return handle, ray.get_actor(name), get(handle.pid.remote())

    def ended(pid):
        until(lambda: not lives_on(pid))
        return True

    def lives_on(pid):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    keeper = Keeper.remote()
    strong, weak, pid = made("argument")
    get(keeper.keep.remote([strong]))
    del strong
    say("4 kept by an argument", [get(weak.pid.remote()) == pid, get(keeper.ask.remote()) == pid])
    get(keeper.forget.remote())
    say("4 let go", ended(pid))
    error = fails_get("4 weak handle", weak.pid.remote())
    say("4 weak handle: text", "all references to the actor were removed" in str(error))

    strong, weak, pid = made("result")
    get(keeper.keep.remote([strong]))
    ref = keeper.give.remote()
    ray.wait([ref], timeout=TIMEOUT)
    get(keeper.forget.remote())
    del strong
    say("4 kept by a result", get(weak.pid.remote()) == pid)
    found = get(ref)
    del ref
    say("4 kept by what was in it", get(found[0].pid.remote()) == pid)
    del found
    say("4 result let go", ended(pid))

    strong, weak, pid = made("put")
    ref = ray.put([strong])
    del strong
    say("4 kept by a put value", get(weak.pid.remote()) == pid)
    del ref
    say("4 put value let go", ended(pid))

    ref = ray.put("borrowed")
    get(keeper.keep.remote([ref]))
    del ref
    say("3 a borrowed ref", get(keeper.look.remote()))
    ref = get(keeper.put.remote("mine"))[0]
    say("3 a lent ref", get(ref))


class Member:
    def __init__(self, value):
        self.value = value

    def get_actor_metadata(self):
        return f"from {self.value}"

    def add(self, by):
        self.value += by
        return self.value


def utilities():
    actors = [Counter.remote(), Counter.remote()]
    static = lambda actor, value: actor.static.remote(value)
    pool = util.ActorPool(actors)
    say("9 pool.map", list(pool.map(static, range(5))))
    say("9 pool.map_unordered", sorted(pool.map_unordered(static, range(5))))
    pool.submit(static, 1)
    pool.submit(static, 2)
    pool.submit(static, 3)
    say("9 pool busy", [pool.has_next(), pool.has_free(), pool.pop_idle()])
    fails("9 pool.push twice", lambda: pool.push(actors[0]))
    say("9 pool.get_next", [pool.get_next(), pool.get_next_unordered() in (3, 4), pool.get_next_unordered() in (3, 4)])
    say("9 pool idle", [pool.has_next(), pool.has_free(), pool.pop_idle() in actors])
    fails("9 pool empty", pool.get_next)
    pool.submit(lambda actor, name: actor.hold.remote(name), "pool")
    fails("9 pool too late", lambda: pool.get_next(timeout=0.05))
    touch("pool")
    say("9 pool in time", pool.get_next(timeout=TIMEOUT))

    pool.submit(lambda actor, name: actor.hold.remote(name), "ignored")
    fails("9 pool ignores", lambda: pool.get_next(timeout=0.05, ignore_if_timedout=True))
    touch("ignored")

    group = actor_group.ActorGroup(Member, num_actors=2, num_cpus_per_actor=0, init_args=(10,))
    say("9 group", [len(group), get(group.add.remote(1)), group.actor_metadata])
    fails("9 group called", lambda: group.add(1))
    group.remove_actors([0])
    group.add_actors(1)
    say("9 group changed", get(group.add.remote(0)))
    group.shutdown()
    fails("9 group shut down", lambda: group.add)

    q = Queue(maxsize=2, actor_options={"num_cpus": 0})
    q.put(1)
    say("9 queue", [len(q), q.qsize(), q.size(), q.empty(), q.full(), q.get()])
    fails("9 queue empty", q.get_nowait)
    fails("9 queue still empty", lambda: q.get(timeout=0.05))
    fails("9 queue negative", lambda: q.get(timeout=-1))
    q.put_nowait_batch([1, 2])
    fails("9 queue full", lambda: q.put_nowait(3))
    fails("9 queue still full", lambda: q.put(3, timeout=0.05))
    fails("9 queue batch", lambda: q.put_nowait_batch([3]))
    say("9 queue batch out", q.get_nowait_batch(2))
    fails("9 queue batch empty", lambda: q.get_nowait_batch(1))

    async def both():
        await q.put_async("x")
        return await q.get_async()

    say("9 queue async", asyncio.run(both()))
    q.put("for the actor")
    say("9 queue in an actor", get(actors[0].__ray_call__.remote(lambda self, q: q.get(), q)))
    q.shutdown(force=False, grace_period_s=5)
    say("9 queue shut down", q.actor)

    say("9 timeline", [isinstance(ray.timeline(), list), ray.timeline(path("trace")), len(read(path("trace"))) > 0])
    refs = [actors[i % 2].static.remote(i) for i in range(5)]
    say("9 as_completed", sorted(util.as_completed(refs)))
    say("9 as_completed, refs", set(util.as_completed(refs, yield_obj_refs=True)) == set(refs))
    say("9 as_completed, chunk", list(util.as_completed(refs, chunk_size=5)))
    fails("9 as_completed, bad chunk", lambda: list(util.as_completed(refs, chunk_size=0)))
    say("9 map_unordered", sorted(util.map_unordered(actors[0].static, range(5), backpressure_size=2)))

    lock = threading.Lock()

    def uses():
        return lock

    say("9 inspect: fine", util.inspect_serializability([1], name="list", print_file=io.StringIO()))
    ok, failures = util.inspect_serializability(uses, name="uses", print_file=io.StringIO())
    say("9 inspect", [ok, [(each.path[-1], each.obj is lock, each.parent is uses) for each in failures]])
    util.register_serializer(type(lock), serializer=lambda lock: lock.locked(), deserializer=lambda locked: [locked])
    say("9 register_serializer", get(actors[0].echo.remote([lock])))
    util.deregister_serializer(type(lock))
    fails("9 deregister_serializer", lambda: actors[0].echo.remote(lock))


def main():
    quiet = {"include_dashboard": False, "log_to_driver": False}
    say("0 before", ray.is_initialized())
    found = ray.init(num_cpus=2, num_gpus=2, resources={"wheel": 4}, namespace="parity", **quiet)
    say("0 init", [ray.is_initialized(), found["address"] == found.address_info["address"]])
    for section in (
        names,
        creating,
        methods,
        verbs,
        lives,
        errors,
        concurrency,
        refs,
        generators,
        context,
        utilities,
        tasks,
        holding,
    ):
        section()
        gc.collect()
    ray.shutdown()
    ray.shutdown()
    say("0 after", ray.is_initialized())


if __name__ == "__main__":
    main()
