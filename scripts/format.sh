#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rewrites every C and C++ source of the tree as .clang-format says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files --cached --others --exclude-standard -z -- '*.cpp' '*.hpp' '*.c' '*.h' |
    xargs -0 -r clang-format-19 -i
git status --short
