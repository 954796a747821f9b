// SPDX-License-Identifier: Apache-2.0
#include "support/leftovers.hpp"

#include <unistd.h>

#include <mutex>
#include <set>

namespace tools {
namespace {

std::mutex mutex;
std::set<std::filesystem::path>& noted() {
    static auto* paths = new std::set<std::filesystem::path>;  // outlives every thread
    return *paths;
}

}  // namespace

void note_leftover(const std::filesystem::path& path) {
    const std::lock_guard lock(mutex);
    noted().insert(path);
}

void forget_leftover(const std::filesystem::path& path) {
    const std::lock_guard lock(mutex);
    noted().erase(path);
}

void remove_leftovers() noexcept {
    const std::lock_guard lock(mutex);
    for (const auto& path : noted()) {
        ::unlink(path.c_str());
    }
}

}  // namespace tools
