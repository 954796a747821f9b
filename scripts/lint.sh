#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.sh [CHECK...]: every static check of the tree; `./dev lint` calls it after configuring the
# release preset. All checks run even when one fails. Checks: format sources layering docs headers tidy
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=$(date +%s)
step() { printf '\n=== [%3d s] lint: %s\n' $(($(date +%s) - started)) "$*"; }

check_format() {
    git ls-files --cached --others --exclude-standard -z -- '*.cpp' '*.hpp' '*.c' '*.h' |
        xargs -0 -r clang-format-19 --dry-run -Werror
}

check_tidy() {
    # The guest's compile commands come with its configuration.
    ninja -C build/release guest-configure >/dev/null && cmake build/release/guest >/dev/null &&
        scripts/run_clang_tidy.py
}

run() {
    case $1 in
    format) check_format ;;
    tidy) check_tidy ;;
    sources | layering | docs | headers) "scripts/check_$1.py" ;;
    *) echo "lint.sh: no check $1" >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- format sources layering docs headers tidy
failed=()
for check in "$@"; do
    step "$check"
    run "$check" || failed+=("$check")
done
step "done"
if [ ${#failed[@]} -ne 0 ]; then
    echo "lint failed: ${failed[*]}"
    exit 1
fi
echo "lint: all checks passed"
