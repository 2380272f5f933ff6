"""//tests:flaky reads what Bazel tells of its tests."""

import json
from pathlib import Path

from tests import flaky


def result(label: str, seconds: str) -> str:
    return json.dumps(
        {
            "id": {"testResult": {"label": label, "run": 1, "attempt": 1}},
            "testResult": {"testAttemptDuration": seconds, "status": "PASSED"},
        }
    )


def summary(label: str, status: str, count: int, failed: list[str]) -> str:
    return json.dumps(
        {
            "id": {"testSummary": {"label": label, "configuration": {"id": "0"}}},
            "testSummary": {
                "overallStatus": status,
                "totalRunCount": count,
                "failed": [{"uri": f"file://{log}"} for log in failed],
            },
        }
    )


EVENTS = [
    json.dumps({"id": {"started": {}}, "started": {"command": "test"}}),
    result("//a:good", "0.5s"),
    summary("//a:good", "PASSED", 50, []),
    result("//a:bad", "1.500s"),
    result("//a:bad", "61s"),
    summary("//a:bad", "FAILED", 50, ["/out/a%20b/run_3_of_50/test.log", "/out/7/test.log"]),
    json.dumps(
        {
            "id": {"testSummary": {"label": "//a:broken"}},
            "testSummary": {"overallStatus": "NO_STATUS"},
        }
    ),
]


def test_what_failed_is_listed_with_its_logs() -> None:
    tests = flaky.read(EVENTS)
    assert [runs.label for runs in tests] == ["//a:bad", "//a:broken", "//a:good"]
    assert tests[0].failed == [Path("/out/a b/run_3_of_50/test.log"), Path("/out/7/test.log")]
    assert flaky.table(tests).splitlines() == [
        "test        passed        slowest",
        "//a:bad     48 of 50      61.0 s",
        "    /out/a b/run_3_of_50/test.log",
        "    /out/7/test.log",
        "//a:broken  no status     0.0 s",
        "1 of 3 tests passed every time",
    ]


def test_all_green_is_one_line() -> None:
    assert flaky.table(flaky.read(EVENTS[:3])) == "1 of 1 tests passed every time"
