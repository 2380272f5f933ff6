"""Machines find out who they are, on their own or as pods of a Volcano Job."""

import click
import pytest

from paddle_training import launch

VOLCANO = {"VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job", "VC_WORKER_NUM": "2"}


@pytest.mark.parametrize(
    ("machines", "environment", "starts"),
    [
        (launch.Machines(), {}, False),
        (launch.Machines(processes=2), {}, True),
        (launch.Machines(hosts=("a",)), {}, False),
        (launch.Machines(hosts=("a", "b")), {}, True),
        (launch.Machines(processes=2), {"PADDLE_TRAINERS_NUM": "2"}, False),
    ],
)
def test_who_starts_the_others(
    machines: launch.Machines, environment: dict[str, str], starts: bool
) -> None:
    assert machines.starts_others(environment) is starts


def test_a_volcano_job_tells_its_machines() -> None:
    assert launch.volcano_hosts({}) == ()
    assert launch.volcano_hosts(VOLCANO) == ("job-worker-0.job", "job-worker-1.job")


def test_which_task_trains_must_be_said() -> None:
    with pytest.raises(click.UsageError, match=r"several tasks \(VC_PS_HOSTS, VC_WORKER_HOSTS\)"):
        launch.volcano_hosts(VOLCANO | {"VC_PS_HOSTS": "job-ps-0.job"})


def test_volcano_tells_which_machine_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VC_WORKER_HOSTS", "a,b,c")
    monkeypatch.setenv("VC_TASK_INDEX", "2")
    assert launch._own_index(("a", "b", "c"), ["127.0.0.1"] * 3) == 2


def test_else_the_address_tells() -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): no machine has an address there.
    hosts = ("192.0.2.1", "127.0.0.1")
    assert launch._own_index(hosts, list(hosts)) == 1
    with pytest.raises(click.UsageError, match="none of them is an address of this machine"):
        launch._own_index(("192.0.2.1",), ["192.0.2.1"])


def test_the_interface_of_an_address() -> None:
    assert launch._interface_of("127.0.0.1") == "lo"
    assert launch._interface_of("192.0.2.1") is None


def test_a_list_of_machines() -> None:
    assert launch.parse_hosts("a, b") == ("a", "b")
    for text in ("a,", ",a", "a,,b"):  # an empty name would be this machine, whatever its address
        with pytest.raises(click.UsageError, match="has an empty name"):
            launch.parse_hosts(text)


def test_a_machine_that_is_named_twice() -> None:
    with pytest.raises(click.UsageError, match=r"twice: 127\.0\.0\.1, 127\.0\.0\.1"):
        launch.run(launch.Machines(hosts=("127.0.0.1", "127.0.0.1")))


def test_an_unknown_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PADDLE_IMAGES_LOST_AFTER", "0.5")
    with pytest.raises(click.UsageError, match=r"--hosts: no\.such\.invalid: "):
        launch._resolved("no.such.invalid")
    assert "tries for 0.5 s" in capsys.readouterr().err
    monkeypatch.setenv("PADDLE_IMAGES_LOST_AFTER", "5m")
    with pytest.raises(click.UsageError, match="PADDLE_IMAGES_LOST_AFTER=5m is no number"):
        launch._resolved("no.such.invalid")
