// SPDX-License-Identifier: Apache-2.0
// What no process may do to memory and to the hart.
#include "test_hostile.hpp"

#include <virtio_cops/user_interrupts.h>

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace {

constexpr std::uint32_t kReturn = 0x00008067;  // jalr x0, 0(ra)
constexpr std::size_t kPage = 4096;

template <typename T>
volatile T* at(std::uint64_t address) {
    return reinterpret_cast<volatile T*>(address);
}

template <std::uint64_t Address>
cops::Task<int> load() {
    co_return static_cast<int>(*at<std::uint64_t>(Address));
}
template <std::uint64_t Address>
cops::Task<int> store() {
    *at<std::uint64_t>(Address) = 0;
    co_return 0;
}

void jump(std::uint64_t address) {
    void (*volatile target)() = reinterpret_cast<void (*)()>(address);
    target();
}
template <std::uint64_t Address>
cops::Task<int> jump_to() {
    jump(Address);
    co_return 0;
}

void make_code(void* memory) {
    std::memcpy(memory, &kReturn, sizeof kReturn);
    __asm__ volatile("fence.i" : : : "memory");
}

cops::Task<int> jump_to_data() {
    alignas(8) static std::array<std::uint32_t, 2> data;
    make_code(data.data());
    jump(reinterpret_cast<std::uint64_t>(data.data()));
    co_return 0;
}

[[gnu::noinline]] void call_stack() {
    std::array<std::uint32_t, 2> data{};
    make_code(data.data());
    jump(reinterpret_cast<std::uint64_t>(data.data()));
}
cops::Task<int> jump_to_stack() {
    call_stack();
    co_return 0;
}

cops::Task<int> jump_to_mapping() {
    void* const memory =
        mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    make_code(memory);
    jump(reinterpret_cast<std::uint64_t>(memory));
    co_return 0;
}

[[gnu::noinline]] int descend(volatile char* above, unsigned depth) {
    volatile char frame[512];
    frame[0] = above[0];
    return depth == 0 ? 0 : descend(frame, depth - 1) + frame[0];
}
cops::Task<int> overflow_stack() {
    volatile char first = 1;
    co_return descend(&first, UINT32_MAX);
}

cops::Task<int> store_to_text() {
    *at<std::uint32_t>(reinterpret_cast<std::uint64_t>(&call_stack)) = kReturn;
    co_return 0;
}
cops::Task<int> store_to_constant() {
    static constexpr std::uint64_t kConstant = 42;
    *at<std::uint64_t>(reinterpret_cast<std::uint64_t>(&kConstant)) = 0;
    co_return 0;
}

std::uint64_t vdso() {
    const std::uint64_t address = getauxval(AT_SYSINFO_EHDR);
    check(address != 0, "there is a vDSO");
    return address;
}
cops::Task<int> store_to_vdso() {
    *at<std::uint32_t>(vdso()) = kReturn;
    co_return 0;
}

// The mappings shared with kernel and host stay; what is left of the program still works.
cops::Task<int> unmap_shared() {
    for (const std::uint64_t address :
         {std::uint64_t{COPS_PROCESS_PAGE_ADDRESS},
          std::uint64_t{COPS_DOORBELL_ADDRESS},
          std::uint64_t{COPS_HOST_PAGE_ADDRESS},
          std::uint64_t{COPS_KERNEL_PAGE_ADDRESS},
          std::uint64_t{COPS_HEADS_ADDRESS},
          std::uint64_t{COPS_SLOTS_ADDRESS},
          vdso()}) {
        auto* const page = reinterpret_cast<void*>(address);
        constexpr int kAll = PROT_READ | PROT_WRITE | PROT_EXEC;
        constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
        check(munmap(page, kPage) != 0, "munmap of a shared page");
        check(mprotect(page, kPage, kAll) != 0, "mprotect of a shared page");
        check(mmap(page, kPage, kAll, kFlags, -1, 0) == MAP_FAILED, "mmap over a shared page");
    }
    auto* const all = reinterpret_cast<void*>(kPage);
    check(munmap(all, COPS_SLOTS_ADDRESS) != 0, "munmap of everything");
    check((co_await cops::nop()).has_value(), "a request still works");
    co_return 0;
}

cops::Task<int> unmap_own_code() {
    const auto here = reinterpret_cast<std::uint64_t>(&munmap) & ~(kPage - 1);
    munmap(reinterpret_cast<void*>(here), kPage);
    co_return 0;
}

// Every interrupt of this process jumps to the kernel's code from now on.
cops::Task<int> interrupt_to_kernel() {
    check(cops::has_user_interrupts(), "the hart has user interrupts");
    __asm__ volatile("csrw %0, %1" : : "i"(COPS_CSR_UTVEC), "r"(kKernelText));
    __asm__ volatile("csrs %0, %1" : : "i"(COPS_CSR_UIE), "r"(1 << COPS_IRQ_USER_SOFTWARE));
    __asm__ volatile("csrs %0, %1" : : "i"(COPS_CSR_USTATUS), "r"(COPS_USTATUS_UIE));
    __asm__ volatile("csrs %0, %1" : : "i"(COPS_CSR_UIP), "r"(1 << COPS_IRQ_USER_SOFTWARE));
    for (volatile bool wait = true; wait;) {
    }
    co_return 0;
}

cops::Task<int> read_supervisor_register() {
    std::uint64_t value = 0;
    __asm__ volatile("csrr %0, satp" : "=r"(value));
    co_return static_cast<int>(value);
}
cops::Task<int> write_supervisor_register() {
    __asm__ volatile("csrw satp, zero");
    co_return 0;
}
cops::Task<int> return_from_supervisor() {
    __asm__ volatile(".word 0x10200073");  // sret
    co_return 0;
}
cops::Task<int> breakpoint() {
    __asm__ volatile("ebreak");
    co_return 0;
}
cops::Task<int> misaligned_atomic() {
    static std::array<std::uint64_t, 2> words;
    const std::uint64_t address = reinterpret_cast<std::uint64_t>(words.data()) + 1;
    __asm__ volatile("amoadd.d zero, zero, (%0)" : : "r"(address) : "memory");
    co_return 0;
}

// The executor's own state lies in the process's memory: it can wreck that for itself.
cops::Task<int> wreck_executor() {
    std::memset(cops::detail::context(), 0xff, sizeof(cops_executor_context));
    co_await cops::yield();
    co_return 0;
}

// Every word of the doorbell page, with any value.
cops::Task<int> ring_everything() {
    for (std::uint64_t offset = 0; offset < kPage; offset += 4) {
        for (const std::uint32_t value : {0u, 1u, 63u, 64u, ~0u}) {
            *at<std::uint32_t>(COPS_DOORBELL_ADDRESS + offset) = value;
        }
    }
    check((co_await cops::nop()).has_value(), "a request still works");
    co_return 0;
}

constexpr HostileCase kCases[] = {
    {"load-null", &load<kUnmapped>},
    {"load-kernel", &load<kKernelText>},
    {"load-kernel-stack", &load<kKernelStack>},
    {"store-kernel", &store<kKernelText>},
    {"store-device", &store<kKernelUart>},
    {"store-between", &store<kBetweenHalves>},
    {"store-text", &store_to_text},
    {"store-constant", &store_to_constant},
    {"store-vdso", &store_to_vdso},
    {"store-host-page", &store<COPS_HOST_PAGE_ADDRESS>},
    {"store-kernel-page", &store<COPS_KERNEL_PAGE_ADDRESS>},
    {"jump-nowhere", &jump_to<0x1234560>},
    {"jump-kernel", &jump_to<kKernelText>},
    {"jump-shared", &jump_to<COPS_PROCESS_PAGE_ADDRESS>},
    {"jump-data", &jump_to_data},
    {"jump-stack", &jump_to_stack},
    {"jump-mapping", &jump_to_mapping},
    {"overflow-stack", &overflow_stack},
    {"unmap-shared", &unmap_shared},
    {"unmap-code", &unmap_own_code},
    {"interrupt-to-kernel", &interrupt_to_kernel},
    {"read-satp", &read_supervisor_register},
    {"write-satp", &write_supervisor_register},
    {"sret", &return_from_supervisor},
    {"ebreak", &breakpoint},
    {"misaligned-atomic", &misaligned_atomic},
    {"wreck-executor", &wreck_executor},
    {"ring-everything", &ring_everything},
};

}  // namespace

std::span<const HostileCase> fault_cases() {
    return kCases;
}
