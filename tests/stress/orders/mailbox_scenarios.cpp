// SPDX-License-Identifier: Apache-2.0
// A vCPU's mailbox: what other harts' remote fences and the wakes of a worker go through. Not
// checked for races: its plain variables stand for what happens in one order on the real machine.
#include "cpu/common/mailbox.hpp"
#include "scenarios.hpp"

using explorer::Execution;
using vmm::FenceKind;
using vmm::Mailbox;

namespace {

/// A vCPU that has translated a page before, and what the poster of a fence changes.
struct Fenced {
    Mailbox mailbox;
    std::uint32_t entry = 0;  // page table entry: 1 when changed
    std::uint32_t cached = 0;
    bool is_cached = true;
    std::uint32_t page = 0;  // what the old entry leads to
    bool freed = false;      // and the poster believes that nobody uses it any more

    void serve() {
        const Mailbox::Fences fences = mailbox.take_fences();
        if (fences.has(FenceKind::address_translation)) {
            is_cached = false;
        }
        mailbox.finish(fences);
    }
    void access() {
        if (!is_cached) {
            cached = __atomic_load_n(&entry, __ATOMIC_RELAXED);
            is_cached = true;
        }
        if (cached == 0) {
            explorer::plain_access(&page, sizeof page, /*write=*/false);
            if (freed) {
                explorer::fail("uses a page after the fence");
            }
        }
    }
    /// As EngineVcpu::run().
    void run() {
        mailbox.enter();
        serve();
        access();
        if ((mailbox.take_requests() & Mailbox::kFence) != 0) {
            serve();
        }
        access();
        mailbox.leave();
    }
};

void fence_against_run(Execution& execution) {
    Fenced& vcpu = *new Fenced;
    execution.threads = {
        [&] {
            vcpu.run();
            vcpu.run();
        },
        [&] {
            __atomic_store_n(&vcpu.entry, 1u, __ATOMIC_RELAXED);
            const std::uint64_t ticket = vcpu.mailbox.post_fence(FenceKind::address_translation);
            while (!vcpu.mailbox.fence_done(ticket)) {
                explorer::relax();
            }
            explorer::plain_access(&vcpu.page, sizeof vcpu.page, /*write=*/true);
            vcpu.freed = true;
        }
    };
}

// The vCPU's turn goes on until it is asked to end it.
void exit_against_run(Execution& execution) {
    struct World {
        Mailbox mailbox;
        std::uint32_t lines = 0;
    };
    World& world = *new World;
    execution.threads = {
        [&] {
            while ((world.mailbox.take_requests() & Mailbox::kExit) == 0) {
                explorer::relax();
            }
            if (__atomic_load_n(&world.lines, __ATOMIC_RELAXED) == 0) {
                explorer::fail("asked to end its turn without what it is for");
            }
        },
        [&] {
            __atomic_store_n(&world.lines, 1u, __ATOMIC_RELAXED);
            world.mailbox.request_exit();
        }
    };
}

constexpr NamedScenario kScenarios[] = {
    {"fence_against_run", fence_against_run},
    {"exit_against_run", exit_against_run},
};

}  // namespace

std::span<const NamedScenario> mailbox_scenarios() {
    return kScenarios;
}
