#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks behind ./dev lint find what they are for."""

import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import check_docs  # noqa: E402
import check_layering  # noqa: E402
import check_sources  # noqa: E402

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


class Sources(unittest.TestCase):
    def problems(self, name, text):
        return list(check_sources.check(name, text))

    def test_missing_licence_line_is_found(self):
        self.assertIn("no line", self.problems("vmm/a.cpp", "int a;\n")[0])

    def test_clean_file_passes(self):
        self.assertEqual(self.problems("vmm/a.cpp", SPDX + "int a;\n"), [])

    def test_long_file_is_found(self):
        text = SPDX + "int a;\n" * check_sources.MAX_LINES
        self.assertIn("split it", self.problems("vmm/a.cpp", text)[0])

    def test_unfinished_work_is_found(self):
        self.assertIn("TO" "DO", self.problems("vmm/a.cpp", SPDX + "// TO" "DO: later\n")[0])

    def test_capturing_coroutine_lambda_is_found_at_its_line(self):
        text = SPDX + "void f() {\n    auto t = [&, n](int a) -> Task { co_return a + n; };\n}\n"
        self.assertIn("vmm/a.cpp:3: a capturing lambda", self.problems("vmm/a.cpp", text)[0])

    def test_other_lambdas_and_indices_pass(self):
        text = SPDX + (
            "void f() {\n    auto t = [](int a) -> Task { co_return a; };\n"
            "    auto u = [&](int a) { return a; };\n    if (table[i]) { co_return; }\n}\n"
        )
        self.assertEqual(self.problems("vmm/a.cpp", text), [])

    def test_hosted_header_in_the_wire_is_found(self):
        text = SPDX + "#include <stdint.h>\n#include <vector>\n"
        found = self.problems("virtio-cops/include/virtio_cops/a.h", text)
        self.assertEqual(len(found), 1)
        self.assertIn("<vector> is not freestanding", found[0])


class Layering(unittest.TestCase):
    def problems(self, name, text):
        return list(check_layering.check(name, text))

    def test_engine_that_includes_a_device_is_found(self):
        found = self.problems("vmm/cpu/interp/a.cpp", '#include "devices/uart/uart.hpp"\n')
        self.assertIn("vmm/cpu/interp may not include vmm/devices", found[0])

    def test_policy_that_includes_more_than_the_standard_library_is_found(self):
        self.assertEqual(len(self.problems("vmm/sched/policy/a.cpp", "#include <sys/mman.h>\n")), 1)
        self.assertEqual(len(self.problems("vmm/sched/policy/a.cpp", "#include <vmm/types.hpp>\n")), 1)
        self.assertEqual(self.problems("vmm/sched/policy/a.cpp", "#include <vector>\n"), [])

    def test_include_that_does_not_exist_is_found(self):
        self.assertIn("not found", self.problems("vmm/memory/a.cpp", '#include "no/such.hpp"\n')[0])

    def test_cycle_in_the_table_is_found(self):
        saved = dict(check_layering.ALLOWED)
        try:
            self.assertIsNone(check_layering.find_cycle())
            check_layering.ALLOWED["vmm/include"] = {"vmm/memory"}
            self.assertIsNotNone(check_layering.find_cycle())
        finally:
            check_layering.ALLOWED.clear()
            check_layering.ALLOWED.update(saved)


class Docs(unittest.TestCase):
    def problems(self, text):
        return list(check_docs.check("docs/a.md", text, {"vmm", "docs"}))

    def test_dead_links_anchors_and_paths_are_found(self):
        self.assertIn("no such file", self.problems("[x](nowhere.md)")[0])
        self.assertIn("no such heading", self.problems("[x](testing.md#no-such-heading)")[0])
        self.assertIn("no such path", self.problems("see `vmm/no/such`")[0])

    def test_live_ones_and_code_blocks_pass(self):
        text = "[x](testing.md#helpers) `vmm/memory` `other/thing` [y](https://example.org/)\n"
        self.assertEqual(self.problems(text + "```\n`vmm/no/such`\n```\n"), [])


if __name__ == "__main__":
    unittest.main()
