// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engines.hpp"
#include "riscv_assembler.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

/// Several harts of one engine on one memory, and threads to run them.
namespace cpu_stress {

inline constexpr std::uint64_t kRam = 0x8000'0000;
inline constexpr std::uint64_t kRamBytes = 16 << 20;
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
inline constexpr bool kSlow = true;
#else
inline constexpr bool kSlow = false;
#endif

/// SBI function numbers that the test machine knows; anything else ends the hart.
inline constexpr std::uint64_t kRemoteFenceI = 1;
inline constexpr std::uint64_t kRemoteSfence = 2;
inline constexpr std::uint64_t kYield = 3;  ///< The thread's, to the host.

class Machine final : public vmm::VcpuHost {
public:
    Machine(const std::string& engine, unsigned count)
        : memory(std::move(vmm::GuestMemory::create(vmm::GuestPhys{kRam}, kRamBytes).value())) {
        for (unsigned n = 0; n < count; ++n) {
            harts.push_back(std::move(test_support::make_vcpu(engine, *memory, *this, n).value()));
        }
    }

    bool mmio_read(vmm::GuestPhys, unsigned, std::uint64_t*) override { return false; }
    bool mmio_write(vmm::GuestPhys, unsigned, std::uint64_t) override { return false; }
    vmm::SbiReply sbi_call(unsigned hart, const vmm::SbiCall& call) override {
        if (call.function == kYield) {
            std::this_thread::yield();
            return {};
        }
        if (call.function != kRemoteFenceI && call.function != kRemoteSfence) {
            return {.exit = true, .exit_kind = vmm::ExitKind::ended};
        }
        const vmm::FenceKind kind = call.function == kRemoteFenceI
                                        ? vmm::FenceKind::instruction
                                        : vmm::FenceKind::address_translation;
        for (unsigned other = 0; other < harts.size(); ++other) {
            if (other == hart) {
                continue;
            }
            const std::uint64_t ticket = harts[other]->post_fence(kind);
            while (!harts[other]->fence_done(ticket)) {
                harts[hart]->serve_fences();
                std::this_thread::yield();
            }
        }
        return {};
    }
    std::uint64_t guest_time() override { return 0; }
    vmm::Nanos host_deadline(std::uint64_t) override { return 0; }

    void put(std::uint64_t address, const rv::Code& code) {
        const auto* bytes = reinterpret_cast<const std::byte*>(code.words().data());
        ASSERT_TRUE(memory->write(vmm::GuestPhys{address}, {bytes, code.words().size() * 4}));
    }
    std::atomic_ref<std::uint64_t> word(std::uint64_t address) {
        return std::atomic_ref<std::uint64_t>(
            *reinterpret_cast<std::uint64_t*>(memory->writable_range(vmm::GuestPhys{address}, 8))
        );
    }

    /// Until all harts have ended, each on a thread of its own.
    void run_on_own_threads() {
        std::vector<std::thread> threads;
        for (const auto& hart : harts) {
            threads.emplace_back([&hart] {
                while (hart->run({.deadline = ~vmm::Nanos{0}}) == vmm::ExitKind::interrupted) {
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    }

    /// Until all harts have ended; they take short turns on `workers` threads.
    void run_on_workers(unsigned workers) {
        constexpr vmm::Nanos kTurn = 200'000;
        std::vector<std::thread> threads;
        for (unsigned worker = 0; worker < workers; ++worker) {
            threads.emplace_back([this, worker, workers] {
                std::vector<vmm::Vcpu*> mine;
                for (std::size_t n = worker; n < harts.size(); n += workers) {
                    mine.push_back(harts[n].get());
                }
                while (!mine.empty()) {
                    std::erase_if(mine, [](vmm::Vcpu* hart) {
                        const auto now = std::chrono::steady_clock::now().time_since_epoch();
                        const std::chrono::nanoseconds nanos = now;
                        const auto until = static_cast<vmm::Nanos>(nanos.count()) + kTurn;
                        return hart->run({.deadline = until}) == vmm::ExitKind::ended;
                    });
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    }

    std::unique_ptr<vmm::GuestMemory> memory;
    std::vector<std::unique_ptr<vmm::Vcpu>> harts;
};

/// Tests that get the engine as parameter.
class EngineTest : public ::testing::TestWithParam<std::string> {};

}  // namespace cpu_stress

/// Instantiates the tests of a class derived from EngineTest for all engines.
#define COPS_ON_ALL_ENGINES(suite)                                                                 \
    INSTANTIATE_TEST_SUITE_P(                                                                      \
        engines,                                                                                   \
        suite,                                                                                     \
        testing::ValuesIn(test_support::test_vcpus(100'000)),                                      \
        [](const testing::TestParamInfo<std::string>& parameter) { return parameter.param; }       \
    )
