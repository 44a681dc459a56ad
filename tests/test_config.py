"""Settings in layers: the stronger wins, and all mistakes are told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.config import DEFAULT_DURATION_S, Layer, RunConfig, knobs
from hybridpress.errors import EXIT_USAGE, UsageError
from hybridpress.machine import n_cpus
from hybridpress.settings import AUTO


def of_class(**settings: Any) -> Layer:
    return Layer(settings, lambda name: f"QueryVm.{name}")


def of_command_line(**settings: Any) -> Layer:
    return Layer(settings, lambda name: "--" + name.replace("_", "-"))


def build(*layers: Layer) -> RunConfig:
    return RunConfig.build("query.py:QueryVm", layers)


def mistakes(*layers: Layer) -> list[str]:
    with pytest.raises(UsageError) as caught:
        build(*layers)
    assert caught.value.exit_code == EXIT_USAGE
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return caught.value.mistakes


def test_defaults() -> None:
    """Without any setting: unpaced, 10 slots, a process a CPU, 30 s."""
    config = build()
    assert (config.qps, config.concurrent, config.duration_s, config.iterations) == (None, 10, DEFAULT_DURATION_S, None)
    assert config.processes == min(n_cpus(), 10)
    assert config.timeout_s == 10.0
    assert not config.is_paced
    assert config.n_planned is None


def test_the_later_layer_is_stronger() -> None:
    """Each setting comes from the last layer that has it; None is not a setting."""
    config = build(
        of_class(qps=100, concurrent=20, timeout="1s"),
        of_command_line(qps="2k", concurrent=None, timeout=None),
    )
    assert (config.qps, config.concurrent, config.timeout_s) == (2_000.0, 20, 1.0)


@given(st.lists(st.one_of(st.none(), st.integers(1, 10**6)), min_size=1, max_size=5))
def test_precedence(values: list[int | None]) -> None:
    """Of many layers the last that says something wins."""
    config = build(*(of_class(concurrent=value) for value in values))
    said = [value for value in values if value is not None]
    assert config.concurrent == (said[-1] if said else 10)


def test_params_add_up() -> None:
    """Parameters of all layers are kept; of the same key the strongest layer's."""
    config = build(of_class(params={"user": "a", "n": 3}), of_command_line(param=["user=b", "path=x=y", "empty="]))
    assert config.params == {"user": "b", "n": 3, "path": "x=y", "empty": ""}


def test_params_of_two_runs_are_apart() -> None:
    """A run's parameters are its own."""
    first, second = build(), build()
    first.params["user"] = "a"
    assert second.params == {}


@pytest.mark.parametrize(
    ("weak", "strong", "duration_s", "iterations"),
    [
        ({"duration": "5s"}, {}, 5.0, None),
        ({"iterations": 7}, {}, None, 7),
        ({"duration": "5s"}, {"iterations": 7}, None, 7),
        ({"iterations": 7}, {"duration": "5s"}, 5.0, None),
        ({"iterations": 7}, {"iterations": 9}, None, 9),
    ],
)
def test_one_end(
    weak: dict[str, Any], strong: dict[str, Any], duration_s: float | None, iterations: int | None
) -> None:
    """A stronger layer's end of the run replaces a weaker layer's, of either sort."""
    config = build(of_class(**weak), of_command_line(**strong))
    assert (config.duration_s, config.iterations) == (duration_s, iterations)


def test_two_ends_in_one_place() -> None:
    """One place that gives a duration and a number of iterations contradicts itself."""
    assert mistakes(of_command_line(duration="5s", iterations="7")) == [
        "--duration and --iterations exclude each other; give one"
    ]


def test_every_mistake_at_once() -> None:
    """All that is wrong is told in one go, each by the name its author used."""
    found = mistakes(
        of_class(timeout="soon", concurent=5),
        of_command_line(qps="fast", duration="0s", insecure=True, ca_file=__file__, gibberish=1),
    )
    assert found[:4] == [
        'QueryVm.timeout must be a duration such as "300ms", "30s" or "1h30m", got "soon"',
        "QueryVm.concurent is not a setting; did you mean concurrent?",
        '--qps must be a rate such as "500", "2.5k" or "500/s", got "fast"',
        found[3],
    ]
    assert found[3].startswith("--gibberish is not a setting; the settings are ")
    assert found[4:] == ["--duration must be above 0", "--insecure and --ca-file exclude each other; give one"]


def test_more_processes_than_slots() -> None:
    """Every process needs a slot; the message names both settings as they were given."""
    (mistake,) = mistakes(of_class(concurrent=2), of_command_line(processes="3"))
    assert mistake.startswith("--processes 3 is more than QueryVm.concurrent 2: every process needs a slot")
    (mistake,) = mistakes(of_command_line(processes="11"))
    assert mistake.startswith("--processes 11 is more than --concurrent 10")
    assert build(of_command_line(processes=3, concurrent=3)).processes == 3
    assert build(of_command_line(concurrent=1)).processes == 1


@pytest.mark.parametrize("name", ["duration", "timeout", "start_timeout"])
def test_no_time_at_all(name: str) -> None:
    """A time within which nothing can happen is refused."""
    assert mistakes(of_command_line(**{name: 0})) == [f"--{name.replace('_', '-')} must be above 0"]


@pytest.mark.parametrize(
    ("given_url", "host"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://example.com/", "https://example.com"),
        ("http://example.com/base/", "http://example.com/base"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http+unix://%2Frun%2Fapp.sock", "http+unix://%2Frun%2Fapp.sock"),
    ],
)
def test_hosts(given_url: str, host: str) -> None:
    """A host is a URL, without a slash at its end."""
    assert build(of_command_line(host=given_url)).host == host


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("127.0.0.1:8080", "must be a URL such as"),
        ("ftp://example.com", "must begin with http://"),
        ("http://", "must name a host"),
        ("http://:8080", "must name a host"),
        ("http://example.com:0", "a port from 1 to 65535"),
        ("http://example.com:65536", "a port from 1 to 65535"),
        ("http://example.com:x", "a port from 1 to 65535"),
        ("http://example.com/?a=b", "without query and fragment"),
        ("http://example.com/#top", "without query and fragment"),
        ("http://[::1", "must "),
    ],
)
def test_what_is_no_host(host: str, says: str) -> None:
    """What requests cannot be relative to is refused, and quoted."""
    (mistake,) = mistakes(of_command_line(host=host))
    assert mistake.startswith("--host ")
    assert says in mistake
    assert f'"{host}"' in mistake


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("param", ["user"]),
        ("param", ["=b"]),
        ("param", 5),
        ("seed", "x"),
        ("seed", []),
        ("seed", float("inf")),
        ("cookies", "yes"),
        ("insecure", 1),
        ("ca_file", "no/such/file.pem"),
        ("ca_file", 5),
        ("json", 5),
        ("max_body", "huge"),
        ("processes", 0),
        ("concurrent", 1.5),
    ],
)
def test_values_of_the_wrong_kind(setting: str, value: object) -> None:
    """A value that cannot be used is one mistake under the setting's name, whatever its type."""
    (mistake,) = mistakes(of_command_line(**{setting: value}))
    assert mistake.startswith(f"--{setting.replace('_', '-')} must ")


def test_where_a_result_may_be_written(tmp_path: Path) -> None:
    """The result's file need not be there, but its directory must."""
    assert build(of_command_line(json=str(tmp_path / "result.json"))).json == str(tmp_path / "result.json")
    (mistake,) = mistakes(of_command_line(json=str(tmp_path)))
    assert mistake.endswith("is a directory")
    (mistake,) = mistakes(of_command_line(json=str(tmp_path / "none" / "result.json")))
    assert f'there is no "{tmp_path / "none"}"' in mistake


@pytest.mark.parametrize(
    ("settings", "n_planned"),
    [
        ({"qps": 100, "duration": "10s"}, 1_000),
        ({"qps": "0.5", "duration": "3s"}, 2),
        ({"qps": 333, "duration": "100ms"}, 34),
        ({"qps": 100, "iterations": "10k"}, 10_000),
        ({"iterations": 5}, 5),
        ({"duration": "1s"}, None),
    ],
)
def test_the_plan(settings: dict[str, Any], n_planned: int | None) -> None:
    """The plan is the number asked for, or the rate over the duration with one iteration at the beginning."""
    config = build(of_command_line(**settings))
    assert config.n_planned == n_planned
    assert config.is_paced == ("qps" in settings)


def test_seeds() -> None:
    """A seed that was given is kept; else every run has its own."""
    assert build(of_command_line(seed="7")).seed == 7
    seeds = {build().seed for _ in range(4)}
    assert len(seeds) > 1
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)


def test_every_knob_once() -> None:
    """Names and flags are unique, every knob says what it is for, and the report shows every one."""
    names = [knob.name for knob in knobs().values()]
    assert len(set(names)) == len(names)
    assert all(knob.help.endswith(".") for knob in knobs().values())
    assert all(knob.is_flag != bool(knob.metavar) for knob in knobs().values())
    assert list(build().as_settings()) == names


@pytest.mark.parametrize(
    ("given_addresses", "addresses"),
    [
        ("127.0.0.2", ("127.0.0.2",)),
        ("127.0.0.2, 127.0.0.3,", None),
        ("127.0.0.2, 127.0.0.3", ("127.0.0.2", "127.0.0.3")),
        (["127.0.0.2", "127.0.0.4,127.0.0.3", "127.0.0.2"], ("127.0.0.2", "127.0.0.4", "127.0.0.3")),
        ("localhost", None),
        ("192.0.2.77", None),
        ("", None),
        (5, None),
    ],
)
def test_local_addresses(given_addresses: object, addresses: tuple[str, ...] | None) -> None:
    """IP addresses of this machine, each once; by commas or one by one. Anything else is refused, and quoted."""
    layer = of_command_line(local_address=given_addresses)
    if addresses is None:
        (mistake,) = mistakes(layer)
        assert mistake.startswith("--local-address must be an IP address of this machine")
    else:
        assert build(layer).local_addresses == addresses


def test_local_addresses_are_for_tcp() -> None:
    """A Unix socket is not reached from an IP address."""
    (mistake,) = mistakes(of_class(host="http+unix://%2Frun%2Fapp.sock"), of_command_line(local_address="127.0.0.1"))
    assert mistake == "--local-address is for TCP, but QueryVm.host is a Unix socket"


def test_pinning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are pinned where the system can; elsewhere asking for it is a mistake, and not asking is none."""
    monkeypatch.setattr("hybridpress.settings.can_pin", lambda: True)
    assert build(of_command_line(pin_cpus=True)).pin_cpus
    assert not build().pin_cpus
    monkeypatch.setattr("hybridpress.settings.can_pin", lambda: False)
    assert not build(of_command_line(pin_cpus=False)).pin_cpus
    (mistake,) = mistakes(of_command_line(pin_cpus=True))
    assert mistake == "--pin-cpus needs Linux: this system cannot keep a process on a CPU"


@pytest.mark.parametrize(("given", "n_workers"), [("auto", AUTO), ("0", 0), (3, 3), ("256", 256)])
def test_cpu_workers(given: object, n_workers: int) -> None:
    """A number, 0 for none, or auto, which is the default."""
    assert RunConfig.build("a.py:A", [Layer({"cpu_workers": given}, str)]).cpu_workers == n_workers
    assert RunConfig.build("a.py:A", []).cpu_workers == AUTO


@pytest.mark.parametrize("given", ["-1", "257", "many", "1.5", True])
def test_what_is_no_number_of_cpu_workers(given: object) -> None:
    """Anything else is told."""
    with pytest.raises(UsageError, match='from 0 to 256, or "auto"'):
        RunConfig.build("a.py:A", [Layer({"cpu_workers": given}, str)])
