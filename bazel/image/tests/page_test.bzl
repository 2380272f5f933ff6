"""report_page_test: looks at a report in a browser."""

load("//bazel/pypi:defs.bzl", "pytest_test")

def report_page_test(name, report, names, size = "medium", **kwargs):
    """A test that opens the page of a paddle_report in headless Chromium; screenshots are in its outputs.

    Args:
      name: of the test.
      report: a paddle_report.
      names: of the images that the page must speak of.
      size: of the test.
      **kwargs: what all tests have.
    """
    pytest_test(
        name = name,
        size = size,
        srcs = ["//bazel/image/tests:page_test.py"],
        data = [
            report,
            "@debian_browser//:root",
            "@debian_tools//:bin/bwrap",
            "@debian_tools//:root",
        ],
        env = {
            "BROWSER": "$(rootpath @debian_browser//:root)",
            "BWRAP": "$(rootpath @debian_tools//:bin/bwrap)",
            "NAMES": " ".join(names),
            "REPORT": "$(rootpath %s)" % report,
        },
        tags = ["block-network"],
        deps = [
            "//bazel/image/tests:browser",
            "@pypi//numpy",
            "@pypi//pillow",
        ],
        **kwargs
    )
