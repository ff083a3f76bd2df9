from __future__ import annotations

import pickle
import random

import pytest

from jactors.errors import InsufficientResourcesError
from jactors.ledger import Grant, Ledger


def machine(cores=4, gpus=2, **stated):
    return Ledger(cores=range(cores), gpus=[str(index) for index in range(gpus)], **stated)


# ---- totals


@pytest.mark.parametrize(
    ("ledger", "total"),
    [
        (machine(), {"CPU": 4.0, "GPU": 2.0}),
        (machine(gpus=0), {"CPU": 4.0}),
        (machine(num_cpus=8, num_gpus=0), {"CPU": 8.0}),
        (machine(num_cpus=2.5, num_gpus=1), {"CPU": 2.5, "GPU": 1.0}),
        (machine(num_cpus=0, gpus=0), {}),
        (machine(memory=2**30, resources={"license": 1}), {"CPU": 4.0, "GPU": 2.0, "memory": 2.0**30, "license": 1.0}),
    ],
)
def test_total(ledger, total):
    assert ledger.total() == total
    assert ledger.available() == total


def test_available_omits_what_is_all_taken():
    ledger = machine()
    ledger.reserve("a", {"CPU": 4.0, "GPU": 0.5})
    assert ledger.available() == {"GPU": 1.5}
    assert ledger.total() == {"CPU": 4.0, "GPU": 2.0}


def test_memory_of_the_machine_is_counted_from_when_somebody_asks_for_some():
    ledger = machine(cores=1, gpus=0, machine_memory=2**30)
    assert ledger.total() == {"CPU": 1.0}
    assert ledger.reserve("a", {"memory": 2.0**29}) is not None
    assert ledger.available() == {"CPU": 1.0, "memory": 2.0**29}
    assert ledger.reserve("b", {"memory": 2.0**29 + 1}) is None
    with pytest.raises(InsufficientResourcesError, match="has 0 bytes in total"):
        machine(memory=0, machine_memory=2**30).check({"memory": 1.0})


# ---- cores


def test_whole_cores_are_exclusive_lowest_first():
    ledger = Ledger(cores=[7, 3, 5, 1], gpus=[])
    grants = [ledger.reserve(who, {"CPU": n}).cores for who, n in [("a", 1.0), ("b", 2.0), ("c", 1.0)]]
    assert grants == [(1,), (3, 5), (7,)]
    assert ledger.reserve("d", {"CPU": 1.0}) is None


def test_released_cores_are_the_next_to_be_given():
    ledger = machine()
    for who in "abcd":
        ledger.reserve(who, {"CPU": 1.0})
    ledger.release("b")
    assert ledger.reserve("e", {"CPU": 1.0}).cores == (1,)


@pytest.mark.parametrize("demand", [{}, {"CPU": 0.5}, {"GPU": 1.0}, {"memory": 1.0}])
def test_less_than_a_core_pins_nothing(demand):
    assert machine(memory=10).reserve("a", demand).cores == ()


def test_fractions_of_cores_add_up_without_pinning():
    ledger = machine(cores=1)
    grants = [ledger.reserve(str(n), {"CPU": 0.1}) for n in range(11)]
    assert [grant is not None for grant in grants] == [True] * 10 + [False]
    assert ledger.available() == {"GPU": 2.0}


def test_cores_are_shared_only_where_more_are_stated_than_exist():
    ledger = machine(cores=2, num_cpus=5)
    cores = [ledger.reserve(who, {"CPU": 1.0}).cores for who in "abc"]
    assert cores == [(0,), (1,), (0,)]
    assert ledger.reserve("d", {"CPU": 1.0}).cores == (1,)  # the least loaded
    ledger.release("a")
    ledger.release("c")
    assert ledger.reserve("e", {"CPU": 1.0}).cores == (0,)
    ledger.release("b")
    assert ledger.reserve("big", {"CPU": 3.0}).cores == (0, 1)  # never more than exist


def test_a_ledger_without_cores_pins_nothing():
    assert Ledger(cores=[], gpus=[], num_cpus=2).reserve("a", {"CPU": 2.0}).cores == ()


# ---- GPUs


def gpus_of(ledger, *amounts):
    grants = [ledger.reserve(str(n), {"GPU": amount}) for n, amount in enumerate(amounts)]
    return [grant and grant.gpus for grant in grants]


@pytest.mark.parametrize(
    ("amounts", "ids"),
    [
        ([0.5] * 5, [("0",), ("0",), ("1",), ("1",), None]),
        ([1.0, 1.0, 1.0], [("0",), ("1",), None]),
        ([2.0, 0.1], [("0", "1"), None]),
        ([1.0, 0.5, 0.5], [("0",), ("1",), ("1",)]),
        ([0.5, 1.0, 0.5], [("0",), ("1",), ("0",)]),
        ([0.5, 1.0, 1.0], [("0",), ("1",), None]),
        ([0.3, 0.8, 0.2, 0.7], [("0",), ("1",), ("1",), ("0",)]),  # the fullest that has room
        ([0.6, 0.6, 0.6], [("0",), ("1",), None]),  # 0.8 is free, but not on one
        ([1 / 3] * 7, [("0",)] * 3 + [("1",)] * 3 + [None]),
        ([1 / 6] * 6, [("0",)] * 6),
        ([0.0001] * 3, [("0",)] * 3),
    ],
    ids=str,
)
def test_whole_gpus_are_exclusive_and_fractions_packed(amounts, ids):
    assert gpus_of(machine(), *amounts) == ids


def test_ten_tenths_fill_a_gpu():
    assert gpus_of(machine(gpus=1), *[0.1] * 11) == [("0",)] * 10 + [None]


@pytest.mark.parametrize(
    ("gpus", "stated", "ids"),
    [
        (["2", "3"], None, ("2", "3")),
        (["GPU-aa", "GPU-bb"], 2, ("GPU-aa", "GPU-bb")),
        (["2", "3"], 1, ("2",)),
        ([], 3, ("0", "1", "2")),
        (["5"], 2, ("0", "1")),
    ],
)
def test_ids_are_those_found_or_counted_where_more_are_stated(gpus, stated, ids):
    ledger = Ledger(cores=[0], gpus=gpus, num_gpus=stated)
    assert ledger.reserve("a", {"GPU": float(len(ids))}).gpus == ids


def test_a_count_of_gpus_is_whole():
    with pytest.raises(ValueError, match=r"1\.5 is not a whole number"):
        machine(num_gpus=1.5)


# ---- reserve and release


def test_all_or_nothing():
    ledger = machine(resources={"license": 1})
    ledger.reserve("a", {"license": 1.0})
    before = ledger.available()
    assert ledger.reserve("b", {"CPU": 1.0, "GPU": 1.0, "license": 1.0}) is None
    assert ledger.available() == before
    assert list(ledger.holders()) == ["a"]


def test_a_grant_says_what_was_given():
    grant = machine(memory=100).reserve("a", {"CPU": 2.0, "GPU": 0.5, "memory": 10.0}, label="Model 'a'")
    assert grant == Grant(
        holder="a", demand={"CPU": 2.0, "GPU": 0.5, "memory": 10.0}, cores=(0, 1), gpus=("0",), label="Model 'a'"
    )
    assert pickle.loads(pickle.dumps(grant)) == grant


def test_who_has_a_grant_keeps_it():
    ledger = machine()
    grant = ledger.reserve("a", {"CPU": 1.0})
    assert ledger.reserve("a", {"CPU": 1.0}) is grant
    assert ledger.available() == {"CPU": 3.0, "GPU": 2.0}


def test_release_is_idempotent():
    ledger = machine()
    ledger.reserve("a", {"CPU": 1.0, "GPU": 1.0})
    for _ in range(2):
        ledger.release("a")
    ledger.release("never seen")
    assert ledger.available() == ledger.total()
    assert ledger.holders() == {}


def test_holders_are_a_copy():
    ledger = machine()
    ledger.reserve("a", {"CPU": 1.0})
    ledger.holders().clear()
    assert list(ledger.holders()) == ["a"]


def test_a_demand_of_nothing_is_granted_always():
    ledger = Ledger(cores=[], gpus=[])
    assert ledger.reserve("a", {}) == Grant(holder="a", demand={})


# ---- adopt


def test_an_adopted_grant_counts():
    mine, yours = machine(), machine()
    grant = yours.reserve("you", {"CPU": 2.0, "GPU": 0.5})
    mine.adopt(grant)
    assert mine.available() == yours.available() == {"CPU": 2.0, "GPU": 1.5}
    assert mine.reserve("me", {"CPU": 1.0, "GPU": 1.0}).gpus == ("1",)
    assert mine.holders()["me"].cores == (2,)
    mine.release("you")
    assert mine.available() == {"CPU": 3.0, "GPU": 1.0}


def test_an_adopted_grant_on_other_gpus_takes_none_of_these():
    mine = Ledger(cores=[0], gpus=["1"])
    mine.adopt(Grant(holder="you", demand={"GPU": 1.0}, gpus=("0",)))
    assert mine.available() == {"CPU": 1.0, "GPU": 1.0}
    assert mine.reserve("me", {"GPU": 1.0}).gpus == ("1",)
    assert "you" not in mine.explain({"GPU": 1.0})


def test_an_adopted_grant_may_exceed_what_is_here():
    mine = machine(cores=1)
    mine.adopt(Grant(holder="you", demand={"CPU": 8.0}, cores=tuple(range(8))))
    assert mine.available() == {"GPU": 2.0}
    assert mine.reserve("me", {"CPU": 1.0}) is None


# ---- check


@pytest.mark.parametrize(
    ("demand", "text"),
    [
        ({"GPU": 3.0}, "asked for 3 GPU, but this session has 2 in total: .*init(num_gpus=3)"),
        ({"CPU": 4.5}, "asked for 4.5 CPU, but this session has 4 in total: .*init(num_cpus=5)"),
        (
            {"memory": 2.0**31},
            "asked for 2 GiB of memory, but this session has 1 GiB in total: .*init(memory=2147483648)",
        ),
        (
            {"license": 0.5},
            "asked for 0.5 license, but this session has 0 in total: .*init(resources={'license': 0.5})",
        ),
        ({"CPU": 1.0, "tpu": 2.0}, "asked for 2 tpu"),
    ],
    ids=str,
)
@pytest.mark.parametrize("ask", [Ledger.check, lambda ledger, demand: ledger.reserve("a", demand)])
def test_what_can_never_be_is_refused_at_once(ask, demand, text):
    escaped = text.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(InsufficientResourcesError, match=escaped):
        ask(machine(memory=2**30), demand)


def test_what_is_only_taken_is_not_refused():
    ledger = machine()
    ledger.reserve("a", {"CPU": 4.0, "GPU": 2.0})
    ledger.check({"CPU": 4.0, "GPU": 2.0})


# ---- explain


def test_what_need_not_wait_needs_no_explanation():
    ledger = machine()
    assert ledger.explain({"CPU": 4.0, "GPU": 2.0}) == ""
    assert ledger.explain({}) == ""


def test_whole_gpus_all_taken():
    ledger = machine()
    ledger.reserve("1", {"GPU": 1.0}, "Model 'a'")
    ledger.reserve("2", {"GPU": 1.0}, label="Model 'b'")
    ledger.reserve("3", {"CPU": 1.0}, label="Bystander")
    assert ledger.explain({"GPU": 1.0}) == "waits for 1 GPU: 0 of 2 free; held by Model 'a' (1), Model 'b' (1)"


@pytest.mark.parametrize(
    ("taken", "asked", "text"),
    [
        ([0.5, 0.7], 1.0, "waits for 1 GPU: 0.8 of 2 free; held by 0 (0.5), 1 (0.7)"),
        ([0.5, 0.7], 0.6, "waits for 0.6 GPU: 0.8 of 2 free, but at most 0.5 on one; held by 0 (0.5), 1 (0.7)"),
        ([0.3, 1.0], 0.8, "waits for 0.8 GPU: 0.7 of 2 free; held by 0 (0.3), 1 (1)"),
        ([0.1], 2.0, "waits for 2 GPU: 1.9 of 2 free; held by 0 (0.1)"),
    ],
    ids=str,
)
def test_fractions_in_the_way(taken, asked, text):
    ledger = machine()
    gpus_of(ledger, *taken)
    assert ledger.reserve("late", {"GPU": asked}) is None
    assert ledger.explain({"GPU": asked}) == text


@pytest.mark.parametrize(
    ("gpus", "asked", "text"),
    [
        (2, 1.0, "waits for 1 GPU: 1.5 of 2 free, but no whole one; held by 0 (0.4), 2 (0.1)"),
        (3, 2.0, "waits for 2 GPU: 2.5 of 3 free, but only 1 whole; held by 0 (0.4), 2 (0.1)"),
    ],
)
def test_enough_in_sum_but_not_in_whole(gpus, asked, text):
    ledger = machine(gpus=gpus)
    assert gpus_of(ledger, 0.4, 0.7, 0.1) == [("0",), ("1",), ("1",)]
    ledger.release("1")
    assert ledger.reserve("late", {"GPU": asked}) is None
    assert ledger.explain({"GPU": asked}) == text


def test_several_shortages_are_all_named():
    ledger = machine(memory=2**30)
    ledger.reserve("a", {"CPU": 4.0, "memory": 2.0**29}, label="Hog")
    assert ledger.explain({"CPU": 1.0, "GPU": 1.0, "memory": 2.0**30}) == (
        "waits for 1 CPU: 0 of 4 free; held by Hog (4); "
        "also waits for 1 GiB of memory: 512 MiB of 1 GiB free; held by Hog (512 MiB)"
    )


def test_a_crowd_is_not_listed():
    ledger = machine(cores=20)
    for n in range(20):
        ledger.reserve(str(n), {"CPU": 1.0}, label=f"A{n}")
    assert ledger.explain({"CPU": 1.0}).endswith("A6 (1), A7 (1), 12 more")


# ---- at random


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_given_twice(seed):
    dice = random.Random(seed)
    ledger = machine(cores=4, gpus=3, resources={"license": 2})
    held = {}
    for step in range(200):
        if held and dice.random() < 0.4:
            who = dice.choice(list(held))
            ledger.release(who)
            del held[who]
            continue
        demand = {
            "CPU": dice.choice([0, 0.25, 1, 1.5, 2]),
            "GPU": dice.choice([0, 0.1, 1 / 3, 0.5, 1, 2]),
            "license": dice.choice([0, 0, 0.7, 1]),
        }
        must_wait = bool(ledger.explain(demand))
        grant = ledger.reserve(str(step), demand)
        assert (grant is None) == must_wait
        if grant is not None:
            held[str(step)] = demand
            assert len(grant.cores) == int(demand["CPU"])
            assert len(grant.gpus) == (demand["GPU"] > 0) * max(1, int(demand["GPU"]))
        cores = [core for grant in ledger.holders().values() for core in grant.cores]
        assert len(cores) == len(set(cores))
        load = {}
        for grant in ledger.holders().values():
            for gpu in grant.gpus:
                load[gpu] = load.get(gpu, 0) + min(1, grant.demand["GPU"])
        assert all(amount < 1.0001 for amount in load.values())
        for name, total in ledger.total().items():
            used = sum(demand[name] for demand in held.values())
            assert ledger.available().get(name, 0) == pytest.approx(total - used, abs=0.002)
    for who in held:
        ledger.release(who)
    assert ledger.available() == ledger.total()


def test_a_repr_says_what_is_free():
    assert repr(machine()) == "<Ledger {'CPU': 4.0, 'GPU': 2.0} of {'CPU': 4.0, 'GPU': 2.0}, 0 holders>"
