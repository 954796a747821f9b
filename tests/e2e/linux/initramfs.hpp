// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "process.hpp"

#include <filesystem>
#include <string>

namespace test_support {

/// Writes the initramfs of these tests (busybox and init.sh) to `output`; the error text, empty
/// when all went well. `cache` is debian_cache().
inline std::string make_initramfs(const std::filesystem::path& cache, const std::string& output) {
    const auto made = run_process({
        COPS_SOURCE_DIR "/tests/support/mkinitramfs.py",
        output,
        "file bin/busybox " + (cache / "busybox").string(),
        "link bin/sh busybox",
        "char dev/console 5 1",
        "char dev/null 1 3",
        "dir proc",
        "dir sys",
        "file init " COPS_SOURCE_DIR "/tests/e2e/linux/init.sh 755",
    });
    return made.exit_code == 0 ? "" : "mkinitramfs.py failed: " + made.err;
}

}  // namespace test_support
