from __future__ import annotations

import logging
import pickle
from datetime import timedelta
from pathlib import Path

import pytest

from jactors.options import ActorOptions, InitOptions, MethodOptions
from jactors.runtime_env import RuntimeEnv

actor = ActorOptions.parse
method = MethodOptions.parse
init = InitOptions.parse

# ---- actors


def test_defaults_are_rays():
    options = actor({})
    assert options == ActorOptions()
    assert (options.num_cpus, options.num_gpus, options.memory, options.resources) == (None, None, None, {})
    assert (options.max_restarts, options.max_task_retries, options.max_pending_calls) == (0, 0, -1)
    assert (options.max_concurrency, options.concurrency_groups, options.start_timeout) == (None, None, None)
    assert (options.name, options.namespace, options.lifetime, options.get_if_exists) == (None, None, None, False)
    assert options.demand == {}
    assert options.environment == {}


@pytest.mark.parametrize(
    "given",
    [
        {"num_cpus": 0, "num_gpus": 0, "memory": 0},
        {"num_cpus": 2, "num_gpus": 4, "memory": 10**9},
        {"num_cpus": 0.5, "num_gpus": 0.0001, "memory": 1e9},
        {"num_gpus": 2.0},
        {"num_gpus": 1 / 3},
        {"resources": {"license": 1, "half": 0.5, "none": 0}},
        {"resources": {}},
        {"max_restarts": -1, "max_task_retries": -1, "max_pending_calls": 3},
        {"max_concurrency": 1},
        {"concurrency_groups": {"io": 2, "compute": 4}},
        {"name": "tally", "namespace": "lab", "lifetime": "detached"},
        {"lifetime": "non_detached"},
        {"name": ""},  # refused at .remote() only
        {"get_if_exists": True},
        {"allow_out_of_order_execution": False},
        {"env": {"A": "1", "B": ""}},
        {"runtime_env": {"env_vars": {"A": "1"}, "pip": ["numpy"]}},
        {"cwd": "/tmp"},
        {"start_timeout": 2.5},
    ],
    ids=str,
)
def test_what_is_given_is_kept(given):
    options = actor(given)
    assert {name: getattr(options, name) for name in given} == given


@pytest.mark.parametrize(
    "name",
    [
        *("num_cpus", "num_gpus", "memory", "resources", "max_restarts", "max_task_retries", "max_pending_calls"),
        *("max_concurrency", "concurrency_groups", "name", "namespace", "lifetime", "runtime_env", "env", "cwd"),
        *("allow_out_of_order_execution", "start_timeout"),
    ],
)
def test_none_is_the_default(name):
    assert actor({name: None}) == ActorOptions()


WRONG_TYPES = [
    ("num_cpus", "two"),
    ("num_cpus", True),
    ("num_cpus", [1]),
    ("num_gpus", "1"),
    ("num_gpus", False),
    ("memory", "1 GB"),
    ("resources", ["license"]),
    ("resources", {"license": "one"}),
    ("resources", {"license": True}),
    ("resources", {1: 1}),
    ("max_restarts", 1.0),
    ("max_restarts", True),
    ("max_task_retries", "3"),
    ("max_pending_calls", 0.5),
    ("max_concurrency", 2.0),
    ("concurrency_groups", ["io"]),
    ("concurrency_groups", {"io": 1.5}),
    ("concurrency_groups", {"io": True}),
    ("concurrency_groups", {1: 1}),
    ("name", 1),
    ("name", b"tally"),
    ("namespace", 2),
    ("lifetime", True),
    ("get_if_exists", None),
    ("get_if_exists", 1),
    ("allow_out_of_order_execution", 1),
    ("runtime_env", "A=1"),
    ("runtime_env", {"env_vars": ["A=1"]}),
    ("runtime_env", {"env_vars": {"A": 1}}),
    ("runtime_env", {"working_dir": 3}),
    ("env", "A=1"),
    ("env", {"A": 1}),
    ("env", {1: "A"}),
    ("cwd", 7),
    ("start_timeout", "1 min"),
]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES, ids=str)
def test_a_wrong_type_names_the_option_and_both_types(name, value):
    with pytest.raises(TypeError, match=rf"'{name}.* must be .*, but received .*type <class '"):
        actor({name: value})


def test_a_wrong_type_in_rays_words():
    with pytest.raises(TypeError) as caught:
        actor({"num_cpus": "two"})
    assert str(caught.value) == (
        "The type of keyword 'num_cpus' must be (float, int, None), but received type <class 'str'>: 'two'"
    )


WRONG_VALUES = [
    ("num_cpus", -1, "num_cpus cannot be negative.*-1"),
    ("num_cpus", 0.00001, "precision of the fractional quantity of resource num_cpus cannot go beyond 0.0001"),
    ("num_cpus", float("nan"), "NaN"),
    ("num_gpus", -0.5, "num_gpus cannot be negative"),
    ("num_gpus", 1.5, "whole numbers.*num_gpus=1.5"),
    ("num_gpus", float("inf"), "infinite"),
    ("memory", -1, "memory cannot be negative"),
    ("resources", {"CPU": 1}, "Use the 'num_cpus' and 'num_gpus' keyword instead of 'CPU'"),
    ("resources", {"GPU": 1}, "Use the 'num_cpus' and 'num_gpus' keyword"),
    ("resources", {"memory": 1}, "Use the 'memory' keyword"),
    ("resources", {"license": -1}, "license.*cannot be negative"),
    ("resources", {"license": 1e-6}, "license.*cannot go beyond 0.0001"),
    ("max_restarts", -2, "'max_restarts' only accepts None, 0, -1 or a positive integer.*-2"),
    ("max_task_retries", -2, "'max_task_retries' only accepts"),
    ("max_pending_calls", -2, "'max_pending_calls' only accepts"),
    ("max_concurrency", -1, "'max_concurrency' only accepts None, 0 or a positive integer.*-1"),
    ("concurrency_groups", {"io": 0}, "max_concurrency must be greater than 0.*'io'"),
    ("lifetime", "forever", "must be one of 'detached', 'non_detached' and 'None'.*'forever'"),
    ("runtime_env", {"env_var": {}}, "Invalid key 'env_var'.*Did you mean 'env_vars'"),
    ("runtime_env", {"working_dir": "s3://bucket/code.zip"}, "directory of this machine, not 's3://"),
    ("env", {"": "1"}, "A name in 'env' is empty"),
    ("env", {"A=B": "1"}, "'A=B'"),
    ("env", {"A": "\0"}, "NUL"),
    ("cwd", "", "'cwd' must be a directory"),
    ("start_timeout", 0, "'start_timeout' is a time in seconds and > 0"),
    ("start_timeout", -1.0, "start_timeout"),
    ("start_timeout", float("nan"), "start_timeout"),
]


@pytest.mark.parametrize(("name", "value", "text"), WRONG_VALUES, ids=str)
def test_a_wrong_value_names_the_option_and_the_value(name, value, text):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        actor({name: value})


def test_an_unknown_option_names_the_valid_ones_and_the_nearest():
    with pytest.raises(ValueError, match=r"Invalid option keyword num_cpu for actors\. Valid ones are \[") as caught:
        actor({"num_cpu": 1})
    assert str(caught.value).endswith("Did you mean 'num_cpus'?")
    with pytest.raises(ValueError, match=r"Invalid option keyword num_returns for actors"):  # a task's option
        actor({"num_returns": 2})


def test_values_of_the_environment_are_kept_out_of_messages_and_reprs():
    with pytest.raises(TypeError) as caught:
        actor({"env": {"TOKEN": b"hunter2"}})
    assert "TOKEN" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(TypeError) as caught:
        actor({"runtime_env": {"env_vars": ["hunter2"]}})
    assert "hunter2" not in str(caught.value)
    options = actor({"env": {"TOKEN": "hunter2"}, "runtime_env": {"env_vars": {"KEY": "hunter2"}}})
    assert "hunter2" not in repr(options)


RAY_ONLY = {
    "scheduling_strategy": "SPREAD",
    "placement_group": "default",
    "placement_group_bundle_index": -1,
    "placement_group_capture_child_tasks": None,
    "label_selector": {"a": "b"},
    "fallback_strategy": [],
    "accelerator_type": "A100",
    "_labels": {"a": "b"},
    "enable_task_events": False,
    "enable_tensor_transport": True,
    "_actor_generator_backpressure_num_objects": 3,
}


def test_an_unknown_scheduling_strategy_is_refused():
    with pytest.raises(ValueError, match=r"'DEFAULT' or 'SPREAD'.*Received 'PACK'"):
        actor({"scheduling_strategy": "PACK"})


def test_a_runtime_env_is_a_checked_dict():
    env = RuntimeEnv(env_vars={"SEED": "1"}, pip=None)
    assert env == env.to_dict() == pickle.loads(pickle.dumps(env)) == {"env_vars": {"SEED": "1"}}
    assert actor({"runtime_env": env}).environment == {"SEED": "1"}
    with pytest.raises(ValueError, match="Did you mean 'env_vars'"):
        RuntimeEnv(env_var={"SEED": "1"})


def test_rays_cluster_options_are_kept_aside():
    options = actor({**RAY_ONLY, "num_cpus": 1})
    assert options.ignored == RAY_ONLY
    assert options.demand == {"CPU": 1.0}
    more = actor({"label_selector": None, "accelerator_type": "H100"}, base=options)
    assert more.ignored == {**RAY_ONLY, "label_selector": None, "accelerator_type": "H100"}
    assert options.ignored == RAY_ONLY


def test_options_are_laid_over_those_of_the_decorator():
    base = actor({"num_cpus": 2, "name": "a", "max_restarts": 3, "concurrency_groups": {"io": 2}})
    options = actor({"name": "b", "num_gpus": 1, "max_restarts": None}, base=base, call="options")
    assert (options.num_cpus, options.num_gpus, options.name, options.max_restarts) == (2, 1, "b", 0)
    assert options.concurrency_groups == {"io": 2}
    assert base.name == "a"
    assert actor({}, base=base, call="options") == base


def test_concurrency_groups_belong_to_the_decorator():
    with pytest.raises(ValueError, match=r"Setting 'concurrency_groups' is not supported in '\.options\(\)'"):
        actor({"concurrency_groups": {"io": 1}}, call="options")


@pytest.mark.parametrize(("name", "kept"), [("max_pending_calls", -1), ("max_concurrency", None)])
def test_zero_is_no_limit_where_ray_has_it_so(name, kept):
    assert getattr(actor({name: 0}), name) == kept


def test_the_callers_containers_are_copied():
    env, resources, groups = {"A": "1"}, {"license": 1}, {"io": 1}
    options = actor({"env": env, "resources": resources, "concurrency_groups": groups})
    env["A"] = resources["license"] = groups["io"] = "changed"
    assert (options.env, options.resources, options.concurrency_groups) == ({"A": "1"}, {"license": 1}, {"io": 1})


def test_demand_has_what_is_positive_only():
    given = {"num_cpus": 2, "num_gpus": 0.5, "memory": 1024, "resources": {"license": 1, "none": 0}}
    assert actor(given).demand == {"CPU": 2.0, "GPU": 0.5, "memory": 1024.0, "license": 1.0}
    assert actor({"num_cpus": 0, "num_gpus": 1}).demand == {"GPU": 1.0}
    assert all(isinstance(amount, float) for amount in actor(given).demand.values())


def test_env_goes_over_env_vars():
    given = {"env": {"A": "env", "B": "env"}, "runtime_env": {"env_vars": {"A": "runtime", "C": "runtime"}}}
    assert actor(given).environment == {"A": "env", "B": "env", "C": "runtime"}
    assert actor({"runtime_env": {"env_vars": None}}).environment == {}


@pytest.mark.parametrize(
    ("given", "cwd"),
    [
        ({"cwd": "/a"}, "/a"),
        ({"cwd": Path("/a")}, "/a"),
        ({"runtime_env": {"working_dir": "/b"}}, "/b"),
        ({"runtime_env": {"working_dir": Path("/b")}}, "/b"),
        ({"runtime_env": {"cwd": "/c"}}, "/c"),
        ({"cwd": "/a", "runtime_env": {"working_dir": "/b"}}, "/a"),
        ({"runtime_env": {"env_vars": {}}}, "/base"),
        ({"runtime_env": {}}, "/base"),
        ({"runtime_env": None}, "/base"),
        ({}, "/base"),
        ({"cwd": None}, None),
    ],
)
def test_the_directory_is_what_was_said_last_and_most_plainly(given, cwd):
    assert actor(given, base=actor({"cwd": "/base"})).cwd == cwd


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"name": ""}, "name cannot be an empty string"),
        ({"name": "a", "namespace": ""}, '"" is not a valid namespace'),
        ({"get_if_exists": True}, "must be specified to use `get_if_exists`"),
    ],
)
def test_some_mistakes_wait_for_remote(given, text):
    options = actor(given)
    with pytest.raises(ValueError, match=text):
        options.check_submittable()


@pytest.mark.parametrize("given", [{}, {"name": "a"}, {"name": "a", "get_if_exists": True}, {"namespace": "n"}])
def test_what_can_be_submitted(given):
    actor(given).check_submittable()


@pytest.mark.parametrize(
    "options",
    [
        actor({"num_cpus": 1, "resources": {"a": 1}, "env": {"A": "1"}, "accelerator_type": "A100"}),
        method({"num_returns": 2, "retry_exceptions": [ValueError]}),
        init({"num_cpus": 2, "log_to_driver": False}),
    ],
    ids=lambda options: type(options).__name__,
)
def test_options_survive_a_pickle_and_cannot_be_changed(options):
    assert pickle.loads(pickle.dumps(options)) == options
    with pytest.raises(AttributeError):
        options.ignored = {}


# ---- methods


def test_a_method_says_nothing_by_default():
    options = method({})
    said = (options.num_returns, options.concurrency_group, options.max_task_retries, options.retry_exceptions)
    assert said == (None, None, None, None)
    assert options.ignored == {}


@pytest.mark.parametrize("call", ["method", "options"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"num_returns": 0}, 0),
        ({"num_returns": 3}, 3),
        ({"concurrency_group": "io"}, "io"),
        ({"max_task_retries": -1}, -1),
        ({"max_task_retries": 0}, 0),
        ({"retry_exceptions": True}, True),
        ({"retry_exceptions": [ValueError, OSError]}, (ValueError, OSError)),
        ({"retry_exceptions": ()}, ()),
    ],
    ids=str,
)
def test_what_a_method_is_told_is_kept(call, given, kept):
    assert getattr(method(given, call=call), *given) == kept


@pytest.mark.parametrize("value", ["streaming", "dynamic"])
def test_only_generators_stream(value):
    assert method({"num_returns": value}, generator=True).num_returns == value
    with pytest.raises(ValueError, match=f"num_returns='{value}' needs a generator method"):
        method({"num_returns": value}, generator=False, call="method")


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"num_returns": -1}, ValueError, "num_returns must be >= 0.*-1"),
        ({"num_returns": "stream"}, ValueError, "num_returns must be.*'streaming'.*'stream'"),
        ({"num_returns": True}, TypeError, "num_returns"),
        ({"num_returns": 1.0}, TypeError, "num_returns"),
        ({"concurrency_group": 1}, TypeError, "concurrency_group"),
        ({"max_task_retries": -2}, ValueError, "max_task_retries"),
        ({"max_task_retries": True}, TypeError, "max_task_retries"),
        ({"retry_exceptions": [1]}, ValueError, "either a boolean or a list of exceptions: it holds 1"),
        ({"retry_exceptions": [KeyboardInterrupt]}, ValueError, "KeyboardInterrupt"),
        ({"retry_exceptions": ValueError}, TypeError, "retry_exceptions"),
        ({"_generator_backpressure_num_objects": 0}, ValueError, "_generator_backpressure_num_objects must be > 0"),
        ({"_generator_backpressure_num_objects": "1"}, TypeError, "_generator_backpressure_num_objects"),
    ],
    ids=str,
)
def test_what_a_method_refuses(given, error, text):
    for call in ("method", "options"):
        with pytest.raises(error, match=text):
            method(given, generator=True, call=call)


def test_an_unknown_method_option():
    with pytest.raises(AssertionError, match=r"Unexpected keyword argument to @method: 'num_return'.*'num_returns'\?"):
        method({"num_return": 2}, call="method")
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'num_return'.*\['num_returns', .*Did you mean"):
        method({"num_return": 2}, call="options")


def test_a_name_belongs_to_one_call():
    assert method({"name": "first"}).name == "first"
    with pytest.raises(AssertionError, match="'name'"):
        method({"name": "first"}, call="method")


def test_a_call_is_laid_over_its_method_and_none_says_nothing():
    base = method({"num_returns": 2, "retry_exceptions": True}, call="method")
    options = method({"num_returns": None, "retry_exceptions": False, "max_task_retries": 1}, base=base)
    assert (options.num_returns, options.retry_exceptions, options.max_task_retries) == (2, False, 1)


def test_rays_method_options_are_kept_aside():
    given = {"enable_task_events": True, "tensor_transport": "nccl", "_generator_backpressure_num_objects": 2}
    assert method(given, call="method").ignored == given


# ---- init


def test_init_defaults():
    options = init({})
    assert options == InitOptions()
    assert (options.address, options.num_cpus, options.num_gpus, options.launcher) == (None, None, None, None)
    assert (options.resources, options.namespace, options.ignore_reinit_error) == ({}, None, False)


@pytest.mark.parametrize(
    "given",
    [
        {"address": "auto"},
        {"num_cpus": 4, "num_gpus": 2, "resources": {"license": 1}},
        {"num_cpus": 0, "num_gpus": 2.0},
        {"namespace": "lab", "ignore_reinit_error": True},
        {"launcher": "fork"},
        {"launcher": "spawn", "cwd": "/tmp"},
        {"env": {"A": "1"}, "runtime_env": {"env_vars": {"B": "2"}}},
        {"memory": 10**9},
    ],
    ids=str,
)
def test_what_init_is_given_is_kept(given):
    options = init(given)
    assert {name: getattr(options, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"num_cpu": 1}, RuntimeError, r"Unknown keyword argument\(s\): num_cpu\. Did you mean 'num_cpus'"),
        ({"zzz": 1, "yyy": 2}, RuntimeError, r"Unknown keyword argument\(s\): zzz, yyy\.$"),
        ({"num_cpus": -1}, ValueError, "num_cpus cannot be negative"),
        ({"num_cpus": "4"}, TypeError, "num_cpus"),
        ({"num_gpus": 0.5}, ValueError, "whole numbers only, not 0.5"),
        ({"num_gpus": True}, TypeError, "num_gpus"),
        ({"resources": {"CPU": 1}}, ValueError, "num_cpus"),
        ({"address": 1}, TypeError, "address"),
        ({"namespace": ""}, ValueError, "not a valid namespace"),
        ({"namespace": 1}, TypeError, "namespace"),
        ({"ignore_reinit_error": None}, TypeError, "ignore_reinit_error"),
        ({"launcher": "thread"}, ValueError, "'launcher' must be 'fork', 'spawn' or None.*'thread'"),
        ({"env": {"A": 1}}, TypeError, "env"),
        ({"runtime_env": {"pipp": []}}, ValueError, "Did you mean 'pip'"),
    ],
    ids=str,
)
def test_what_init_refuses(given, error, text):
    with pytest.raises(error, match=text):
        init(given)


def test_what_only_tunes_ray_is_named_in_one_debug_line(caplog):
    given = {"object_store_memory": 10**9, "include_dashboard": False, "log_to_driver": True, "_temp_dir": "/tmp"}
    with caplog.at_level(logging.DEBUG, logger="jactors"):
        options = init({**given, "num_cpus": 1})
    assert options.ignored == given
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert all(name in caplog.text for name in given)
    assert "num_cpus" not in caplog.text


def test_nothing_is_logged_without_need(caplog):
    with caplog.at_level(logging.DEBUG, logger="jactors"):
        assert init({"num_cpus": 1, "_memory": 1024}).memory == 1024
    assert caplog.records == []


def test_init_has_a_directory_and_an_environment_for_all():
    options = init({"runtime_env": {"env_vars": {"A": "1"}, "working_dir": "/b"}, "env": {"B": "2"}})
    assert options.environment == {"A": "1", "B": "2"}
    assert options.cwd == "/b"


# ---- checkpoint


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (100, ("calls", 100.0)),
        ("30s", ("seconds", 30.0)),
        ("500ms", ("seconds", 0.5)),
        ("1.5 min", ("seconds", 90.0)),
        ("2h", ("seconds", 7200.0)),
        (timedelta(minutes=1), ("seconds", 60.0)),
        ("on_demand", ("on_demand", 0.0)),
        (None, None),
    ],
)
def test_checkpoint_is_a_number_of_calls_a_time_or_on_demand(given, kept):
    assert ActorOptions.parse({"checkpoint": given}).checkpoint == kept


@pytest.mark.parametrize("given", [0, -1, "0s", "soon", "30", "", "5 days", timedelta(0)])
def test_checkpoint_says_what_it_takes(given):
    with pytest.raises(ValueError, match=r"'checkpoint' is a number of calls \(100\), a time"):
        ActorOptions.parse({"checkpoint": given})


@pytest.mark.parametrize("given", [5.0, True, b"5s"])
def test_checkpoint_of_a_wrong_type(given):
    with pytest.raises(TypeError, match="'checkpoint' must be"):
        ActorOptions.parse({"checkpoint": given})


def test_checkpoint_needs_restarts():
    with pytest.raises(ValueError, match="needs max_restarts"):
        ActorOptions.parse({"checkpoint": 5}).check_submittable()
    ActorOptions.parse({"checkpoint": 5, "max_restarts": 1}).check_submittable()
