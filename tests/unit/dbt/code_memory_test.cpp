// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/runtime/code_memory.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace vmm::dbt {
namespace {

/// The line of /proc/self/maps that covers an address: its rights and its name.
struct Mapping {
    std::string rights;
    std::string name;
};

Mapping mapping_of(const void* address) {
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::istringstream words(line);
        std::uintptr_t first = 0;
        std::uintptr_t end = 0;
        char dash = 0;
        std::string skipped;
        Mapping mapping;
        words >> std::hex >> first >> dash >> end >> mapping.rights >> skipped >> skipped
            >> skipped;
        std::getline(words >> std::ws, mapping.name);
        if (first <= wanted && wanted < end) {
            return mapping;
        }
    }
    return {};
}

TEST(CodeMemory, what_is_written_in_one_place_appears_in_the_other) {
    CodeMemory memory(100'000, 5'000);
    ASSERT_TRUE(memory.ok());
    *memory.writable(70'000) = std::byte{42};
    EXPECT_EQ(*memory.executable(70'000), std::byte{42});
    *memory.writable(10) = std::byte{7};
    memory.discard(4096);
    EXPECT_EQ(*memory.executable(10), std::byte{7});
    EXPECT_EQ(*memory.executable(70'000), std::byte{0});
    *memory.writable(70'000) = std::byte{43};
    EXPECT_EQ(*memory.executable(70'000), std::byte{43});
}

TEST(CodeMemory, nothing_is_writable_and_executable) {
    const CodeMemory memory(100'000, 5'000);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(mapping_of(memory.executable(0)).rights, "r-xs");
    EXPECT_EQ(mapping_of(memory.writable(0)).rights, "rw-s");
    EXPECT_EQ(mapping_of(memory.data(0)).rights, "rw-p");
}

// perf names code by /tmp/perf-PID.map in memory that is called so, and in no other shared one.
TEST(CodeMemory, perf_takes_it_for_generated_code) {
    const CodeMemory memory(100'000, 5'000);
    ASSERT_TRUE(memory.ok());
    EXPECT_TRUE(mapping_of(memory.executable(0)).name.starts_with("/dev/zero"));
}

}  // namespace
}  // namespace vmm::dbt
