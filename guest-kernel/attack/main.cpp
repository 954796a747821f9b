// SPDX-License-Identifier: Apache-2.0
// A guest kernel that is an attack and nothing else: share/cops/attack-kernel. The word attack=NAME
// of its command line says which; none of them ends by itself. host-tools/experiments has fleets.
#include "attack/device.hpp"

#include <cstddef>
#include <cstdint>

namespace attack {
namespace {

constexpr unsigned kMostHarts = 64;
constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kEverything = ~std::uint64_t{0};
constexpr std::uint64_t kRam = 0x80000000;

alignas(64) constinit virtio_cops_board boards[kMostHarts] = {};

// ---- SBI ----

struct SbiResult {
    long error;
    long value;
};

SbiResult
sbi(std::uint64_t extension,
    std::uint64_t function,
    std::uint64_t first = 0,
    std::uint64_t second = 0,
    std::uint64_t third = 0) {
    register std::uint64_t a0 __asm__("a0") = first;
    register std::uint64_t a1 __asm__("a1") = second;
    register std::uint64_t a2 __asm__("a2") = third;
    register std::uint64_t a3 __asm__("a3") = 0;
    register std::uint64_t a6 __asm__("a6") = function;
    register std::uint64_t a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return {static_cast<long>(a0), static_cast<long>(a1)};
}

constexpr std::uint64_t kIpi = 0x735049;
constexpr std::uint64_t kFences = 0x52464e43;
constexpr std::uint64_t kHarts = 0x48534d;
constexpr std::uint64_t kReset = 0x53525354;

[[noreturn]] void shut_down(std::uint64_t status) {
    constexpr std::uint64_t kStatusReason = 0xe0000000;
    (void)sbi(kReset, 0, 0, status == 0 ? 0 : kStatusReason | status);
    for (;;) {
    }
}

// ---- What this hart does ----

/// Random words, others on each hart.
class Random {
public:
    explicit Random(std::uint64_t hart)
        : state_(0x9e3779b97f4a7c15 * (hart + 1)) {}
    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

private:
    std::uint64_t state_;
};

void burn() {
    for (unsigned i = 0; i < 512; ++i) {
        __asm__ volatile("");
    }
}

void claim(std::uint64_t hart) {
    virtio_cops_board& board = boards[hart];
    for (;;) {
        __atomic_store_n(&board.ready, kEverything, __ATOMIC_RELAXED);
        __atomic_store_n(
            &board.flags, std::uint32_t{VIRTIO_COPS_BOARD_F_CRITICAL}, __ATOMIC_RELAXED
        );
        burn();
    }
}

/// Somewhere: in RAM, behind its end, in a device, nowhere; as a rule not where a board may be.
std::uint64_t somewhere(Random& random) {
    switch (random.next() % 4) {
    case 0:
        return kRam + random.next() % (std::uint64_t{1} << 28);
    case 1:
        return random.next();
    case 2:
        return 0x10001000 + random.next() % 0x10000;
    default:
        return reinterpret_cast<std::uint64_t>(boards) + random.next() % 128;
    }
}

void send_something(Random& random) {
    struct {
        virtio_cops_ctrl_hdr header;
        virtio_cops_le64 words[10];
    } message{{static_cast<std::uint32_t>(random.next() % 8), 0}, {}};
    for (virtio_cops_le64& word : message.words) {
        word = random.next() % 2 == 0 ? somewhere(random) : random.next() % 4;
    }
    command(&message, static_cast<std::uint32_t>(random.next() % (sizeof message + 1)));
}

void lie_about_boards(std::uint64_t hart) {
    Random random(hart);
    auto* const words = reinterpret_cast<volatile std::uint64_t*>(&boards[hart]);
    for (;;) {
        for (std::size_t i = 0; i < sizeof(virtio_cops_board) / sizeof(std::uint64_t); ++i) {
            words[i] = random.next();
        }
        doorbells()[VIRTIO_COPS_DOORBELL_CLAIM / sizeof(std::uint32_t)] = 1;
        // One hart alone has the queue, or it would soon be a broken one and nothing would follow.
        if (hart == 0) {
            if (random.next() % 2 == 0) {
                set_board(static_cast<std::uint32_t>(random.next() % 3), somewhere(random));
            } else {
                send_something(random);
            }
        }
    }
}

void interrupt_each_other(std::uint64_t /*hart*/) {
    for (;;) {
        (void)sbi(kIpi, 0, kEverything, kEverything);        // all harts
        (void)sbi(kFences, 0, kEverything, kEverything);     // fence.i
        (void)sbi(kFences, 1, kEverything, kEverything, 0);  // sfence.vma of everything
    }
}

constexpr std::uint64_t kValid = 1;
constexpr std::uint64_t kAllRights = 0xcf;  // V R W X A D

/// Sv39 with the lower half of everything mapped onto itself by gigabytes; below the last of them a
/// level that changes all the time.
alignas(kPage) constinit std::uint64_t tables[2][3][kPage / sizeof(std::uint64_t)] = {};

std::uint64_t entry_of(const std::uint64_t* table) {
    return reinterpret_cast<std::uint64_t>(table) >> 12 << 10;
}

void change_page_tables(std::uint64_t hart) {
    constexpr std::uint64_t kSv39 = std::uint64_t{8} << 60;
    constexpr std::uint64_t kGigabyte = std::uint64_t{1} << 30;
    constexpr std::uint64_t kChanging = 5;  // the gigabyte
    Random random(hart);
    for (auto& space : tables) {
        for (std::uint64_t i = 0; i < 4; ++i) {
            space[0][i] = (i * kGigabyte >> 2) | kAllRights;
        }
        space[0][kChanging] = entry_of(space[1]) | kValid;
    }
    for (std::uint64_t round = 0;; ++round) {
        auto& space = tables[round % 2];
        for (std::uint64_t& entry : space[1]) {
            entry = random.next() % 2 == 0 ? entry_of(space[2]) | kValid : random.next();
        }
        for (std::uint64_t& entry : space[2]) {
            entry = (kRam >> 2) + (random.next() % 64 << 10) + kAllRights;
        }
        const std::uint64_t satp =
            kSv39 | (round % 16) << 44 | reinterpret_cast<std::uint64_t>(space[0]) >> 12;
        __asm__ volatile("csrw satp, %0" : : "r"(satp) : "memory");
        for (unsigned i = 0; i < 64; ++i) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): mapped there, or a fault that is meant.
            (void)*reinterpret_cast<volatile std::uint8_t*>(
                kChanging * kGigabyte + random.next() % kGigabyte
            );
        }
        __asm__ volatile("sfence.vma" : : : "memory");
    }
}

/// Little functions far from this image, each of them new to the translator in each pass.
void grow_code(std::uint64_t hart) {
    constexpr std::size_t kFunctions = 32768;
    constexpr std::uint64_t kReturn = 0x00008067;
    constexpr std::uint64_t kAddToA0 = 0x00050513;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): RAM of this machine that nobody else uses.
    auto* const code = reinterpret_cast<std::uint64_t*>(kRam + (32 << 20) + (hart << 20));
    for (std::uint64_t pass = 0;; ++pass) {
        for (std::size_t i = 0; i < kFunctions; ++i) {
            code[i] = kReturn << 32 | (pass % 2048) << 20 | kAddToA0;
        }
        __asm__ volatile("fence.i" : : : "memory");
        for (std::size_t i = 0; i < kFunctions; ++i) {
            __asm__ volatile("jalr %0" : : "r"(&code[i]) : "ra", "a0", "memory");
        }
    }
}

/// Gives its turn back as soon as it has it, a million times, then ends well: the cost of a switch.
void yield(std::uint64_t /*hart*/) {
    for (unsigned i = 0; i < 1'000'000; ++i) {
        doorbells()[VIRTIO_COPS_DOORBELL_YIELD / sizeof(std::uint32_t)] = 1;
    }
    shut_down(0);
}

struct Case {
    const char* name;
    void (*run)(std::uint64_t hart);
};
constexpr Case kCases[] = {
    {"claim", &claim},
    {"boards", &lie_about_boards},
    {"ipi", &interrupt_each_other},
    {"page-tables", &change_page_tables},
    {"code", &grow_code},
    {"yield", &yield},
};

// ---- Start ----

constinit const Case* chosen = nullptr;

std::uint32_t big_endian(const unsigned char* bytes) {
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16
           | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

/// Whether `text`, with its end, stands at `bytes`.
bool stands_at(const unsigned char* bytes, const char* text) {
    while (*text != '\0' && *bytes == static_cast<unsigned char>(*text)) {
        ++bytes;
        ++text;
    }
    return *text == '\0' && (*bytes == '\0' || *bytes == ' ');
}

/// The case that the command line names; it is somewhere in the device tree.
const Case* case_of(const unsigned char* tree) {
    constexpr char kWord[] = "attack=";
    constexpr std::size_t kLength = sizeof kWord - 1;
    const std::size_t bytes = big_endian(tree + 4);
    for (std::size_t at = 0; at + kPage / 64 < bytes; ++at) {
        std::size_t same = 0;
        while (same < kLength && tree[at + same] == static_cast<unsigned char>(kWord[same])) {
            ++same;
        }
        for (const Case& one : kCases) {
            if (same == kLength && stands_at(tree + at + kLength, one.name)) {
                return &one;
            }
        }
    }
    return nullptr;
}

}  // namespace
}  // namespace attack

extern "C" {
void attack_entry();
/// Of each hart; `tree` is 0 but for the first.
void attack_main(std::uint64_t hart, const unsigned char* tree);
}

namespace attack {
namespace {

void start_other_harts(std::uint64_t self) {
    for (std::uint64_t hart = 0; hart < kMostHarts; ++hart) {
        if (hart != self) {
            (void)sbi(kHarts, 0, hart, reinterpret_cast<std::uint64_t>(&attack_entry), 0);
        }
    }
}

}  // namespace
}  // namespace attack

void attack_main(std::uint64_t hart, const unsigned char* tree) {
    using namespace attack;
    if (tree != nullptr) {
        chosen = case_of(tree);
        if (chosen == nullptr) {
            shut_down(2);
        }
        if (!open_device(VIRTIO_ID_COPS)) {
            shut_down(3);
        }
        for (std::uint32_t vcpu = 0; vcpu < kMostHarts; ++vcpu) {
            boards[vcpu].irq_level = 0;
            set_board(vcpu, reinterpret_cast<std::uint64_t>(&boards[vcpu]));
        }
        start_other_harts(hart);
    }
    chosen->run(hart);
}
