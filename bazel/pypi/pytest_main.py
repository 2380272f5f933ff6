"""Runs pytest on the files named as arguments; see pytest_test in defs.bzl."""

import os
import sys

import pytest

if __name__ == "__main__":
    arguments = ["-p", "no:cacheprovider", "--color=no", "-q", "--import-mode=importlib"]
    # Bazel's --test_filter and its XML report.
    if only := os.environ.get("TESTBRIDGE_TEST_ONLY"):
        arguments += ["-k", only]
    if report := os.environ.get("XML_OUTPUT_FILE"):
        arguments += [f"--junitxml={report}", "-o", "junit_family=xunit1"]
    sys.exit(pytest.main(arguments + sys.argv[1:]))
