// SPDX-License-Identifier: Apache-2.0
#include "options/values.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace tools {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(MemorySize, plain_number_counts_mebibytes) {
    EXPECT_EQ(parse_memory_size("256"), 256 * kMiB);
}

TEST(MemorySize, suffixes_are_powers_of_1024_in_either_case) {
    EXPECT_EQ(parse_memory_size("256M"), 256 * kMiB);
    EXPECT_EQ(parse_memory_size("256m"), 256 * kMiB);
    EXPECT_EQ(parse_memory_size("1G"), 1024 * kMiB);
    EXPECT_EQ(parse_memory_size("32768K"), 32 * kMiB);
    EXPECT_EQ(parse_memory_size("1T"), 1024 * 1024 * kMiB);
    EXPECT_EQ(parse_memory_size("64MiB"), 64 * kMiB);
    EXPECT_EQ(parse_memory_size("64MB"), 64 * kMiB);
}

TEST(MemorySize, what_is_no_size_is_refused) {
    for (const char* text :
         {"", "M", "12Q", "1.5G", "-1", "+1G", "0x100M", "1 G", "256MM", "1Gi"}) {
        EXPECT_THROW((void)parse_memory_size(text), BadValue) << text;
    }
}

TEST(MemorySize, too_little_and_too_much_are_refused) {
    for (const char* text :
         {"0", "15M", "2T", "16777216T", "18446744073709551615", "99999999999999999999M"}) {
        EXPECT_THROW((void)parse_memory_size(text), BadValue) << text;
    }
}

TEST(MemorySize, part_of_a_page_is_refused) {
    EXPECT_THROW((void)parse_memory_size("16385K"), BadValue);
}

TEST(Number, limits_are_inclusive) {
    EXPECT_EQ(parse_number("1", 1, 64), 1U);
    EXPECT_EQ(parse_number("64", 1, 64), 64U);
    EXPECT_THROW((void)parse_number("0", 1, 64), BadValue);
    EXPECT_THROW((void)parse_number("65", 1, 64), BadValue);
}

TEST(Number, anything_beside_digits_is_refused) {
    for (const char* text : {"", "x", "1x", " 1", "1 ", "-1", "1.0", "99999999999999999999"}) {
        EXPECT_THROW((void)parse_number(text, 0, 64), BadValue) << text;
    }
}

TEST(SignedNumber, limits_are_inclusive_and_nothing_else_is_a_number) {
    EXPECT_EQ(parse_signed_number("-20", -20, 19), -20);
    EXPECT_EQ(parse_signed_number("0", -20, 19), 0);
    EXPECT_EQ(parse_signed_number("19", -20, 19), 19);
    for (const char* text : {"-21", "20", "", "-", "+1", "--1", "1x", "99999999999999999999"}) {
        EXPECT_THROW((void)parse_signed_number(text, -20, 19), BadValue) << text;
    }
}

TEST(CpuList, keeps_the_order_that_it_is_given) {
    EXPECT_EQ(parse_cpu_list("3"), std::vector<unsigned>({3}));
    EXPECT_EQ(parse_cpu_list("0-3,8"), std::vector<unsigned>({0, 1, 2, 3, 8}));
    EXPECT_EQ(parse_cpu_list("8191,5-6,0"), std::vector<unsigned>({8191, 5, 6, 0}));
}

TEST(CpuList, what_is_no_list_is_refused) {
    for (const char* text :
         {"",
          ",",
          "1,",
          ",1",
          "3-1",
          "1-",
          "-1",
          "a",
          "1 ,2",
          "0x1",
          "8192",
          "0-99999999999",
          "99999999999999999999",
          "1-2-3",
          "0,0",
          "0-3,2"}) {
        EXPECT_THROW((void)parse_cpu_list(text), BadValue) << text;
    }
}

TEST(Name, unknown_one_is_refused_with_the_known_and_a_guess) {
    constexpr std::array<std::string_view, 2> kNames{"priority", "fair"};
    EXPECT_EQ(parse_name("fair", kNames), "fair");
    try {
        (void)parse_name("priorty", kNames);
        FAIL();
    } catch (const BadValue& bad) {
        EXPECT_STREQ(
            bad.what(),
            "'priorty' is not known; accepted: priority or fair; did you mean 'priority'?"
        );
    }
}

TEST(Grant, file_and_directory_default_to_read_only) {
    const auto file = parse_grant("f=file:/etc/hosts", {});
    EXPECT_EQ(file.name, "f");
    EXPECT_EQ(file.kind, vmm::Grant::Kind::file);
    EXPECT_EQ(file.path, "/etc/hosts");
    EXPECT_FALSE(file.writable);
    EXPECT_EQ(parse_grant("d=dir:.", {}).kind, vmm::Grant::Kind::directory);
}

TEST(Grant, mode_is_taken_from_the_end_only) {
    EXPECT_TRUE(parse_grant("f=file:a:rw", {}).writable);
    EXPECT_FALSE(parse_grant("f=file:a:ro", {}).writable);
    EXPECT_EQ(parse_grant("f=file:a:rw", {}).path, "a");
    EXPECT_EQ(parse_grant("f=file:a:b:rw", {}).path, "a:b");
    EXPECT_EQ(parse_grant("f=file:a=b", {}).path, "a=b");
    EXPECT_EQ(parse_grant("f=file:a:ro:ro", {}).path, "a:ro");
}

TEST(Grant, relative_path_counts_from_the_base) {
    EXPECT_EQ(parse_grant("f=file:a", "/fleet").path, "/fleet/a");
    EXPECT_EQ(parse_grant("f=file:/a", "/fleet").path, "/a");
}

TEST(Grant, malformed_ones_are_refused) {
    for (const char* text :
         {"",
          "f",
          "f=",
          "f=/etc",
          "=file:a",
          "f=file:",
          "f=dir::ro",
          "f=disk:a",
          "a/b=file:a",
          "..=file:a",
          ".=dir:a",
          "f=file",
          "f g=file:a"}) {
        EXPECT_THROW((void)parse_grant(text, {}), BadValue) << text;
    }
    EXPECT_THROW((void)parse_grant(std::string(64, 'n') + "=file:a", {}), BadValue);
}

TEST(Environment, needs_a_key) {
    EXPECT_EQ(parse_environment("A=b=c"), "A=b=c");
    EXPECT_EQ(parse_environment("A="), "A=");
    EXPECT_THROW((void)parse_environment("A"), BadValue);
    EXPECT_THROW((void)parse_environment("=b"), BadValue);
    EXPECT_THROW((void)parse_environment(""), BadValue);
}

TEST(GuestName, is_a_plain_word) {
    EXPECT_EQ(parse_guest_name("web-1.a_B"), "web-1.a_B");
    for (const char* text : {"", "a b", "a/b", ".", ".."}) {
        EXPECT_THROW((void)parse_guest_name(text), BadValue) << text;
    }
    EXPECT_THROW((void)parse_guest_name(std::string(33, 'a')), BadValue);
}

TEST(Values, a_code_cache_has_its_own_bounds) {
    EXPECT_EQ(parse_code_cache_size("1M"), std::uint64_t{1} << 20);
    EXPECT_EQ(parse_code_cache_size("4G"), std::uint64_t{4} << 30);
    for (const char* text : {"1023K", "5G", "0", "x", "-1"}) {
        EXPECT_THROW((void)parse_code_cache_size(text), BadValue) << text;
    }
}

}  // namespace
}  // namespace tools
