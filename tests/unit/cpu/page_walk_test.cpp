// SPDX-License-Identifier: Apache-2.0
// Translation: permissions, A and D, superpages, malformed tables, and sfence.vma.
#include "hart_fixture.hpp"

#include <tuple>

using namespace rv;
using cpu_test::HartTest;
using cpu_test::kRam;
using vmm::riscv::Privilege;

namespace {

constexpr std::uint64_t V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128;
constexpr std::uint64_t kRoot = kRam + 0x100000, kMiddle = kRoot + 0x1000, kLeaves = kRoot + 0x2000;
/// Sv48's root, whose first entry is the table that Sv39 begins with.
constexpr std::uint64_t kTop = kRoot + 0x3000;
constexpr std::uint64_t kVirtual = 0x40'0000'0000 - 0x4000'0000;  // root index 255
constexpr std::uint64_t kPage = kRam + 0x200000;                  // what kVirtual maps
constexpr std::uint64_t kSum = 1 << 18, kMxr = 1 << 19;

std::uint64_t entry(std::uint64_t address, std::uint64_t flags) {
    return address >> 12 << 10 | flags;
}

struct Scheme {
    const char* name;
    std::uint64_t satp_mode;
    unsigned levels;
};
constexpr Scheme kSchemes[] = {{"sv39", 8, 3}, {"sv48", 9, 4}};

using Parameter = std::tuple<std::string, Scheme>;

class PageWalk : public HartTest, public ::testing::WithParamInterface<Parameter> {
protected:
    PageWalk()
        : HartTest(std::get<std::string>(GetParam())) {
        // The lower gigabytes map RAM onto itself, so that test code and handler can run.
        put_value(kRoot + 2 * 8, entry(kRam, V | R | W | X | A | D));
        put_value(kRoot + 255 * 8, entry(kMiddle, V));
        put_value(kMiddle, entry(kLeaves, V));
        put_value(kTop, entry(kRoot, V));
        state.satp = satp(scheme.levels == 4 ? kTop : kRoot);
        state.x[s0] = kVirtual;
        put_value<std::uint64_t>(kPage, 0x1234);
    }
    std::uint64_t satp(std::uint64_t root) const { return scheme.satp_mode << 60 | root >> 12; }
    void map(std::uint64_t flags, std::uint64_t address = kPage) {
        put_value(kLeaves, entry(address, flags));
    }
    std::uint64_t leaf() { return value_at(kLeaves); }
    /// The scause of executing `word` in S-mode; 0: it went through.
    std::uint64_t cause_of(Word word, std::uint64_t sstatus = 0) {
        state.pc = kRam;
        state.privilege = Privilege::supervisor;
        state.sstatus = sstatus | 3 << 13;
        state.scause = 0;
        state.stval = 0;
        put(kRam, {word, kEcall});
        EXPECT_EQ(run(), vmm::ExitKind::ended);
        if (state.scause != 0) {
            EXPECT_EQ(state.stval, kVirtual);
            EXPECT_EQ(state.sepc, kRam);
        }
        return state.scause;
    }
    /// The scause of fetching from kVirtual.
    std::uint64_t fetch_cause(Privilege privilege) {
        state.pc = kVirtual;
        state.privilege = privilege;
        state.scause = 0;
        put(kPage, {kEbreak});
        EXPECT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.sepc, kVirtual);
        return state.scause;
    }
    /// The scause of a load from kVirtual in U-mode, by code that is on that page too.
    std::uint64_t user_load_cause() {
        map(V | X | U | A, kPage + 0x1000);
        put_value(kLeaves + 8, entry(kPage + 0x1000, V | X | U | A));
        put(kPage + 0x1000, {ld(a0, s0, 0), kEbreak});
        state.pc = kVirtual + 0x1000;
        state.privilege = Privilege::user;
        EXPECT_EQ(run(), vmm::ExitKind::ended);
        return state.scause;
    }
    const Scheme scheme = std::get<Scheme>(GetParam());
    const Word kLoad = ld(a0, s0, 0);
    const Word kStore = sd(a1, s0, 0);
    const Word kAmo = amo(0, 3, a0, s0, a1);
};

INSTANTIATE_TEST_SUITE_P(
    engine,
    PageWalk,
    ::testing::Combine(
        ::testing::ValuesIn(test_support::test_vcpus()), ::testing::ValuesIn(kSchemes)
    ),
    [](const auto& info) {
        return std::get<std::string>(info.param) + "_" + std::get<Scheme>(info.param).name;
    }
);

}  // namespace

TEST_P(PageWalk, loads_and_stores_go_to_the_mapped_page) {
    map(V | R | W | A | D);
    EXPECT_EQ(cause_of(kLoad), 0U);
    EXPECT_EQ(x(a0), 0x1234U);
    state.x[a1] = 99;
    EXPECT_EQ(cause_of(kStore), 0U);
    EXPECT_EQ(value_at(kPage), 99U);
}

TEST_P(PageWalk, accesses_set_the_accessed_and_dirty_bits) {
    map(V | R | W);
    EXPECT_EQ(cause_of(kLoad), 0U);
    EXPECT_EQ(leaf() & 0x3ff, V | R | W | A) << "a load sets A only";
    EXPECT_EQ(cause_of(kStore), 0U);
    EXPECT_EQ(leaf() & 0x3ff, V | R | W | A | D);
    map(V | R | W);
    EXPECT_EQ(cause_of(kAmo), 0U);
    EXPECT_EQ(leaf() & 0x3ff, V | R | W | A | D);
    map(V | X);
    EXPECT_EQ(fetch_cause(Privilege::supervisor), 3U);
    EXPECT_EQ(leaf() & 0x3ff, V | X | A);
    map(V | R);
    EXPECT_EQ(cause_of(kStore), 15U);
    EXPECT_EQ(leaf() & 0x3ff, V | R) << "a fault sets nothing";
}

TEST_P(PageWalk, a_store_after_a_load_still_sets_dirty) {
    map(V | R | W);
    put(kRam, {kLoad, kStore, kEcall});
    state.pc = kRam;
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(leaf() & 0x3ff, V | R | W | A | D);
}

TEST_P(PageWalk, missing_permissions_are_page_faults) {
    map(V | R | A | D);
    EXPECT_EQ(cause_of(kLoad), 0U);
    EXPECT_EQ(cause_of(kStore), 15U);
    EXPECT_EQ(cause_of(kAmo), 15U);
    EXPECT_EQ(fetch_cause(Privilege::supervisor), 12U);
    map(V | X | A);
    EXPECT_EQ(cause_of(kLoad), 13U);
    map(0);
    EXPECT_EQ(cause_of(kLoad), 13U);
    EXPECT_EQ(cause_of(kStore), 15U);
    EXPECT_EQ(fetch_cause(Privilege::supervisor), 12U);
}

TEST_P(PageWalk, mxr_makes_executable_pages_readable) {
    map(V | X | A);
    EXPECT_EQ(cause_of(kLoad, kMxr), 0U);
    EXPECT_EQ(cause_of(kStore, kMxr), 15U);
    EXPECT_EQ(cause_of(kLoad), 13U) << "and not when it is cleared again";
}

TEST_P(PageWalk, supervisor_mode_reaches_user_pages_only_with_sum_and_never_executes_them) {
    map(V | R | W | X | U | A | D);
    EXPECT_EQ(cause_of(kLoad), 13U);
    EXPECT_EQ(cause_of(kLoad, kSum), 0U);
    EXPECT_EQ(cause_of(kStore, kSum), 0U);
    EXPECT_EQ(cause_of(kStore), 15U);
    EXPECT_EQ(fetch_cause(Privilege::supervisor), 12U);
    EXPECT_EQ(fetch_cause(Privilege::user), 3U);
}

TEST_P(PageWalk, sum_counts_from_the_instruction_after_its_change) {
    map(V | R | W | U | A | D);
    Code code;
    code.load(t0, kSum);
    code << csrrs(0, 0x100, t0) << kLoad << csrrc(0, 0x100, t0) << kLoad;
    put(kRam, code);
    state.pc = kRam;
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(state.scause, 13U);
    EXPECT_EQ(state.sepc, kRam + static_cast<std::uint64_t>(code.size()) - 4);
    EXPECT_EQ(x(a0), 0x1234U);
}

TEST_P(PageWalk, user_mode_reaches_user_pages_only) {
    map(V | R | W | X | A | D);
    EXPECT_EQ(fetch_cause(Privilege::user), 12U);
    EXPECT_EQ(user_load_cause(), 13U);
}

TEST_P(PageWalk, malformed_entries_are_page_faults) {
    for (const std::uint64_t bad : {
             entry(kPage, V | W | A | D),                               // write without read
             entry(kPage, R | W | A | D),                               // not valid
             entry(kPage, V | R | W | A | D) | std::uint64_t{1} << 63,  // N
             entry(kPage, V | R | W | A | D) | std::uint64_t{3} << 61,  // reserved PBMT
             entry(kPage, V | R | W | A | D) | std::uint64_t{1} << 54,  // reserved
             entry(kPage, V | R | W | A | D) | std::uint64_t{1} << 60,  // reserved
             entry(kPage, V),                                           // a table at the last level
         }) {
        put_value(kLeaves, bad);
        EXPECT_EQ(cause_of(kLoad), 13U) << std::hex << bad;
        EXPECT_EQ(cause_of(kStore), 15U) << std::hex << bad;
    }
    map(V | R | A);
    constexpr std::uint64_t kNonCacheable = std::uint64_t{1} << 61, kIo = std::uint64_t{2} << 61;
    for (const std::uint64_t bit : {U, A, D, kNonCacheable, kIo, std::uint64_t{1} << 63}) {
        put_value(kMiddle, entry(kLeaves, V | bit));
        EXPECT_EQ(cause_of(kLoad), 13U) << "reserved in a pointer to a table: " << bit;
    }
}

TEST_P(PageWalk, memory_types_of_svpbmt_are_accepted_in_leaves) {
    for (const std::uint64_t type : {0U, 1U, 2U}) {
        put_value(kLeaves, entry(kPage, V | R | W | A | D) | type << 61);
        EXPECT_EQ(cause_of(kLoad), 0U) << type;
        EXPECT_EQ(cause_of(kStore), 0U) << type;
        EXPECT_EQ(cause_of(kAmo), 0U) << type;
        put_value(kMiddle, entry(kPage, V | R | W | A | D) | type << 61);
        EXPECT_EQ(cause_of(kLoad), 0U) << "superpage, " << type;
        put_value(kMiddle, entry(kLeaves, V));
    }
}

TEST_P(PageWalk, a_superpage_of_512_gib_maps_everything_below_it) {
    if (scheme.levels < 4) {
        put_value(kRoot + 255 * 8, entry(0, V | R | W | A | D) | std::uint64_t{1} << 10);
        EXPECT_EQ(cause_of(kLoad), 13U) << "Sv39 has none; this is a misaligned gigapage";
        return;
    }
    // Its virtual addresses begin at 512 GiB; physical ones are the offset in it.
    put_value(kTop + 8, entry(0, V | R | W | X | A));
    put_value<std::uint64_t>(kPage, 0x1234);
    const std::uint64_t base = std::uint64_t{1} << 39;
    state.x[s1] = base + kPage;
    state.x[a1] = 77;
    run_code({ld(a0, s1, 0), sd(a1, s1, 8)});
    EXPECT_EQ(x(a0), 0x1234U);
    EXPECT_EQ(value_at(kPage + 8), 77U);
    EXPECT_EQ(value_at(kTop + 8) & 0x3ff, V | R | W | X | A | D);

    // sfence.vma of any address in it forgets all of it.
    put_value<std::uint64_t>(kPage + 0x3000, 1);
    state.pc = kRam;
    state.x[s1] = base + kPage + 0x3000;
    state.x[s2] = kTop + 8;
    state.x[s3] = base + 0x7f'ffff'f000;
    put(kRam, {ld(a0, s1, 0), sd(x0, s2, 0), sfence_vma(s3), ld(a1, s1, 0), kEcall});
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(x(a0), 1U);
    EXPECT_EQ(state.scause, 13U);
    EXPECT_EQ(state.stval, base + kPage + 0x3000);

    for (unsigned bit = 10; bit < 37; ++bit) {  // every bit of the PPN that has to be 0
        put_value(kTop + 8, entry(0, V | R | W | X | A) | std::uint64_t{1} << bit);
        state.pc = kRam;
        state.scause = 0;
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 13U) << bit;
    }
}

TEST_P(PageWalk, superpages_map_and_have_to_be_aligned) {
    put_value(kMiddle, entry(kPage, V | R | W | A | D));
    EXPECT_EQ(cause_of(ld(a0, s0, 0)), 0U);
    EXPECT_EQ(x(a0), 0x1234U);
    state.x[s1] = kVirtual + 0x1ff000;
    put_value<std::uint64_t>(kPage + 0x1ff008, 5);
    EXPECT_EQ(cause_of(ld(a0, s1, 8)), 0U);
    EXPECT_EQ(x(a0), 5U);
    put_value(kMiddle, entry(kPage + 0x1000, V | R | W | A | D));
    EXPECT_EQ(cause_of(kLoad), 13U);
    put_value(kRoot + 255 * 8, entry(kRam + 0x200000, V | R | W | A | D));
    EXPECT_EQ(cause_of(kLoad), 13U) << "a gigapage at a 2 MiB boundary";
    put_value(kRoot + 255 * 8, entry(kRam, V | R | W | A | D));
    EXPECT_EQ(cause_of(kLoad), 0U);
}

TEST_P(PageWalk, addresses_that_are_not_sign_extended_fault) {
    map(V | R | W | A | D);
    const unsigned bits = 12 + 9 * scheme.levels;
    for (const std::uint64_t address :
         {kVirtual | std::uint64_t{1} << bits,
          kVirtual | std::uint64_t{1} << 63,
          std::uint64_t{1} << (bits - 1),
          ~std::uint64_t{0} << bits}) {
        state.x[s1] = address;
        state.pc = kRam;
        put(kRam, {ld(a0, s1, 0)});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 13U);
        EXPECT_EQ(state.stval, address);
        put(kRam, {jalr(0, s1, 0)});
        state.pc = kRam;
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 12U);
        EXPECT_EQ(state.stval, address);
    }
}

TEST_P(PageWalk, page_tables_outside_of_memory_are_access_faults) {
    put_value(kMiddle, entry(0x40000000, V));
    EXPECT_EQ(cause_of(kLoad), 5U);
    EXPECT_EQ(cause_of(kStore), 7U);
    EXPECT_EQ(fetch_cause(Privilege::supervisor), 1U);
    put_value(kMiddle, entry(0xfffffffffff000, V));
    EXPECT_EQ(cause_of(kLoad), 5U);
}

TEST_P(PageWalk, tables_that_point_to_themselves_are_page_faults) {
    // Each level finds the same entry, a pointer to this table; the last may not hold one.
    const std::uint64_t root = scheme.levels == 4 ? kTop : kRoot;
    put_value(root + 255 * 8, entry(root, V));
    std::uint64_t address = 0;
    for (unsigned level = 0; level < scheme.levels; ++level) {
        address |= std::uint64_t{255} << (12 + 9 * level);
    }
    state.x[s1] = address;
    for (const Word word : {ld(a0, s1, 0), sd(a0, s1, 0), jalr(0, s1, 0)}) {
        state.pc = kRam;
        put(kRam, {word});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, word == ld(a0, s1, 0) ? 13U : word == sd(a0, s1, 0) ? 15U : 12U);
        EXPECT_EQ(state.stval, address);
    }
    EXPECT_EQ(value_at(root + 255 * 8), entry(root, V)) << "no bit was set";
}

TEST_P(PageWalk, mapped_nothing_is_an_access_fault) {
    map(V | R | W | X | A | D, 0x40000000);
    EXPECT_EQ(cause_of(kLoad), 5U);
    EXPECT_EQ(cause_of(kStore), 7U);
    EXPECT_EQ(fetch_cause(Privilege::supervisor), 1U);
}

TEST_P(PageWalk, an_access_across_two_pages_faults_at_the_second) {
    map(V | R | W | A | D);
    put_value<std::uint64_t>(kLeaves + 8, 0);
    state.x[s1] = kVirtual + 0xffc;
    state.x[a1] = ~std::uint64_t{0};
    for (const Word word : {ld(a0, s1, 0), sd(a1, s1, 0)}) {
        state.pc = kRam;
        put(kRam, {word});
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, word == ld(a0, s1, 0) ? 13U : 15U);
        EXPECT_EQ(state.stval, kVirtual + 0x1000);
    }
    EXPECT_EQ(value_at<std::uint32_t>(kPage + 0xffc), 0U) << "nothing was stored";
}

TEST_P(PageWalk, an_instruction_across_two_pages_uses_both_translations) {
    map(V | R | X | A);
    put_value(kLeaves + 8, entry(kPage + 0x5000, V | R | X | A));
    const Word word = li(a0, 55);
    put_value(kPage + 0xffe, static_cast<std::uint16_t>(word));
    put_value(kPage + 0x5000, static_cast<std::uint16_t>(word >> 16));
    put(kPage + 0x5002, {kEbreak});
    state.pc = kVirtual + 0xffe;
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(x(a0), 55U);
    EXPECT_EQ(state.sepc, kVirtual + 0x1002);
    put_value<std::uint64_t>(kLeaves + 8, 0);
    state.pc = kVirtual + 0xffe;
    ASSERT_EQ(run(), vmm::ExitKind::ended);
    EXPECT_EQ(state.scause, 12U);
    EXPECT_EQ(state.sepc, kVirtual + 0xffe);
    EXPECT_EQ(state.stval, kVirtual + 0x1000);
}

TEST_P(PageWalk, sfence_vma_makes_changed_tables_count) {
    // Map, read, remap to the next page with a store, fence (all, then by address), read again.
    for (const Word fence : {sfence_vma(), sfence_vma(s0)}) {
        map(V | R | W | A | D);
        put_value<std::uint64_t>(kPage + 0x1000, 0x5678);
        state.pc = kRam;
        state.x[s1] = kLeaves;
        state.x[s2] = entry(kPage + 0x1000, V | R | W | A | D);
        run_code({ld(a0, s0, 0), sd(s2, s1, 0), fence, ld(a1, s0, 0)});
        EXPECT_EQ(x(a0), 0x1234U);
        EXPECT_EQ(x(a1), 0x5678U);
    }
}

TEST_P(PageWalk, sfence_vma_of_one_address_forgets_a_whole_superpage) {
    put_value(kMiddle, entry(kPage, V | R | W | A | D));
    put_value<std::uint64_t>(kPage + 0x3000, 1);
    put_value<std::uint64_t>(kPage + 0x200000 + 0x3000, 2);
    state.x[s1] = kMiddle;
    state.x[s2] = entry(kPage + 0x200000, V | R | W | A | D);
    state.x[s3] = kVirtual + 0x3000;
    run_code({ld(a0, s3, 0), sd(s2, s1, 0), sfence_vma(s0), ld(a1, s3, 0)});
    EXPECT_EQ(x(a0), 1U);
    EXPECT_EQ(x(a1), 2U);
}

TEST_P(PageWalk, writing_satp_switches_address_spaces) {
    constexpr std::uint64_t kOther = kRam + 0x180000, kOtherTop = kOther + 0x1000;
    put_value(kOther + 2 * 8, entry(kRam, V | R | W | X | A | D));
    put_value(kOther + 255 * 8, entry(kRam, V | R | W | A | D | G));
    put_value(kOtherTop, entry(kOther, V));
    put_value<std::uint64_t>(kRam + 0x30, 0x77);
    map(V | R | W | A | D);
    state.x[s1] = kVirtual + 0x30;
    state.x[s2] = satp(scheme.levels == 4 ? kOtherTop : kOther) | std::uint64_t{7} << 44;
    run_code(
        {ld(a0, s0, 0),
         csrrw(s2, 0x180, s2),
         nop(),
         ld(a1, s1, 0),
         csrrw(s2, 0x180, s2),
         nop(),
         nop(),
         nop(),
         nop(),
         nop(),
         nop(),
         ld(a2, s0, 0)}
    );
    EXPECT_EQ(x(a0), 0x1234U);
    EXPECT_EQ(x(a1), value_at(kRam + 0x30));
    EXPECT_EQ(x(a2), 0x1234U);
}

TEST_P(PageWalk, the_upper_half_of_the_address_space_is_translated_too) {
    const unsigned top_shift = 12 + 9 * (scheme.levels - 1);
    if (scheme.levels == 4) {
        put_value(kTop + 511 * 8, entry(kRoot, V));
    } else {
        put_value(kRoot + 511 * 8, entry(kMiddle, V));
    }
    map(V | R | W | A | D);
    state.x[s1] = ~std::uint64_t{0} << top_shift | (scheme.levels == 4 ? kVirtual : 0);
    run_code({ld(a0, s1, 0)});
    EXPECT_EQ(x(a0), 0x1234U);
}

TEST_P(PageWalk, svinval_forgets_as_sfence_vma_does) {
    // Changed entries count after sinval.vma between sfence.w.inval and sfence.inval.ir.

    put_value<std::uint64_t>(kPage + 0x1000, 0x5678);
    for (const unsigned address : {unsigned{x0}, unsigned{s0}}) {
        map(V | R | W | A | D);
        state.pc = kRam;
        state.x[s1] = kLeaves;
        state.x[s2] = entry(kPage + 0x1000, V | R | W | A | D);
        run_code(
            {ld(a0, s0, 0),
             sd(s2, s1, 0),
             kSfenceWInval,
             sinval_vma(address),
             kSfenceInvalIr,
             ld(a1, s0, 0)}
        );
        EXPECT_EQ(this->x(a0), 0x1234U);
        EXPECT_EQ(this->x(a1), 0x5678U);
    }
}

TEST_P(PageWalk, code_that_is_mapped_twice_runs_at_both_addresses) {
    map(V | R | X | A);
    put_value(kLeaves + 16, entry(kPage, V | R | X | A));
    put(kPage, {auipc(a0, 0), beq(0, 0, 8), 0, jal(a1, 8), 0, kEbreak});
    for (const std::uint64_t address : {kVirtual, kVirtual + 0x2000, kVirtual}) {
        state.pc = address;
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(x(a0), address);
        EXPECT_EQ(x(a1), address + 16);
        EXPECT_EQ(state.sepc, address + 20);
    }
}
