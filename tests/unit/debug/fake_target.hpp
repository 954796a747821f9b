// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "debug/target.hpp"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace debug_test {

using vmm::debug::HartAction;

/// Some harts and a little memory at kMemory, mapped as it is.
class FakeTarget final : public vmm::debug::Target {
public:
    static constexpr std::uint64_t kMemory = 0x8000'0000;
    static constexpr std::size_t kBytes = 4096;

    explicit FakeTarget(unsigned count)
        : states(count) {}

    unsigned harts() const override { return static_cast<unsigned>(states.size()); }
    vmm::riscv::State registers(unsigned hart) override { return states.at(hart); }
    void set_registers(unsigned hart, const vmm::riscv::State& state) override {
        states.at(hart) = state;
    }
    bool has_user_interrupts() const override { return user_interrupts; }
    std::uint64_t guest_time() override { return 0x1234; }
    std::size_t read_memory(unsigned, std::uint64_t address, std::span<std::byte> to) override {
        const std::size_t size = inside(address, to.size());
        if (size != 0) {
            std::memcpy(to.data(), memory.data() + (address - kMemory), size);
        }
        return size;
    }
    bool write_memory(unsigned, std::uint64_t address, std::span<const std::byte> from) override {
        if (inside(address, from.size()) != from.size()) {
            return false;
        }
        if (!from.empty()) {
            std::memcpy(memory.data() + (address - kMemory), from.data(), from.size());
        }
        return true;
    }
    std::string describe(unsigned hart) override { return "hart " + std::to_string(hart); }
    void set_breakpoints(std::span<const std::uint64_t> addresses) override {
        breakpoints.assign(addresses.begin(), addresses.end());
    }
    void resume(std::span<const HartAction> given) override {
        actions.assign(given.begin(), given.end());
        ++resumes;
        if (on_resume) {
            on_resume();
        }
    }
    void interrupt() override {
        ++interrupts;
        if (on_interrupt) {
            on_interrupt();
        }
    }
    void release() override { ++releases; }
    void kill() override { ++kills; }

    std::vector<vmm::riscv::State> states;
    std::vector<std::byte> memory{kBytes};
    std::vector<std::uint64_t> breakpoints;
    std::vector<HartAction> actions;
    std::function<void()> on_resume;
    std::function<void()> on_interrupt;
    bool user_interrupts = true;
    int resumes = 0;
    int interrupts = 0;
    int releases = 0;
    int kills = 0;

private:
    static std::size_t inside(std::uint64_t address, std::size_t size) {
        if (address < kMemory || address >= kMemory + kBytes) {
            return 0;
        }
        return std::min<std::uint64_t>(size, kMemory + kBytes - address);
    }
};

}  // namespace debug_test
