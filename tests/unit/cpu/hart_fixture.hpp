// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine.hpp"
#include "engines.hpp"
#include "riscv_assembler.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// A hart with RAM and a host that records, for tests of an engine.
namespace cpu_test {

inline constexpr std::uint64_t kRam = 0x8000'0000;
inline constexpr std::uint64_t kRamBytes = 8 << 20;
inline constexpr std::uint64_t kDevice = 0x1000'0000;
/// SBI extension by which test code ends its run.
inline constexpr std::uint64_t kEndExtension = 0x0a000001;

class TestHost final : public vmm::VcpuHost {
public:
    bool mmio_read(vmm::GuestPhys address, unsigned size, std::uint64_t* value) override {
        if (address.value < kDevice || address.value >= kDevice + 4096) {
            return false;
        }
        *value = 0x1111'2222'3333'4444 + size;
        return true;
    }
    bool mmio_write(vmm::GuestPhys address, unsigned size, std::uint64_t value) override {
        if (address.value < kDevice || address.value >= kDevice + 4096) {
            return false;
        }
        mmio_writes.push_back({address.value, size, value});
        if (on_mmio_write) {
            on_mmio_write();
        }
        return true;
    }
    /// Ends the run and leaves the registers as they are.
    static vmm::SbiReply ended(const vmm::SbiCall& call) {
        return {
            .error = static_cast<std::int64_t>(call.args[0]),
            .value = call.args[1],
            .exit = true,
            .exit_kind = vmm::ExitKind::ended,
        };
    }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall& call) override {
        if (on_sbi_call) {
            return on_sbi_call(call);
        }
        sbi = call;
        return ended(call);
    }
    std::uint64_t guest_time() override { return time.load(); }
    std::uint64_t guest_time_at(std::uint64_t retired) override {
        time_read_at.push_back(retired);
        return guest_time();
    }
    vmm::Nanos host_deadline(std::uint64_t ticks) override { return ticks * 10; }

    struct MmioWrite {
        std::uint64_t address;
        unsigned size;
        std::uint64_t value;
    };
    std::vector<MmioWrite> mmio_writes;
    std::vector<std::uint64_t> time_read_at;  ///< Instructions retired before each read of `time`.
    std::function<void()> on_mmio_write;
    std::function<vmm::SbiReply(const vmm::SbiCall&)> on_sbi_call;
    vmm::SbiCall sbi{};
    std::atomic<std::uint64_t> time{1000};
};

class HartTest : public ::testing::Test {
protected:
    explicit HartTest(std::string engine_name)
        : engine(std::move(engine_name))
        , memory(make_memory())
        , vcpu(make_hart(0)) {
        state.pc = kRam;
        state.sstatus = 3 << 13;
        state.stvec = kRam + 0x10000;
        // Whatever traps ends the run: stval, scause and sepc are in the state then.
        put(kRam + 0x10000, {rv::kEcall});
    }

    static std::unique_ptr<vmm::GuestMemory> make_memory() {
        return std::move(vmm::GuestMemory::create(vmm::GuestPhys{kRam}, kRamBytes).value());
    }
    std::unique_ptr<vmm::Vcpu> make_hart(unsigned id, bool user_interrupts = true) {
        const vmm::EngineOptions options{.user_interrupts = user_interrupts};
        return std::move(test_support::make_vcpu(engine, *memory, host, id, options).value());
    }

    void put(std::uint64_t address, const rv::Code& code) {
        put_bytes(address, code.words().data(), code.words().size() * 4);
    }
    void put_bytes(std::uint64_t address, const void* bytes, std::size_t count) {
        const auto* from = static_cast<const std::byte*>(bytes);
        ASSERT_TRUE(memory->write(vmm::GuestPhys{address}, {from, count}));
    }
    template <class T>
    void put_value(std::uint64_t address, T value) {
        put_bytes(address, &value, sizeof value);
    }
    template <class T = std::uint64_t>
    T value_at(std::uint64_t address) {
        T value{};
        EXPECT_TRUE(memory->read(
            vmm::GuestPhys{address}, {reinterpret_cast<std::byte*>(&value), sizeof value}
        ));
        return value;
    }

    /// Runs from `state` until an exit and keeps the state after it.
    vmm::ExitKind run() {
        vcpu->load(state);
        const vmm::ExitKind kind = vcpu->run({.deadline = ~vmm::Nanos{0}});
        state = vcpu->save();
        return kind;
    }
    /// Runs code in S-mode up to an ecall that is put behind it.
    void run_code(rv::Code code) {
        code << rv::kEcall;
        put(state.pc, code);
        ASSERT_EQ(run(), vmm::ExitKind::ended);
    }
    std::uint64_t x(unsigned number) const { return state.x[number]; }

    const std::string engine;
    TestHost host;
    std::unique_ptr<vmm::GuestMemory> memory;
    std::unique_ptr<vmm::Vcpu> vcpu;
    vmm::riscv::State state;
};

/// A HartTest whose parameter is the engine.
class EngineTest : public HartTest, public ::testing::WithParamInterface<std::string> {
protected:
    EngineTest()
        : HartTest(GetParam()) {}
};

}  // namespace cpu_test

/// Runs the tests of a fixture on every engine, and on one that changes from tier to tier.
#define COPS_ON_EVERY_ENGINE(fixture)                                                              \
    INSTANTIATE_TEST_SUITE_P(                                                                      \
        engine,                                                                                    \
        fixture,                                                                                   \
        ::testing::ValuesIn(test_support::test_vcpus()),                                           \
        [](const auto& info) { return info.param; }                                                \
    )
