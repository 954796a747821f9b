#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The last line of ./dev test counts what ctest reported, and nothing that failed is lost."""

import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../scripts/summarise_tests.py")
PASSED = '<testcase name="P" status="run"/>'
FAILED = '<testcase name="F" status="fail"><failure message=""/></testcase>'
SKIPPED = (
    '<testcase name="S" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
    "<system-out>tool: SKIPPED: no network\n</system-out></testcase>"
)
# What ctest writes when a test's binary was never built.
NOT_BUILT = (
    '<testcase name="N" status="notrun"><skipped message="Unable to find executable"/></testcase>'
)


class Summary(unittest.TestCase):
    def summarise(self, *reports):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, cases in enumerate(reports):
                paths.append(os.path.join(folder, f"{number}.xml"))
                if cases is not None:
                    with open(paths[-1], "w", encoding="utf-8") as file:
                        file.write(f'<?xml version="1.0"?><testsuite name="x">{cases}</testsuite>')
            run = subprocess.run(
                [sys.executable, SCRIPT, *paths], capture_output=True, text=True, check=False
            )
            return run.returncode, run.stdout

    def last(self, *reports):
        status, output = self.summarise(*reports)
        return status, output.splitlines()[-1]

    def test_sums_over_reports(self):
        self.assertEqual(self.last(PASSED * 2, PASSED + SKIPPED), (0, "3 passed, 0 failed, 1 skipped"))

    def test_failure_fails_and_is_named(self):
        status, output = self.summarise(PASSED + FAILED)
        self.assertEqual((status, output.splitlines()[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("FAILED   0: F", output)

    def test_skip_gives_its_reason(self):
        self.assertIn("skipped  0: S: no network", self.summarise(SKIPPED)[1])

    def test_test_that_was_never_built_is_a_failure(self):
        self.assertEqual(self.last(NOT_BUILT), (1, "0 passed, 1 failed, 0 skipped"))

    def test_step_without_report_is_a_failure(self):
        self.assertEqual(self.last(PASSED, None), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.last(PASSED, ""), (1, "1 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
