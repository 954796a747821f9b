// SPDX-License-Identifier: Apache-2.0
// What a policy costs: nanoseconds of an event with the decision that follows it, among many vCPUs.
// bench_decisions VCPUS...: one line for each policy, pattern and round:
//   policy pattern vcpus nanoseconds
// Rounds of all sizes are interleaved.
#include "sched/policy/policy.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace vmm::sched;

constexpr unsigned kRounds = 15;
constexpr unsigned kOperations = 100'000;  // of a round
constexpr std::uint32_t kVcpusOfGuest = 2;

/// Every vCPU always has work, urgent or patient by turns; guests have weights and budgets and one
/// has a guaranteed share, so that all the rules are at work.
class Fleet {
public:
    Fleet(std::string_view policy, std::uint32_t vcpus)
        : policy_(make_policy(policy)) {
        for (std::uint32_t i = 0; i < vcpus; ++i) {
            const std::uint32_t guest = i / kVcpusOfGuest;
            const VcpuId id{.guest = guest, .vcpu = i % kVcpusOfGuest};
            TenantTerms terms{.weight = 50 + guest % 7 * 50, .budget_rate = 100};
            terms.budget_burst_ns = 5'000'000;
            terms.share = guest == 0 ? 100 : 0;
            policy_->apply({.kind = EventKind::add, .id = id, .terms = terms});
            policy_->apply({.kind = EventKind::ready, .id = id, .level = level()});
        }
        current_ = policy_->pick(0, now_)->id;
    }

    /// A turn ends and the next one begins.
    void turn() {
        now_ += 100'000;
        policy_->apply({
            .kind = EventKind::ran,
            .time_ns = now_,
            .id = current_,
            .level = level(),
            .ran_ns = 100'000,
        });
        current_ = policy_->pick(0, now_)->id;
    }

    /// The running vCPU goes idle and another one runs; the first wakes and may take over.
    void wake() {
        now_ += 100'000;
        const VcpuId sleeper = current_;
        policy_->apply({.kind = EventKind::idle, .time_ns = now_, .id = sleeper, .ran_ns = 100'000}
        );
        current_ = policy_->pick(0, now_)->id;
        policy_->apply({.kind = EventKind::ready, .time_ns = now_, .id = sleeper, .level = level()}
        );
        found_ += policy_->preempt(now_) ? 1 : 0;
    }

    std::uint64_t found() const { return found_; }

private:
    std::uint8_t level() { return random_() % 2 == 0 ? 2 : 20; }

    std::unique_ptr<Policy> policy_;
    std::minstd_rand random_{1};
    std::uint64_t now_ = 1;
    VcpuId current_;
    std::uint64_t found_ = 0;
};

using Operation = void (Fleet::*)();

double nanoseconds_of(Fleet& fleet, Operation operation, unsigned times) {
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < times; ++i) {
        (fleet.*operation)();
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    return took.count() / times;
}

void measure(
    std::string_view policy,
    std::string_view pattern,
    Operation operation,
    std::span<const std::uint32_t> sizes
) {
    std::vector<Fleet> fleets;
    for (const std::uint32_t size : sizes) {
        nanoseconds_of(fleets.emplace_back(policy, size), operation, kOperations);
    }
    for (unsigned round = 0; round < kRounds; ++round) {
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            const double took = nanoseconds_of(fleets[i], operation, kOperations);
            fmt::print("{} {} {} {:.2f}\n", policy, pattern, sizes[i], took);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::uint32_t> sizes;
    for (const std::string_view word : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
        std::uint32_t size = 0;
        std::from_chars(word.data(), word.data() + word.size(), size);
        if (size < 2) {
            fmt::print(
                stderr, "bench_decisions: '{}' is no number of vCPUs; give 2 or more\n", word
            );
            return 2;
        }
        sizes.push_back(size);
    }
    for (const std::string_view policy : policy_names()) {
        measure(policy, "turn", &Fleet::turn, sizes);
        measure(policy, "wake", &Fleet::wake, sizes);
    }
    return 0;
}
