// SPDX-License-Identifier: Apache-2.0
// Engines stop at exact counts of retired instructions in the same state, wherever that is: in
// blocks, loops, handlers, between the halves of fused pairs.
#include "options.hpp"
#include "system_runner.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <random>
#include <vector>

namespace {

using differential::Seeds;
using differential::system::Image;
using differential::system::Options;
using differential::system::Runner;

std::vector<std::string> engines(std::uint64_t seed) {
    constexpr std::uint64_t kInstructions = 70'000;  // about what a program executes
    return test_support::test_vcpus(differential::interpret_first(seed, kInstructions));
}

std::vector<std::unique_ptr<Runner>> counting_runners(const Image& image, std::uint64_t seed) {
    std::vector<std::unique_ptr<Runner>> runners;
    for (const std::string& engine : engines(seed)) {
        auto runner = std::make_unique<Runner>(engine, image, true);
        if (runner->vcpu().debug() != nullptr) {
            runners.push_back(std::move(runner));
        }
    }
    return runners;
}

vmm::ExitKind step(Runner& runner, std::uint64_t count) {
    runner.vcpu().debug()->set_instruction_limit(count);
    return runner.vcpu().run({.deadline = ~vmm::Nanos{0}});
}

Options all_options() {
    Options options;
    options.slots = 200;
    options.sv48 = differential::system::engines_have_sv48();
    options.subset.unknown_to_qemu = true;
    options.user_interrupts = true;
    return options;
}

}  // namespace

TEST(CountedDifferential, engines_stop_at_the_same_counts_in_the_same_state) {
    Seeds seeds(12);
    std::uint64_t stops = 0;
    for (std::uint64_t seed = 0; seeds.next(seed);) {
        const Image image = differential::system::make_image(seed, all_options());
        const auto runners = counting_runners(image, seed);
        ASSERT_EQ(runners.size(), engines(seed).size()) << "an engine cannot count";
        std::mt19937_64 random(seed);
        std::uint64_t total = 0;
        for (bool going = true; going;) {
            // Mostly a few; at times so many that whole slots go by.
            const std::uint64_t count = 1 + random() % (random() % 4 == 0 ? 3000 : 40);
            const std::uint64_t before = runners.front()->vcpu().save().instret;
            const vmm::ExitKind kind = step(*runners.front(), count);
            const vmm::riscv::State expected = runners.front()->vcpu().save();
            going = kind == vmm::ExitKind::counted;
            if (going) {
                ASSERT_EQ(expected.instret - before, count) << Seeds::again(seed);
            } else {
                ASSERT_EQ(kind, vmm::ExitKind::ended) << Seeds::again(seed);
            }
            total += count;
            ++stops;
            for (std::size_t n = 1; n < runners.size(); ++n) {
                ASSERT_EQ(step(*runners[n], count), kind)
                    << "around instruction " << total << Seeds::again(seed);
                ASSERT_EQ(differential::system::difference(expected, runners[n]->vcpu().save()), "")
                    << runners.front()->vcpu().engine_name() << " / "
                    << runners[n]->vcpu().engine_name() << " at instruction " << total
                    << ", a stop after " << count << Seeds::again(seed);
            }
        }
        for (std::size_t n = 1; n < runners.size(); ++n) {
            ASSERT_EQ(
                differential::system::difference(
                    runners[n]->ram(), runners.front()->ram(), "the first"
                ),
                ""
            ) << Seeds::again(seed);
        }
    }
    std::cout << seeds.done() << " programs, " << stops << " stops\n";
}

TEST(CountedDifferential, a_counted_run_ends_as_one_without_a_limit) {
    Seeds seeds(6);
    for (std::uint64_t seed = 0; seeds.next(seed);) {
        const Image image = differential::system::make_image(seed, all_options());
        for (const std::string& engine : engines(seed)) {
            Runner whole(engine, image, true);
            ASSERT_TRUE(whole.run()) << engine << Seeds::again(seed);
            Runner counted(engine, image, true);
            vmm::ExitKind kind = vmm::ExitKind::counted;
            for (std::uint64_t n = 0; kind == vmm::ExitKind::counted; ++n) {
                kind = step(counted, 1 + n * 37 % 1999);
            }
            ASSERT_EQ(kind, vmm::ExitKind::ended) << engine << Seeds::again(seed);
            ASSERT_EQ(
                differential::system::difference(counted.vcpu().save(), whole.vcpu().save()), ""
            ) << engine
              << Seeds::again(seed);
        }
    }
}
