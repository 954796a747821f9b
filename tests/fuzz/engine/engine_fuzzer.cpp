// SPDX-License-Identifier: Apache-2.0
// Any bytes as code, registers and page tables: the guest may do what it likes to itself. One
// target for each engine (COPS_FUZZ_ENGINE).
#include "cpu/engine.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

namespace {

constexpr std::uint64_t kRam = 0x8000'0000;
constexpr std::uint64_t kRamBytes = 64 << 10;

class Host final : public vmm::VcpuHost {
public:
    bool mmio_read(vmm::GuestPhys address, unsigned size, std::uint64_t* value) override {
        *value = address.value * size;
        return address.value < kRam;
    }
    bool mmio_write(vmm::GuestPhys address, unsigned, std::uint64_t) override {
        return address.value < kRam;
    }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall& call) override {
        return {.error = static_cast<std::int64_t>(call.function), .legacy = call.extension < 16};
    }
    std::uint64_t guest_time() override { return ++time_; }
    vmm::Nanos host_deadline(std::uint64_t ticks) override { return ticks; }

private:
    std::uint64_t time_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A machine made for each input would take longer than what the input does.
    static const auto memory =
        std::move(vmm::GuestMemory::create(vmm::GuestPhys{kRam}, kRamBytes).value());
    static Host host;
    static const auto vcpu = std::move(vmm::make_vcpu(COPS_FUZZ_ENGINE, *memory, host, 0).value());
    if (size < 8) {
        return 0;
    }
    std::byte* ram = memory->writable_range(vmm::GuestPhys{kRam}, kRamBytes);
    std::memset(ram, 0, kRamBytes);
    // Control bytes, then what goes to the start of RAM; the same bytes again end a page, so that
    // instructions cross into the next one.
    const std::size_t bytes = std::min<std::size_t>(size - 8, 16384);
    std::memcpy(ram, data + 8, bytes);
    std::memcpy(ram + 0x8000 - bytes / 2, data + 8, bytes);
    vmm::riscv::State state;
    state.pc = kRam + (data[0] % 2 == 0 ? 0 : 0x8000 - bytes / 2);
    state.privilege = static_cast<vmm::riscv::Privilege>(data[1] % 2);
    state.sstatus = std::uint64_t{data[2]} << 12 | data[3];
    state.satp = data[4] % 4 == 0 ? std::uint64_t{8} << 60 | (kRam >> 12) + data[4] / 16 : 0;
    state.stvec = kRam + std::uint64_t{data[5]} * 64;
    state.utvec = kRam + std::uint64_t{data[6]} * 64;
    state.sie = state.sideleg = state.sedeleg = data[7];
    for (unsigned n = 1; n < 32; ++n) {
        state.x[n] = kRam + n * 0x7f4;
        state.f[n] = n * 0x0123456789abcdef;
    }
    vcpu->load(state);
    for (unsigned turn = 0; turn < 3; ++turn) {
        vcpu->run({.deadline = 0});
        vcpu->raise_user_interrupt();
    }
    (void)vcpu->save();
    return 0;
}
