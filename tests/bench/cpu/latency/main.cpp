// SPDX-License-Identifier: Apache-2.0
// bench_latency ENGINE IMAGE KIND [SAMPLES]: how soon a spinning guest gives its thread back.
// Boots the benchmark's guest in its spinning mode and measures, in nanoseconds, from
// request_exit() in another thread to the return of run(), and from a deadline to the return of
// run().
#include "machine/machine.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

vmm::Nanos now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return vmm::Nanos(time.tv_sec) * 1'000'000'000 + vmm::Nanos(time.tv_nsec);
}

constexpr vmm::Nanos kFar = vmm::Nanos{1} << 62;
constexpr vmm::Nanos kShortestTurn = 200'000;
constexpr vmm::Nanos kVariation = 97'000;

/// Different for each sample, so that nothing is measured in step with the guest's loop.
vmm::Nanos turn(unsigned sample) {
    return kShortestTurn + sample * 7919 % kVariation;
}

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "bench_latency: %s\n", message.c_str());
    std::exit(1);
}

std::unique_ptr<vmm::Machine> boot(const char* engine, const char* image, const char* kind) {
    static std::string output;
    vmm::MachineConfig config;
    config.engine = engine;
    config.kernel = image;
    config.timebase_hz = 10'000'000;
    config.cmdline = std::string("mode=spin spin=") + kind;
    auto made = vmm::Machine::create(std::move(config), nullptr, [](std::span<const char> bytes) {
        output.append(bytes.data(), bytes.size());
    });
    if (!made) {
        fail(made.error().message);
    }
    auto machine = std::move(*made);
    if (const auto booted = machine->boot(); !booted) {
        fail(booted.error().message);
    }
    constexpr vmm::Nanos kBootTurn = 1'000'000;
    constexpr unsigned kBootTurns = 20'000;
    for (unsigned n = 0; output.find("spinning\n") == std::string::npos; ++n) {
        if (n == kBootTurns || machine->ended()) {
            fail("the guest does not begin to spin: " + output);
        }
        machine->run(0, {.deadline = now() + kBootTurn});
    }
    // The workload sets its data up and the engine gets used to it.
    constexpr vmm::Nanos kWarmUp = 300'000'000;
    machine->run(0, {.deadline = now() + kWarmUp});
    return machine;
}

void print(const char* what, std::vector<std::uint64_t>& samples) {
    std::ranges::sort(samples);
    std::printf(
        " %s_p50=%lu %s_p99=%lu %s_max=%lu",
        what,
        samples[samples.size() / 2],
        what,
        samples[samples.size() * 99 / 100],
        what,
        samples.back()
    );
}

/// From a deadline to the return.
std::vector<std::uint64_t> deadlines(vmm::Machine& machine, unsigned count) {
    std::vector<std::uint64_t> late;
    for (unsigned n = 0; n < count; ++n) {
        const vmm::Nanos deadline = now() + turn(n);
        machine.run(0, {.deadline = deadline});
        late.push_back(now() - deadline);
    }
    return late;
}

/// From another thread's request_exit() to the return.
std::vector<std::uint64_t> requests(vmm::Machine& machine, unsigned count) {
    std::vector<std::uint64_t> late;
    // The requester waits for turn n to begin, then asks; both words are written by one side only.
    std::atomic<unsigned> begun{0};    // release by the runner, acquire by the requester
    std::atomic<vmm::Nanos> asked{0};  // written before request_exit() orders it
    std::thread requester([&] {
        for (unsigned n = 1; n <= count; ++n) {
            while (begun.load(std::memory_order_acquire) < n) {
            }
            for (const vmm::Nanos until = now() + turn(n); now() < until;) {
            }
            asked.store(now(), std::memory_order_release);
            machine.vcpu(0).request_exit();
        }
    });
    for (unsigned n = 1; n <= count; ++n) {
        asked.store(0, std::memory_order_relaxed);
        begun.store(n, std::memory_order_release);
        vmm::Nanos begin = 0;
        while (begin == 0) {
            machine.run(0, {.deadline = kFar});
            begin = asked.load(std::memory_order_acquire);
        }
        late.push_back(now() - begin);
    }
    requester.join();
    return late;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        fail("usage: bench_latency ENGINE IMAGE KIND [SAMPLES]");
    }
    const unsigned samples = argc > 4 ? unsigned(std::max(std::atoi(argv[4]), 1)) : 2000;
    const auto machine = boot(argv[1], argv[2], argv[3]);
    auto request = requests(*machine, samples);
    auto deadline = deadlines(*machine, samples);
    std::printf("latency kind=%s", argv[3]);
    print("request", request);
    print("deadline", deadline);
    std::printf("\nend\n");
}
