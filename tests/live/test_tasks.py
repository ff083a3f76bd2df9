"""Tasks: remote functions on worker kernels that are leased, reused and given back (RAY_API.md, the stateless half)."""

from __future__ import annotations

import os
import threading

import pytest

import jactors
from jactors.util import state
from tests.live.conftest import gone, texts, until, until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


@jactors.remote
def double(value):
    """Twice as much."""
    return 2 * value


@jactors.remote
def parts(*values):
    return values


@jactors.remote
def keywords(a, b=2, *, task="none", **more):
    return a, b, task, more


@jactors.remote
def boom(kind=ValueError):
    raise kind("the user's own line")


@jactors.remote
def where(*names):
    context = jactors.get_runtime_context()
    return {
        "pid": os.getpid(),
        "env": [os.environ.get(name) for name in names],
        "gpus": jactors.get_gpu_ids(),
        "cwd": os.getcwd(),
        "cores": len(os.sched_getaffinity(0)),
        "name": context.get_task_name(),
        "task_id": context.get_task_id(),
        "free": jactors.available_resources(),
    }


@jactors.remote
def hold(path, *needed):
    """Say with a file, in which the pid is, that it runs; end when ``path.go`` is there."""
    say(path)
    until_exists(path.with_suffix(".go"))
    return "held"


@jactors.remote
def total(refs):
    return sum(jactors.get(refs, timeout=TIMEOUT))


@jactors.remote
def dies(path, times):
    """End the process, so many times; then return how often it was begun."""
    begun = note(path)
    if begun <= times:
        os._exit(3)
    return begun


@jactors.remote
def fails(path, times, kind=ValueError):
    begun = note(path)
    if begun <= times:
        raise kind(f"run {begun}")
    return begun


@jactors.remote
def count(n, path=None, *, how=None):
    """Yield 0, 1, ... n - 1; in the middle wait for a file, raise, or end the process once."""
    for i in range(n):
        if i == n // 2 and how == "wait":
            until_exists(path)
        elif i == n // 2 and how == "raise":
            raise ValueError("in the middle")
        elif i == n // 2 and how == "die" and note(path) == 1:
            os._exit(3)
        yield i


@jactors.remote
class Tally:
    def __init__(self):
        self.sum = 0

    def add(self, n):
        self.sum += n
        return self.sum

    def doubled(self, value):
        return jactors.get(double.remote(value))


def note(path):
    """Write one more line; return how many there are."""
    with open(path, "a") as file:
        file.write("x\n")
    return len(path.read_text().split())


def say(path):
    aside = path.with_suffix(".aside")
    aside.write_text(str(os.getpid()))
    aside.rename(path)  # whoever sees it, sees all of it


def get(ref):
    return jactors.get(ref, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def cells(notebook):
    notebook("import tests.live.test_tasks")
    return notebook


@pytest.fixture(scope="module")
def shared(session):
    """Workers serve more than one test, though pytest puts the test's name into the environment."""
    here = jactors.session.current()
    base = here.base

    def without_name(options):
        found = base(options)
        found["env"].pop("PYTEST_CURRENT_TEST", None)
        return found

    here.base = without_name
    yield
    del here.base


@pytest.fixture(autouse=True)
def given_back(shared):
    """After each test, all that its tasks held is free."""
    yield
    until(lambda: jactors.available_resources() == jactors.cluster_resources())


# ---------------------------------------------------------------------- calling


def test_a_function_runs_elsewhere(session):
    assert get(double.remote(21)) == 42
    assert get(where.remote())["pid"] != os.getpid()


def test_arguments_of_all_kinds(session):
    assert get(keywords.remote(1)) == (1, 2, "none", {})
    # names that the machinery uses too are only names
    assert get(keywords.remote(1, b=3, task="t", name="n", path="p")) == (1, 3, "t", {"name": "n", "path": "p"})


def test_a_function_of_the_test_itself_travels_by_value(session):
    factor = 3
    triple = jactors.remote(lambda value: factor * value)
    assert get(triple.remote(2)) == 6


def test_it_looks_like_the_function(session):
    assert (double.__name__, double.__doc__, double.__module__) == ("double", "Twice as much.", __name__)
    assert double.__wrapped__(4) == 8
    assert repr(double) == "RemoteFunction(double)"


@pytest.mark.parametrize(("n", "expected"), [(0, None), (1, [(1, 2, 3)]), (3, [1, 2, 3])])
def test_num_returns(session, n, expected):
    refs = parts.options(num_returns=n).remote(1, 2, 3)
    assert (refs if n == 0 else get([refs] if n == 1 else refs)) == expected


def test_num_returns_by_the_decorator_and_by_remote(session):
    pair = jactors.remote(num_returns=2)(lambda: (1, 2))
    assert get(pair.remote()) == [1, 2]
    assert get(parts._remote((1, 2), num_returns=2)) == [1, 2]


def test_a_wrong_number_of_values(session):
    for ref in parts.options(num_returns=2).remote(1, 2, 3):
        with pytest.raises(ValueError, match="Task returned 3 objects, but num_returns=2"):
            get(ref)


def test_many_tasks(session):
    assert get([double.remote(i) for i in range(300)]) == [2 * i for i in range(300)]


def test_context(session):
    ref = where.remote()
    found = get(ref)
    assert found["task_id"] == ref.task_id().hex()
    assert found["name"] == "where"
    assert get(where.options(name="my own").remote())["name"] == "my own"


def test_output_stays_with_the_cell_that_submitted_it(cells):
    """Also that of tasks which waited for a worker while the next cell ran."""
    _, second, third = cells(
        """
        @jactors.remote(num_cpus=4)
        def says(text):
            print(text)
        refs = [says.remote(f"line {i}") for i in range(3)]
        """,
        "jactors.get(refs); print('second')",
        "jactors.get([says.remote(f'third {i}') for i in range(2)]); print('end')",
    )
    assert texts(second) == "second\n"
    assert texts(third) == "third 0\nthird 1\nend\n"


# ---------------------------------------------------------------------- refs and handles as arguments


def test_a_ref_is_replaced_by_its_value(session):
    assert get(parts.remote(double.remote(double.remote(1)), jactors.put("put"))) == (4, "put")
    assert get(keywords.remote(a=1, b=double.remote(2)))[1] == 4


def test_a_nested_ref_stays_a_ref_also_while_it_is_pending(session, tmp_path):
    waits = hold.options(num_cpus=0).remote(tmp_path / "a")
    nested = parts.remote([waits])
    inner = get(nested)[0][0]
    assert inner == waits
    (tmp_path / "a.go").touch()
    assert get(inner) == "held"
    assert get(total.remote([double.remote(1), double.remote(2)])) == 6


def test_a_failed_argument_fails_the_task(session, tmp_path):
    ref = fails.remote(tmp_path / "runs", 0, boom.remote())
    with pytest.raises(ValueError, match="the user's own line"):
        get(ref)
    assert not (tmp_path / "runs").exists()


def test_a_failed_argument_fails_it_before_the_others_are_there(session, tmp_path):
    ref = parts.remote(hold.options(num_cpus=0).remote(tmp_path / "a"), boom.remote())
    with pytest.raises(ValueError, match="the user's own line"):
        get(ref)
    (tmp_path / "a.go").touch()


def test_handles_travel_and_are_called(session):
    @jactors.remote
    def add(tally, n):
        return get(tally.add.remote(n))

    tally = Tally.remote()
    assert sorted(get([add.remote(tally, 1) for _ in range(3)])) == [1, 2, 3]
    assert get(tally.doubled.remote(4)) == 8  # and the other way round


def test_a_task_may_submit_and_return_refs(session):
    @jactors.remote
    def submits():
        return [double.remote(i) for i in range(3)]

    assert get(total.remote(get(submits.remote()))) == 6


# ---------------------------------------------------------------------- nested tasks


def test_a_task_that_waits_lets_go_of_its_cpus(session):
    """Each of them needs all there are."""

    @jactors.remote(num_cpus=4)
    def down(n, how):
        if n == 0:
            return 0
        if how == "get":
            return 1 + jactors.get(down.remote(n - 1, how))
        if how == "get list":
            return 1 + jactors.get([down.remote(n - 1, how), jactors.put(1)])[0]
        if how == "wait":
            ready, _ = jactors.wait([down.remote(n - 1, how)])
            return 1 + jactors.get(ready[0])
        return 1 + max(jactors.get(ref) for ref in count.options(num_cpus=4).remote(n))

    assert get([down.remote(2, how) for how in ("get", "get list", "wait", "iterate")]) == [2, 2, 2, 2]


def test_a_task_that_waits_in_two_threads(session):
    @jactors.remote(num_cpus=2)
    def both():
        refs = [double.options(num_cpus=4).remote(i) for i in (1, 2)]
        threads = [threading.Thread(target=jactors.get, args=[ref]) for ref in refs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(jactors.get(refs))

    assert get(both.remote()) == 6


def test_more_nested_tasks_than_cpus(session):
    @jactors.remote
    def tree(n):
        return 1 if n == 0 else sum(jactors.get([tree.remote(n - 1), tree.remote(n - 1)]))

    assert get(tree.remote(3)) == 8


def test_a_gpu_is_kept_while_the_task_waits(session):
    @jactors.remote(num_gpus=1, num_cpus=3)
    def outer():
        return jactors.get(where.options(num_cpus=1).remote())["free"]

    free = get(outer.remote())
    assert (free["GPU"], free["CPU"]) == (3, 3)  # the inner task has a CPU, and nobody the outer's three


# ---------------------------------------------------------------------- resources and environment


def test_resources_are_held_while_it_runs(session, tmp_path):
    ref = hold.options(num_cpus=3, num_gpus=1.0).remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    assert jactors.available_resources() == {"CPU": 1, "GPU": 3}
    (tmp_path / "a.go").touch()
    get(ref)
    assert jactors.available_resources() == {"CPU": 4, "GPU": 4}  # at once


def test_one_cpu_by_default(session, tmp_path):
    refs = [hold.remote(tmp_path / str(n)) for n in range(5)]
    for n in range(4):
        until_exists(tmp_path / str(n))
    assert "CPU" not in jactors.available_resources()
    for n in range(4):
        assert not (tmp_path / "4").exists()
        (tmp_path / f"{n}.go").touch()
        get(refs[n])
        until_exists(tmp_path / "4")
        break
    for n in range(5):
        (tmp_path / f"{n}.go").touch()
    get(refs)


def test_gpus_of_a_task(session):
    visible = ("CUDA_VISIBLE_DEVICES",)
    assert get(where.remote(*visible))["env"] == [""]
    found = get(where.options(num_gpus=2).remote(*visible))
    assert found["env"] == ["0,1"] and found["gpus"] == [0, 1]
    both = get([where.options(num_gpus=0.5).remote(*visible) for _ in range(2)])
    assert [each["env"] for each in both] == [["0"], ["0"]]


def test_cores_of_a_task(session):
    every = len(os.sched_getaffinity(0))
    assert get(where.options(num_cpus=1).remote())["cores"] == 1
    assert get(where.options(num_cpus=0).remote())["cores"] == every


def test_more_than_there_is(session):
    with pytest.raises(exceptions.InsufficientResourcesError, match=r"5 CPU.*4 in total"):
        double.options(num_cpus=5).remote(1)
    with pytest.raises(exceptions.InsufficientResourcesError, match="license"):
        double.options(resources={"license": 1}).remote(1)


def test_environment(session, tmp_path):
    assert get(where.options(env={"MINE": "1"}).remote("MINE"))["env"] == ["1"]
    ray_way = {"env_vars": {"MINE": "2"}, "working_dir": str(tmp_path)}
    found = get(where.options(runtime_env=ray_way).remote("MINE"))
    assert found["env"] == ["2"] and found["cwd"] == str(tmp_path)
    assert get(where.remote("MINE"))["env"] == [None]  # not in one of theirs


def test_the_drivers_environment_as_it_stands(session, monkeypatch):
    monkeypatch.setenv("MINE", "now")
    assert get(where.remote("MINE"))["env"] == ["now"]
    monkeypatch.setenv("MINE", "later")
    assert get(where.remote("MINE"))["env"] == ["later"]


# ---------------------------------------------------------------------- the workers


def test_workers_are_reused(session):
    assert len({get(where.remote())["pid"] for _ in range(10)}) == 1
    assert len({found["pid"] for found in get([where.remote() for _ in range(40)])}) <= 4


def test_workers_are_no_actors_of_the_user(session, tmp_path):
    before = len(state.list_actors())
    ref = hold.remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    assert len(state.list_actors()) == before
    assert "Worker" not in str(state.summarize_actors())
    (tmp_path / "a.go").touch()
    get(ref)


def test_workers_end_with_the_process_that_they_work_for(session, start, tmp_path):
    text = f"""
        import jactors
        from pathlib import Path
        from tests.live.test_tasks import hold
        jactors.init(address={session["address"]!r})
        jactors.get(hold.options(num_cpus=2).remote(Path({str(tmp_path / "a")!r})))
    """
    driver = start(text)
    until_exists(tmp_path / "a")
    assert jactors.available_resources()["CPU"] == 2
    driver.kill()
    assert not gone(int((tmp_path / "a").read_text()))


def test_a_pending_actor_starts_when_tasks_have_ended(session, tmp_path):
    ref = hold.options(num_cpus=4).remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    tally = Tally.options(num_cpus=1).remote()
    answer = tally.add.remote(1)
    (tmp_path / "a.go").touch()
    assert get(ref) == "held"
    assert get(answer) == 1
    del tally, answer


def test_shutdown_ends_tasks_that_run_and_tasks_that_wait(run):
    code, out, err = run(
        """
        import sys
        import jactors
        from pathlib import Path
        from tests.live.conftest import until_exists
        from tests.live.test_tasks import hold
        jactors.init(INIT, num_cpus=1)
        path = Path("a").absolute()
        refs = [hold.remote(path) for _ in range(3)]
        until_exists(path)
        jactors.shutdown()
        for ref in refs:
            try:
                jactors.get(ref, timeout=20)
            except jactors.exceptions.RayActorError as error:
                print("ended", type(error).__name__)
        """
    )
    assert (code, out.splitlines()) == (0, ["ended ActorDiedError"] * 3), err


# ---------------------------------------------------------------------- names


@jactors.remote
def names():
    here = jactors.get_runtime_context()
    return here.get_task_name(), here.get_task_function_name().rpartition(".")[2]


def test_a_task_is_called_as_its_function_or_as_its_caller_says(session):
    """RAY_API 8: get_task_name, get_task_function_name."""
    assert get(names.remote()) == ("names", "names")
    assert get(names.options(name="mine").remote()) == ("mine", "names")


@jactors.remote
def nobody(how):
    here = jactors.get_runtime_context()
    if how == "ids":
        return here.get_actor_id(), here.get_actor_name(), here.get().keys() & {"actor_id", "task_id"}
    if how == "exit":
        jactors.actor.exit_actor()
    return getattr(here, how)


def test_a_task_is_no_actor(session):
    """RAY_API 8: what is known of an actor is not known in a task; 4: exit_actor outside an actor is a TypeError."""
    assert get(nobody.remote("ids")) == (None, None, {"task_id"})
    for how, kind in (("current_actor", RuntimeError), ("was_current_actor_reconstructed", AssertionError)):
        with pytest.raises(kind):
            get(nobody.options(max_retries=0).remote(how))
    with pytest.raises(TypeError, match="exit_actor"):
        get(nobody.options(max_retries=0).remote("exit"))


def test_list_tasks_names_tasks_by_their_function(session, tmp_path):
    """RAY_API 9: list_tasks has tasks as well as calls; none is called after the worker."""
    running = hold.options(name="the first").remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    waiting = hold.remote(tmp_path / "b", running)
    found = {each.task_id: each for each in state.list_tasks(limit=1000)}
    first, second = found[running.task_id().hex()], found[waiting.task_id().hex()]
    assert (first.name, first.func_or_class_name, first.state) == ("the first", "hold", "RUNNING")
    assert (second.name, second.func_or_class_name, second.state) == ("hold", "hold", "PENDING_ARGS_AVAIL")
    assert first.type == second.type == "NORMAL_TASK" and first.worker_pid == int((tmp_path / "a").read_text())
    assert not any("Worker" in each.name for each in found.values())
    (tmp_path / "a.go").touch()
    (tmp_path / "b.go").touch()
    assert get([running, waiting]) == ["held", "held"]
    assert not {running.task_id().hex(), waiting.task_id().hex()} & {each.task_id for each in state.list_tasks()}


# ---------------------------------------------------------------------- errors


def test_exceptions_keep_their_type_and_name_the_function(session):
    with pytest.raises(ZeroDivisionError) as caught:
        get(boom.remote(ZeroDivisionError))
    assert isinstance(caught.value, exceptions.RayTaskError)
    assert str(caught.value).startswith("boom raised") and 'raise kind("the user' in str(caught.value)
    assert "in run" not in str(caught.value)  # none of ours


def test_exceptions_are_not_retried_unasked(session, tmp_path):
    with pytest.raises(ValueError, match="run 1"):
        get(fails.remote(tmp_path / "runs", 1))


@pytest.mark.parametrize(
    ("options", "runs", "ends"),
    [
        ({"retry_exceptions": True}, 3, True),
        ({"retry_exceptions": [ValueError]}, 3, True),
        ({"retry_exceptions": [OSError]}, 1, False),
        ({"retry_exceptions": True, "max_retries": 1}, 2, False),
        ({"retry_exceptions": True, "max_retries": 0}, 1, False),
        ({"retry_exceptions": True, "max_retries": -1}, 3, True),
    ],
    ids=str,
)
def test_exceptions_are_retried_where_asked(session, tmp_path, options, runs, ends):
    ref = fails.options(**options).remote(tmp_path / "runs", 2)
    if ends:
        assert get(ref) == runs
    else:
        with pytest.raises(ValueError, match=f"run {runs}"):
            get(ref)
    assert len((tmp_path / "runs").read_text().split()) == runs


@pytest.mark.parametrize(
    ("options", "times", "runs"), [({}, 3, 4), ({"max_retries": 1}, 1, 2), ({"max_retries": -1}, 2, 3)], ids=str
)
def test_a_crash_is_retried(session, tmp_path, options, times, runs):
    assert get(dies.options(**options).remote(tmp_path / "runs", times)) == runs


@pytest.mark.parametrize("retries", [0, 1])
def test_a_crash_with_its_retries_used_up(session, tmp_path, retries):
    with pytest.raises(exceptions.WorkerCrashedError, match="exit code 3"):
        get(dies.options(max_retries=retries).remote(tmp_path / "runs", 9))
    assert len((tmp_path / "runs").read_text().split()) == retries + 1


def test_crashes_and_exceptions_share_the_retries(session, tmp_path):
    @jactors.remote(max_retries=2, retry_exceptions=True)
    def both(path):
        if note(path) % 2:
            raise ValueError("odd")
        os._exit(3)

    with pytest.raises(ValueError, match="odd"):
        get(both.remote(tmp_path / "runs"))
    assert len((tmp_path / "runs").read_text().split()) == 3


@pytest.mark.parametrize("last_words", ["task", "generator"])
def test_a_crash_costs_its_neighbours_nothing(session, tmp_path, last_words):
    """They waited for the worker that died, or for another of its kind; they have no retry to spare."""
    options = {"num_cpus": 4, "max_retries": 0}
    if last_words == "task":
        ref = dies.options(**options).remote(tmp_path / "runs", 9)
    else:
        ref = count.options(**options).remote(4, tmp_path / "runs", how="die").completed()
    others = [double.options(**options).remote(i) for i in range(5)]
    assert get(others) == [0, 2, 4, 6, 8]
    with pytest.raises(exceptions.WorkerCrashedError):
        get(ref)


def test_an_actor_that_dies_under_a_task_is_an_error_of_the_task(session, tmp_path):
    @jactors.remote
    def asks(path):
        note(path)
        tally = Tally.remote()
        jactors.kill(tally)
        return jactors.get(tally.add.remote(1))

    with pytest.raises(exceptions.RayTaskError) as caught:
        get(asks.remote(tmp_path / "runs"))
    assert isinstance(caught.value, exceptions.RayActorError)
    assert len((tmp_path / "runs").read_text().split()) == 1  # no crash of its own, so no retry


def test_a_result_that_cannot_be_pickled(session):
    with pytest.raises(TypeError, match="lock"):
        get(jactors.remote(lambda: [threading.Lock()]).remote())


# ---------------------------------------------------------------------- bad input


def test_a_direct_call_is_refused():
    with pytest.raises(TypeError, match=r"Remote functions cannot be called directly.*try 'double\.remote\(\)'"):
        double(1)


@pytest.mark.parametrize("how", [jactors.remote, double.options], ids=["decorator", "options"])
def test_an_unknown_option_is_refused(how):
    with pytest.raises(ValueError, match="Invalid option keyword max_retrys for"):
        how(max_retrys=1)(lambda: None) if how is jactors.remote else how(max_retrys=1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_returns": -1}, "num_returns"),
        ({"num_returns": "streaming"}, "generator"),
        ({"max_retries": -2}, "max_retries"),
        ({"num_cpus": -1}, "num_cpus"),
        ({"retry_exceptions": ["ValueError"]}, "retry_exceptions"),
        ({"max_restarts": 1}, "max_restarts"),
    ],
    ids=str,
)
def test_bad_values_of_options(options, text):
    with pytest.raises(ValueError, match=text):
        double.options(**options)


def test_a_decorator_says_what_is_wrong_with_a_value_where_actors_do_not_know_the_name():
    with pytest.raises(TypeError, match=r"The type of keyword 'max_retries' must be \(int, None\)"):
        jactors.remote(max_retries=0.5)


def test_a_coroutine_function_is_refused():
    with pytest.raises(ValueError, match=r"'async def' should not be used for remote tasks"):

        @jactors.remote
        async def coroutine():
            pass


@pytest.mark.parametrize(("args", "text"), [((), "value"), ((1, 2), "too many")])
def test_arguments_that_do_not_fit(session, args, text):
    with pytest.raises(TypeError, match=text):
        double.remote(*args)


def test_a_function_that_cannot_be_pickled(session):
    lock = threading.Lock()
    locked = jactors.remote(lambda: lock)
    with pytest.raises(TypeError, match="lock") as caught:
        locked.remote()
    assert isinstance(caught.value, jactors.errors.SerializationError)


def test_an_argument_that_cannot_be_pickled(session):
    with pytest.raises(TypeError, match="the arguments of double"):
        double.remote(threading.Lock())


# ---------------------------------------------------------------------- generators


def test_a_generator_streams_while_it_runs(session, tmp_path):
    stream = count.remote(4, tmp_path / "go", how="wait")
    assert [get(next(stream)), get(next(stream))] == [0, 1]
    assert not stream.is_finished()
    (tmp_path / "go").touch()
    assert [get(ref) for ref in stream] == [2, 3]
    assert get(stream.completed()) is None and stream.is_finished()


def test_a_generator_that_raises_in_the_middle(session):
    refs = list(count.remote(4, how="raise"))
    assert get(refs[:2]) == [0, 1] and len(refs) == 3
    with pytest.raises(ValueError, match="in the middle"):
        get(refs[2])


def test_a_generator_with_a_fixed_number_of_returns(session):
    assert get(count.options(num_returns=3).remote(3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="num_returns=3"):
        get(count.options(num_returns=3).remote(2)[2])


def test_a_generator_whose_worker_dies_goes_on_where_it_was(session, tmp_path):
    assert [get(ref) for ref in count.remote(6, tmp_path / "runs", how="die")] == [0, 1, 2, 3, 4, 5]
    assert len((tmp_path / "runs").read_text().split()) == 2


def test_a_generator_whose_worker_dies_for_good(session, tmp_path):
    refs = list(count.options(max_retries=0).remote(6, tmp_path / "runs", how="die"))
    assert get(refs[:-1]) == list(range(len(refs) - 1))  # what it had sent when it died
    with pytest.raises(exceptions.WorkerCrashedError):
        get(refs[-1])


def test_a_generator_takes_refs(session):
    assert [get(ref) for ref in count.remote(double.remote(1))] == [0, 1]
    refs = list(count.remote(boom.remote()))
    with pytest.raises(ValueError, match="the user's own line"):
        get(refs[0])


# ---------------------------------------------------------------------- cancel


def cancelled(ref, name="hold"):
    with pytest.raises(exceptions.TaskCancelledError) as caught:
        get(ref)
    assert name in str(caught.value)


def test_cancel_of_a_running_task(session, tmp_path):
    ref = hold.remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    jactors.cancel(ref)
    cancelled(ref)
    assert get(where.remote())["pid"] == int((tmp_path / "a").read_text())  # its worker lives on


def test_cancel_of_a_task_that_waits_for_cpus(session, tmp_path):
    runs = hold.options(num_cpus=4).remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    waits = [hold.remote(tmp_path / str(n)) for n in range(3)]
    for ref in waits:
        jactors.cancel(ref)
    for ref in waits:
        cancelled(ref)
    (tmp_path / "a.go").touch()
    assert get(runs) == "held"
    assert jactors.available_resources() == jactors.cluster_resources()  # nothing is started for them
    assert not any((tmp_path / str(n)).exists() for n in range(3))


def test_cancel_of_a_task_that_waits_for_an_argument(session, tmp_path):
    first = hold.remote(tmp_path / "a")
    second = hold.remote(tmp_path / "b", first)
    jactors.cancel(second)
    cancelled(second)
    (tmp_path / "a.go").touch()
    assert get(first) == "held"
    assert not (tmp_path / "b").exists()


def test_cancel_at_any_moment(session):
    """While its worker starts, or is sent it, or has ended it."""
    refs = [double.options(env={"NEW": str(n)}).remote(n) for n in range(2)]
    refs += [double.remote(n) for n in range(50)]
    for ref in refs:
        jactors.cancel(ref)
    for n, ref in enumerate(refs):
        try:
            assert get(ref) == 2 * (n if n < 2 else n - 2)
        except exceptions.TaskCancelledError:
            cancelled(ref, "double")


def test_cancel_is_recursive(session, tmp_path):
    @jactors.remote
    def outer(path):
        return jactors.get(hold.remote(path))

    for path, recursive in [(tmp_path / "a", True), (tmp_path / "b", False)]:
        ref = outer.remote(path)
        until_exists(path)
        jactors.cancel(ref, recursive=recursive)
        cancelled(ref, "outer")
        if recursive:
            until(lambda: jactors.available_resources() == jactors.cluster_resources())
        else:
            assert jactors.available_resources()["CPU"] == 3
            path.with_suffix(".go").touch()


def test_cancel_of_a_generator(session, tmp_path):
    stream = count.remote(4, tmp_path / "never", how="wait")
    assert get(next(stream)) == 0
    jactors.cancel(stream)
    refs = list(stream)
    assert get(refs[:-1]) in ([], [1])
    cancelled(refs[-1], "count")
    queued = count.remote(double.remote(hold.remote(tmp_path / "a")))
    jactors.cancel(queued)
    cancelled(next(queued), "count")
    (tmp_path / "a.go").touch()


def test_cancel_by_force_ends_the_worker(session, tmp_path):
    ref = hold.remote(tmp_path / "a")  # it has retries, but nobody wants it
    until_exists(tmp_path / "a")
    jactors.cancel(ref, force=True)
    cancelled(ref)
    assert not gone(int((tmp_path / "a").read_text()))


def test_cancel_of_what_has_ended_does_nothing(session):
    ref = double.remote(1)
    assert get(ref) == 2
    jactors.cancel(ref)
    jactors.cancel(ref, force=True)
    assert get(ref) == 2
