// SPDX-License-Identifier: Apache-2.0
#include "sched/workers/host_topology.hpp"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <optional>
#include <string>

namespace vmm::sched {
namespace {

/// The number with which a file begins: of a list of CPUs the first, which names the whole.
std::optional<std::uint32_t> first_number(const std::filesystem::path& path) {
    std::string text;
    std::ifstream file(path);
    if (!std::getline(file, text)) {
        return std::nullopt;
    }
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} ? std::optional(number) : std::nullopt;
}

/// The cache of the highest level that the CPU has.
std::optional<std::uint32_t> last_cache(const std::filesystem::path& cpu) {
    std::optional<std::uint32_t> shared_by;
    std::uint32_t highest = 0;
    for (unsigned index = 0;; ++index) {
        const auto cache = cpu / "cache" / fmt::format("index{}", index);
        const auto level = first_number(cache / "level");
        if (!level) {
            return shared_by;
        }
        const auto first = first_number(cache / "shared_cpu_list");
        if (first && *level >= highest) {
            highest = *level;
            shared_by = first;
        }
    }
}

std::optional<std::uint32_t> node_of(const std::filesystem::path& cpu) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(cpu, error)) {
        const std::string name = entry.path().filename();
        std::uint32_t node = 0;
        if (name.starts_with("node")
            && std::from_chars(name.data() + 4, name.data() + name.size(), node).ec
                   == std::errc{}) {
            return node;
        }
    }
    return std::nullopt;
}

}  // namespace

std::vector<CpuPlace>
host_places(std::span<const unsigned> cpus, const std::filesystem::path& system) {
    std::vector<CpuPlace> places;
    for (const unsigned number : cpus) {
        const auto cpu = system / "cpu" / fmt::format("cpu{}", number);
        const auto core = first_number(cpu / "topology" / "thread_siblings_list");
        if (!core) {
            return {};
        }
        // A host that says nothing of nodes has one; of caches, a core each.
        places.push_back({
            .node = node_of(cpu).value_or(0),
            .cache = last_cache(cpu).value_or(*core),
            .core = *core,
        });
    }
    return places;
}

}  // namespace vmm::sched
