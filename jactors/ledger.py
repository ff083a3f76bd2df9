"""Who has which cores, GPUs and other resources: reserve, release, explain why not.

Pure arithmetic: no I/O, no clock, no threads. The whole state is the totals and the grants, in the order in which they
were given; what is free is counted from the grants each time. So a ledger that is kept in a file is a list of grants,
and whoever reads it (`adopt`) knows as much as whoever wrote it.

Guarantees: a grant never exceeds what is free, also after any number of fractions (integers of 1/10000 inside); a whole
GPU is nobody else's; a core is nobody else's unless more cores were stated than exist; the same requests in the same
order give the same ids, lowest first.

Demands are those of `ActorOptions.demand`, validated there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jactors.errors import InsufficientResourcesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Grant", "Ledger"]

#: Parts of one unit. Floats do not add up: ten times 0.1 is not 1.
_PARTS = 10_000

#: How many holders an explanation names.
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one holder has: the amounts, and where these are things with numbers, which ones."""

    holder: str
    #: Amounts by resource; ``memory`` in bytes.
    demand: Mapping[str, float]
    #: Cores to be pinned to; empty without a whole CPU.
    cores: tuple[int, ...] = ()
    #: GPU ids; a fraction has one, which others may have too.
    gpus: tuple[str, ...] = ()
    #: How an explanation names the holder: ``"Counter 'tally'"``.
    label: str = field(default="", compare=False)


class Ledger:
    """Totals of one machine, and the grants on them.

    Parameters
    ----------
    cores : Sequence[int]
        Core numbers this user may run on.
    gpus : Sequence[str]
        GPU ids, as ``CUDA_VISIBLE_DEVICES`` takes them.
    num_cpus : float, optional
        Cores to count, if not those of `cores`. Stated larger, cores are shared; smaller, some stay free.
    num_gpus : float, optional
        GPUs to count, if not those of `gpus`. Stated larger than `gpus`, the ids are "0", "1", ...
    memory : float, optional
        Bytes to count, if not the machine's.
    machine_memory : float
        What the machine has, in bytes. It is counted, and shown, from when somebody asks for some.
    resources : Mapping[str, float]
        Custom resources by name.
    """

    def __init__(
        self,
        *,
        cores: Sequence[int],
        gpus: Sequence[str],
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        memory: float | None = None,
        machine_memory: float = 0,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        if num_gpus is not None and num_gpus != int(num_gpus):
            raise ValueError(f"num_gpus counts GPUs: {num_gpus} is not a whole number")
        count = len(gpus) if num_gpus is None else int(num_gpus)
        self._cores = sorted(cores)
        #: Those it may choose from; never more than `count` of them are given out.
        self._gpus = list(gpus) if count <= len(gpus) else [str(index) for index in range(count)]
        self._count = count
        stated = {"CPU": len(cores) if num_cpus is None else num_cpus, "GPU": count, "memory": memory or 0}
        self._total = _in_parts({**stated, **(resources or {})})
        self._unasked = _in_parts({"memory": machine_memory}) if memory is None else {}
        self._grants: dict[str, Grant] = {}
        #: What others have, of other ledgers.
        self._shared: dict[str, Grant] = {}

    @property
    def cores(self) -> list[int]:
        """Core numbers to be given out."""
        return list(self._cores)

    def __repr__(self) -> str:
        return f"<Ledger {self.available()} of {self.total()}, {len(self._grants)} holders>"

    def total(self) -> dict[str, float]:
        """All there is, by resource; omits what there is none of."""
        return _in_units(self._total)

    def available(self) -> dict[str, float]:
        """What is free, by resource; omits what is all taken, as Ray does."""
        return _in_units({name: self._free(name) for name in self._total})

    def holders(self) -> dict[str, Grant]:
        """Grants by holder, oldest first."""
        return dict(self._grants)

    def check(self, demand: Mapping[str, float]) -> None:
        """Refuse what could never be granted.

        Raises
        ------
        InsufficientResourcesError
            More is asked than exists: says what was asked, what there is, and how to state more.
        """
        for name, asked in _in_parts(demand).items():
            if name in self._unasked:
                self._total[name] = self._unasked.pop(name)
            total = self._total.get(name, 0)
            # A fraction above one GPU asks for that many whole ones.
            if asked > total or (name == "GPU" and _whole_gpus(asked) > self._count):
                raise InsufficientResourcesError(
                    f"asked for {_amount(asked, name)}, but this session has {_number(total, name)} in total: "
                    f"ask for less, or state what the machine has with {_cure(asked, name)}"
                )

    def reserve(self, holder: str, demand: Mapping[str, float], label: str = "") -> Grant | None:
        """Give `holder` what it asks for, all of it or nothing.

        Parameters
        ----------
        holder : str
            Who asks; whoever has a grant keeps it, and asking again returns it.
        demand : Mapping[str, float]
            Amounts by resource; ``memory`` in bytes.
        label : str
            How others see the holder: ``"Counter 'tally'"``.

        Returns
        -------
        Grant or None
            None: the resources exist but are taken; ask again after a `release`. `explain` says who has them.

        Raises
        ------
        InsufficientResourcesError
            As `check`.
        """
        if holder in self._grants:
            return self._grants[holder]
        self.check(demand)
        if any(self._shortages(demand)):
            return None
        asked = _in_parts(demand)
        grant = Grant(
            holder=holder,
            demand=dict(demand),
            cores=self._choose_cores(asked.get("CPU", 0) // _PARTS),
            gpus=self._choose_gpus(asked.get("GPU", 0)),
            label=label,
        )
        self._grants[holder] = grant
        return grant

    def adopt(self, grant: Grant) -> None:
        """Take over a grant that another process gave: it counts here from now on."""
        self._grants[grant.holder] = grant

    def share(self, grants: Iterable[Grant]) -> None:
        """Take note of what others have now, instead of what was said before: it counts here, and is not ours."""
        self._shared = {grant.holder: grant for grant in grants}

    def release(self, holder: str) -> None:
        """Take back what `holder` has; nothing happens where it has nothing."""
        self._grants.pop(holder, None)

    def explain(self, demand: Mapping[str, float]) -> str:
        """Say what a demand waits for and who has it; empty when it need not wait."""
        return "; also ".join(self._shortages(demand))

    # ---- what is free

    def _used(self, name: str) -> dict[str, int]:
        grants = self._all()
        used = {holder: _parts(grant.demand.get(name, 0)) for holder, grant in grants.items()}
        if name == "GPU":  # an adopted grant may be on GPUs that are not of this ledger
            used = {holder: parts for holder, parts in used.items() if {*grants[holder].gpus} & {*self._gpus}}
        return {holder: parts for holder, parts in used.items() if parts}

    def _free(self, name: str) -> int:
        if name == "GPU":
            return sum(self._room().values())
        return max(0, self._total.get(name, 0) - sum(self._used(name).values()))  # adopted grants may exceed it

    def _all(self) -> dict[str, Grant]:
        return {**self._grants, **self._shared} if self._shared else self._grants

    def _room(self) -> dict[str, int]:
        """Free parts of each GPU that may be given out: those in use here, and of the others the freest."""
        room = self._room_of(self._gpus)
        if self._count == len(self._gpus):
            return room
        mine = {gpu for grant in self._grants.values() for gpu in grant.gpus}
        others = sorted((gpu for gpu in self._gpus if gpu not in mine), key=lambda gpu: -room[gpu])
        chosen = mine | {*others[: max(0, self._count - len(mine))]}
        return {gpu: parts for gpu, parts in room.items() if gpu in chosen}

    def _room_of(self, gpus: Sequence[str]) -> dict[str, int]:
        room = dict.fromkeys(gpus, _PARTS)
        for grant in self._all().values():
            for gpu in set(grant.gpus) & room.keys():
                room[gpu] -= min(room[gpu], _parts(grant.demand.get("GPU", 0)), _PARTS)
        return room

    def _shortages(self, demand: Mapping[str, float]) -> Iterator[str]:
        for name, asked in _in_parts(demand).items():
            free, why = self._free(name), ""
            if name == "GPU" and asked <= free:
                room = list(self._room().values())
                if asked < _PARTS and max(room) < asked:
                    why = f", but at most {_number(max(room), name)} on one"
                elif asked >= _PARTS and room.count(_PARTS) < _whole_gpus(asked):
                    why = f", but only {room.count(_PARTS)} whole" if _PARTS in room else ", but no whole one"
            if asked > free or why:
                have = f"{_number(free, name)} of {_number(self._total.get(name, 0), name)} free{why}"
                yield f"waits for {_amount(asked, name)}: {have}{self._held(name)}"

    def _held(self, name: str) -> str:
        used = self._used(name)
        grants = self._all()
        said = [f"{grants[who].label or who} ({_number(parts, name)})" for who, parts in used.items()]
        if len(said) > _NAMED:
            said[_NAMED:] = [f"{len(said) - _NAMED} more"]
        return f"; held by {', '.join(said)}" if said else ""

    # ---- which ones

    def _choose_cores(self, count: int) -> tuple[int, ...]:
        load = dict.fromkeys(self._cores, 0)
        for grant in self._all().values():
            for core in set(grant.cores) & load.keys():
                load[core] += 1
        # While no more is stated than exists, `count` cores are free here, and sharing never happens.
        return tuple(sorted(sorted(load, key=lambda core: (load[core], core))[:count]))

    def _choose_gpus(self, asked: int) -> tuple[str, ...]:
        room = self._room()
        if 0 < asked < _PARTS:
            # The fullest that has room: what stays whole stays free for whoever needs a whole one.
            return (min((gpu for gpu in room if room[gpu] >= asked), key=room.__getitem__),)
        return tuple(gpu for gpu in room if room[gpu] == _PARTS)[: _whole_gpus(asked)]


def _parts(amount: float) -> int:
    # Rounded down, so that six times 1/6 fit into 1; the epsilon is for 0.57, which is 5699.999... parts.
    return amount * _PARTS if isinstance(amount, int) else int(amount * _PARTS + 1e-6)


def _in_parts(amounts: Mapping[str, float]) -> dict[str, int]:
    return {name: parts for name, amount in amounts.items() if (parts := _parts(amount))}


def _in_units(parts: Mapping[str, int]) -> dict[str, float]:
    return {name: amount / _PARTS for name, amount in parts.items() if amount > 0}


def _whole_gpus(parts: int) -> int:
    return -(-parts // _PARTS)


def _number(parts: int, name: str) -> str:
    amount = parts / _PARTS
    if name != "memory":
        return f"{amount:g}" if amount < 1e6 else f"{amount:.0f}"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"


def _amount(parts: int, name: str) -> str:
    return f"{_number(parts, name)} {'of ' if name == 'memory' else ''}{name}"


def _cure(parts: int, name: str) -> str:
    whole = _whole_gpus(parts)
    keywords = {"CPU": f"num_cpus={whole}", "GPU": f"num_gpus={whole}", "memory": f"memory={whole}"}
    return f"init({keywords.get(name) or f'resources={{{name!r}: {parts / _PARTS:g}}}'})"
