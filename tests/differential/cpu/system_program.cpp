// SPDX-License-Identifier: Apache-2.0
#include "system_program.hpp"

#include "riscv_assembler.hpp"
#include "system_kernel.hpp"

#include <array>
#include <cstring>
#include <string_view>

namespace differential::system {
namespace {

// Physical memory.
constexpr std::uint64_t kSlotCode = kRam + 0x4'0000;
constexpr std::uint64_t kWindowFrames = kRam + 0x20'0000;
constexpr std::uint64_t kExecFrames = kRam + 0x28'0000;
constexpr std::uint64_t kUserFrames = kRam + 0x2a'0000;  // user handler, its save area
constexpr std::uint64_t kLargeFrame = kRam + 0x40'0000;
constexpr unsigned kWindowPages = 64;
constexpr unsigned kExecPages = 16;

// Virtual addresses, besides those in system_kernel.hpp. The kernel's own are physical ones.
constexpr std::uint64_t kWindow = 0x2000'0000;
constexpr std::uint64_t kLarge = 0x3000'0000;
constexpr std::uint64_t kExec = 0x3800'0000;
/// The frames of kExec in order, for U-mode to read, write and execute.
constexpr std::uint64_t kExecAlias = 0x3a00'0000;
constexpr std::uint64_t kGiga = 0x1'0000'0000;
constexpr std::uint64_t kHighCode = 0xffff'ffc0'0000'0000;

constexpr std::uint64_t kV = 1, kR = 2, kW = 4, kX = 8, kU = 16, kG = 32, kA = 64, kD = 128;
constexpr unsigned kSpaces = 2;
constexpr std::uint64_t kSstatusSpie = 1 << 5, kSstatusSpp = 1 << 8, kFsShift = 13;
constexpr unsigned kSstatusSum = 18, kSstatusMxr = 19;

constexpr std::uint64_t pte(std::uint64_t address, std::uint64_t flags) {
    return address >> 12 << 10 | flags;
}

class Builder {
public:
    Builder(std::uint64_t seed, const Options& options)
        : source_(seed, options.subset)
        , options_(options) {}

    Image make() {
        image_.bytes.resize(kRamBytes);
        put_code(kShim, machine_shim());
        put_code(kKernel, kernel_code(options_.user_interrupts));
        put_code(kUserFrames, user_handler());
        make_tables();
        fill_frames();
        make_register_sets();
        std::vector<Descriptor> descriptors;
        for (unsigned n = 0; n < options_.slots; ++n) {
            descriptors.push_back(slot());
        }
        descriptors.push_back({});
        put(kDescriptors, descriptors.data(), descriptors.size() * sizeof(Descriptor));
        put(kSlotCode, source_.code.data(), source_.code.size());
        image_.slots = options_.slots;
        return std::move(image_);
    }

    Image make_foreign() {
        image_.bytes.resize(kRamBytes);
        put_code(kKernel, kernel_code(true));
        put_code(kUserFrames, user_handler());
        make_tables();
        make_register_sets();
        std::vector<Descriptor> descriptors;
        for (unsigned n = 0; n < options_.slots; ++n) {
            Descriptor next = user_descriptor();
            next.entry = kUserCode + source_.below(kForeignCodeBytes / 2) * 2;
            next.satp = satp_of(0);
            descriptors.push_back(next);
        }
        descriptors.push_back({});
        put(kDescriptors, descriptors.data(), descriptors.size() * sizeof(Descriptor));
        image_.slots = options_.slots;
        return std::move(image_);
    }

private:
    void put(std::uint64_t address, const void* from, std::size_t bytes) {
        std::memcpy(&image_.bytes[address - kRam], from, bytes);
    }
    void put_code(std::uint64_t address, const rv::Code& code) {
        put(address, code.words().data(), code.words().size() * 4);
    }
    void put_entry(std::uint64_t table, std::uint64_t index, std::uint64_t entry) {
        put(table + index * 8, &entry, sizeof entry);
    }
    std::uint64_t new_table() { return kTables + 4096 * tables_++; }

    /// Permissions of a page that random code meets.
    std::uint64_t random_flags() {
        constexpr std::array<std::uint64_t, 12> kSets = {
            kV | kR | kW | kU | kA | kD,
            kV | kR | kW | kU | kA | kD,
            kV | kR | kW | kU,
            kV | kR | kW | kU | kA,
            kV | kR | kW | kA | kD,
            kV | kR | kW,
            kV | kR | kU | kA,
            kV | kX | kU | kA,
            kV | kR | kX | kA,
            kV | kR | kW | kX | kU | kA | kD,
            kV | kW | kU | kA | kD,  // reserved
            kR | kW | kU | kA | kD,  // not valid
        };
        return source_.any_of(kSets);
    }
    std::uint64_t random_window_entry() {
        if (source_.chance(4)) {
            return pte(0x3'0000'0000, kV | kR | kW | kU | kA | kD);  // nothing is there
        }
        if (source_.chance(3)) {
            return pte(kWindowFrames, kV);  // a pointer to a table at the last level
        }
        if (source_.chance(12)) {  // code, to be read only: it has to stay harmless
            const std::uint64_t frame = kExecFrames + source_.below(kExecPages) * 4096;
            return pte(frame, random_flags() & ~(kW | kD));
        }
        return pte(kWindowFrames + source_.below(kWindowPages) * 4096, random_flags());
    }
    std::uint64_t random_exec_entry() {
        constexpr std::array<std::uint64_t, 7> kSets = {
            kV | kR | kX | kU | kA,
            kV | kX | kU,
            kV | kX | kU | kA,
            kV | kR | kX | kA,
            kV | kX,
            kV | kR | kW | kU | kA | kD,
            kR | kX | kU,
        };
        return pte(kExecFrames + source_.below(kExecPages) * 4096, source_.any_of(kSets));
    }
    std::uint64_t random_large_entry() {
        const std::uint64_t flags = random_flags();
        return pte(kLargeFrame + (source_.chance(10) ? 0x1000 : 0), flags);
    }

    void make_tables() {
        const std::uint64_t kernel = new_table();
        for (std::uint64_t n = 0; n < kRamBytes >> 21; ++n) {
            put_entry(kernel, n, pte(kRam + (n << 21), kV | kR | kW | kX | kG | kA | kD));
        }
        const std::uint64_t user_code = new_table();
        const std::uint64_t high_code = new_table();
        for (std::uint64_t n = 0; n < (kWindowFrames - kSlotCode) >> 12; ++n) {
            const std::uint64_t frame = kSlotCode + n * 4096;
            put_entry(user_code, n, pte(frame, kV | kR | kX | kU | kA));
            put_entry(high_code, n, pte(frame, kV | kR | kX | kA));
        }
        const std::uint64_t high = new_table();
        put_entry(high, 0, pte(high_code, kV));
        const std::uint64_t handler = new_table();
        put_entry(handler, 0, pte(kUserFrames, kV | kR | kX | kU | kA));
        put_entry(handler, 1, pte(kUserFrames + 4096, kV | kR | kW | kU | kA | kD));
        const std::uint64_t alias = new_table();
        for (std::uint64_t n = 0; n < kExecPages; ++n) {
            const std::uint64_t frame = kExecFrames + n * 4096;
            put_entry(alias, n, pte(frame, kV | kR | kW | kX | kU | kA | kD));
        }
        const bool giga_user = source_.chance(50);
        for (unsigned space = 0; space < kSpaces; ++space) {
            const std::uint64_t root = new_table();
            const std::uint64_t low = new_table();
            roots_[space] = root;
            lows_[space] = low;
            windows_[space] = new_table();
            small_[space] = new_table();
            execs_[space] = new_table();
            put_entry(root, 0, pte(low, kV));
            put_entry(root, kRam >> 30, pte(kernel, kV));
            put_entry(root, kGiga >> 30, pte(kRam, kV | kR | kA | (giga_user ? kU : 0)));
            put_entry(root, 256, pte(high, kV));
            put_entry(root, 7, pte(root, kV));  // a loop that ends with the levels
            if (options_.subset.unknown_to_qemu) {
                // A table where there is nothing: an access fault, not QEMU 7.2's page fault.
                put_entry(root, 8, pte(0x3'0000'0000, kV));
            }
            put_entry(low, kExecAlias >> 21, pte(alias, kV));
            put_entry(low, kUserCode >> 21, pte(user_code, kV));
            put_entry(low, kUserHandler >> 21, pte(handler, kV));
            put_entry(low, kWindow >> 21, pte(windows_[space], kV));
            put_entry(low, kExec >> 21, pte(execs_[space], kV));
            put_entry(low, kLarge >> 21, random_large_entry());
            for (unsigned n = 0; n < kWindowPages; ++n) {
                put_entry(windows_[space], n, random_window_entry());
                put_entry(small_[space], n, random_window_entry());
            }
            for (unsigned n = 0; n < kExecPages; ++n) {
                put_entry(execs_[space], n, random_exec_entry());
            }
            if (options_.foreign) {
                // Nothing that is executable may be writable too: changed code takes effect when
                // the engine likes.
                for (const std::uint64_t at : {kUserCode, kWindow, kExec, kExecAlias, kLarge}) {
                    put_entry(low, at >> 21, 0);
                }
                put_entry(low, kUserCode >> 21, pte(user_code, kV));
                put_entry(low, kWindow >> 21, pte(small_[space], kV));
                for (unsigned n = 0; n < kWindowPages; ++n) {
                    const std::uint64_t flags = random_flags() & ~kX;
                    put_entry(small_[space], n, pte(kWindowFrames + n * 4096, flags));
                }
            }
        }
        root48_ = new_table();
        put_entry(root48_, 0, pte(roots_[0], kV));
        put_entry(root48_, 511, pte(roots_[0], kV));
    }

    void fill_frames() {
        std::vector<std::uint8_t> data(kWindowPages * 4096);
        for (std::uint8_t& byte : data) {
            byte = static_cast<std::uint8_t>(source_.random());
        }
        put(kWindowFrames, data.data(), data.size());
        // Returns everywhere; some pages end in the first half of an addi, which goes on in the
        // next page.
        std::vector<std::uint16_t> code(kExecPages * 2048, 0x8082);
        for (unsigned n = 0; n < kExecPages; ++n) {
            if (source_.chance(70)) {
                code[n * 2048 + 2047] = 0x0513;
            }
        }
        put(kExecFrames, code.data(), code.size() * 2);
    }

    void make_register_sets() {
        for (unsigned n = 0; n < kRegisterSetCount; ++n) {
            RegisterSet set{};
            for (std::uint64_t& x : set.x) {
                x = source_.integer();
                if (options_.foreign && source_.chance(50)) {  // an address
                    x = kWindow + source_.below(kWindowPages * 4096);
                }
            }
            for (std::uint64_t& value : set.f) {
                value = source_.number();
            }
            set.fcsr = source_.below(5) << 5 | source_.below(32);
            put(kRegisterSets + n * sizeof set, &set, sizeof set);
        }
    }

    std::uint64_t satp_of(unsigned space) const {
        if (space == kSpaces) {
            return std::uint64_t{9} << 60 | std::uint64_t{3} << 44 | root48_ >> 12;
        }
        return std::uint64_t{8} << 60 | std::uint64_t{space + 1} << 44 | roots_[space] >> 12;
    }

    Descriptor user_descriptor() {
        Descriptor result{};
        result.registers = kRegisterSets + source_.below(kRegisterSetCount) * sizeof(RegisterSet);
        result.sstatus = source_.below(4) << kFsShift | (source_.chance(50) ? kSstatusSpie : 0)
                         | (source_.chance(50) ? 0x10 : 0);
        result.sie = source_.below(4);
        result.sideleg = source_.below(2);
        result.sedeleg = source_.random() & 0xa1f4;
        return result;
    }

    Descriptor slot() {
        Descriptor result{};
        user_ = source_.chance(55);
        space_ = static_cast<unsigned>(source_.below(kSpaces + (options_.sv48 ? 1 : 0)));
        const bool bare = !user_ && source_.chance(5);
        const std::size_t start = source_.size();
        if (bare) {
            result.entry = kSlotCode + start;
        } else if (user_) {
            result.entry = kUserCode + start;
        } else {
            result.entry = (source_.chance(50) ? kSlotCode : kHighCode) + start;
        }
        base_ = result.entry - start;
        result.satp = bare ? 0 : satp_of(space_);
        result.fence = source_.chance(5) ? 1 : 0;
        result.registers = kRegisterSets + source_.below(kRegisterSetCount) * sizeof(RegisterSet);
        constexpr std::array<std::uint64_t, 5> kFs = {0, 1, 2, 3, 3};
        result.sstatus = (user_ ? 0 : kSstatusSpp) | source_.any_of(kFs) << kFsShift
                         | source_.below(2) << kSstatusSum | source_.below(2) << kSstatusMxr
                         | (source_.chance(50) ? kSstatusSpie : 0);
        result.sie = source_.chance(50) ? 2 : 0;
        if (options_.user_interrupts) {
            result.sie |= source_.chance(50) ? 1 : 0;
            result.sideleg = source_.chance(70) ? 1 : 0;
            // Not breakpoints, which end slots, and not fetches, which nothing can be put after.
            result.sedeleg = source_.random() & 0xa1f4;
            result.sstatus |= source_.chance(50) ? 0x10 : 0;
        }
        choose_base(kBase, bare);
        choose_base(kStack, bare);
        source_.emit(rv::mv(kAddress, kBase));
        const std::size_t end = source_.instructions + 6 + source_.below(20);
        while (source_.instructions < end) {
            item(bare);
        }
        source_.emit(rv::kEbreak);
        return result;
    }

    void load(unsigned rd, std::uint64_t value) {
        rv::Code code;
        code.load(rd, value);
        source_.emit(code);
    }

    /// Where the slot's loads and stores go.
    void choose_base(unsigned rd, bool bare) {
        const unsigned kind = static_cast<unsigned>(source_.below(100));
        const std::uint64_t offset = source_.below(32) * 128;
        if (bare || kind < 4) {
            load(rd, kWindowFrames + 8192 + source_.below(32) * 4096 + offset);
        } else if (kind < 78) {
            source_.load_address(rd, kWindow + source_.below(kWindowPages) * 4096 + offset);
        } else if (kind < 88) {
            source_.load_address(rd, kLarge + source_.below(512) * 4096 + offset);
        } else if (kind < 94) {
            load(rd, kGiga + kWindowFrames - kRam + source_.below(kWindowPages) * 4096 + offset);
        } else if (kind < 96) {
            load(rd, kGiga + kRamBytes);  // the end of RAM
        } else {
            constexpr std::array<std::uint64_t, 6> kOdd = {
                0x0000'0040'0000'0000,  // not canonical in Sv39
                0xffff'ffff'ffff'f000,
                0x0000'0001'c000'0000,  // the looping table
                0x0000'0002'0000'0000,  // the table that is nowhere
                0x0000'8000'0000'0000,  // not canonical in Sv48
                0x0000'0000'0000'0800,
            };
            load(rd, source_.any_of(kOdd));
        }
    }

    void item(bool bare) {
        const unsigned kind = static_cast<unsigned>(source_.below(100));
        if (kind < 50) {
            source_.one();
        } else if (kind < 60) {
            source_.control();
        } else if (kind < 66) {
            raise();
        } else if (kind < 74) {
            misaligned_or_straddling();
        } else if (kind < 82) {
            if (!bare) {
                execute_elsewhere();
            }
        } else if (user_) {
            user_control();
        } else {
            supervisor_control(bare);
        }
    }

    /// One instruction that traps by itself.
    void raise() {
        constexpr std::array<rv::Word, 9> kWords = {
            0x00000000,   // two illegal halves
            0x0000707b,   // an unused major opcode
            0x30200073,   // mret
            0x00200073,   // uret, for which nothing is delegated
            0x3000'2573,  // csrr a0, mstatus
            0xf140'2573,  // csrr a0, mhartid
            0x5c00'1573,  // csrrw a0, 0x5c0
            0xc000'1073,  // csrw cycle, x0: read-only
            0x0200'5053,  // fadd.s with rounding mode 5
        };
        const rv::Word word = source_.any_of(kWords);
        if (word == 0x00200073 && options_.user_interrupts) {
            return;
        }
        if (word == 0) {
            source_.emit_half(0);
        } else {
            source_.emit(word);
        }
        if (user_ && source_.chance(30)) {
            constexpr std::array<rv::Word, 4> kUserOnly = {
                rv::kEcall, rv::kSret, rv::sfence_vma(), 0x1000'2573 /* csrr a0, sstatus */
            };
            source_.emit(source_.any_of(kUserOnly));
        }
    }

    void misaligned_or_straddling() {
        constexpr std::array<std::string_view, 14> kNames = {
            "ld",
            "sd",
            "lw",
            "sw",
            "lhu",
            "sh",
            "fld",
            "fsd",
            "flw",
            "fsw",
            "amoadd.d",
            "amoswap.w",
            "lr.d",
            "lr.w",
        };
        const std::string_view name = source_.any_of(kNames);
        for (const auto& info : vmm::riscv::instruction_table()) {
            if (info.mnemonic != name) {
                continue;
            }
            // To the end of the page, and a few bytes back.
            source_.emit(rv::i(0x13, 6, kAddress, kBase, 0x7ff));
            source_.emit(rv::addi(kAddress, kAddress, 2041 - static_cast<int>(source_.below(16))));
            const unsigned value = static_cast<unsigned>(8 + source_.below(8));
            const bool store = (info.match & 0x7f) == 0x23 || (info.match & 0x7f) == 0x27;
            const bool atomic = (info.match & 0x7f) == 0x2f;
            const bool reserve = name.starts_with("lr");
            source_.emit(
                store    ? info.match | rv::s(0, 0, kAddress, value, 0)
                : atomic ? info.match | rv::amo(0, 0, value, kAddress, reserve ? 0 : value)
                         : info.match | rv::i(0, 0, value, kAddress, 0)
            );
        }
    }

    /// Calls code on the pages of random permissions.
    void execute_elsewhere() {
        const std::uint64_t page = source_.below(kExecPages);
        const std::uint64_t offset = source_.chance(60) ? 4094 : source_.below(2048) * 2;
        source_.emit(rv::kFenceI);  // stores may have gone there
        source_.load_address(kAddress, kExec + page * 4096 + offset);
        source_.emit(rv::jalr(rv::ra, kAddress, 0));
    }

    void user_control() {
        if (source_.chance(40)) {
            change_code();
            return;
        }
        if (!options_.user_interrupts) {
            source_.emit(rv::kWfi);  // illegal
            return;
        }
        switch (source_.below(5)) {
        case 0:
            source_.emit(rv::csrrsi(0, 0x044, 1));  // uip.USIP
            break;
        case 1:
            source_.emit(rv::csrrsi(0, 0x000, 1));  // ustatus.UIE
            break;
        case 2:
            source_.emit(rv::csrrci(0, 0x000, 1));
            break;
        case 3:
            source_.emit(rv::csrr(source_.any_x(), 0x041 + static_cast<unsigned>(source_.below(3)))
            );
            break;
        default:
            source_.emit(rv::csrrci(0, 0x044, 1));
            break;
        }
    }

    // QEMU is later than engines to call FS dirty: where it is asked too, nothing may depend on
    // that. FS becomes off or dirty, and sstatus is not read.
    unsigned status_target() { return options_.subset.unknown_to_qemu ? source_.any_x() : 0; }
    std::int64_t status_bits() {
        constexpr std::uint64_t kFs = 6;
        const std::uint64_t bits = source_.below(256);
        const std::uint64_t both = (bits & kFs) != 0 ? bits | kFs : bits;
        return static_cast<std::int64_t>(options_.subset.unknown_to_qemu ? bits : both);
    }

    void supervisor_control(bool bare) {
        constexpr unsigned kSstatus = 0x100, kSie = 0x104, kSepc = 0x141, kSip = 0x144;
        switch (source_.below(9)) {
        case 0:  // SUM, MXR, FS
            source_.emit(rv::lui(kAddress, status_bits()));
            source_.emit(
                source_.chance(50) ? rv::csrrs(status_target(), kSstatus, kAddress)
                                   : rv::csrrc(status_target(), kSstatus, kAddress)
            );
            source_.emit(rv::mv(kAddress, kBase));
            break;
        case 1:  // SIE
            source_.emit(
                source_.chance(50) ? rv::csrrsi(status_target(), kSstatus, 2)
                                   : rv::csrrci(status_target(), kSstatus, 2)
            );
            break;
        case 2:
            source_.emit(
                source_.chance(70) ? rv::csrrsi(source_.any_x(), kSip, 2)
                                   : rv::csrrci(source_.any_x(), kSip, 2)
            );
            break;
        case 3:
            source_.emit(source_.chance(70) ? rv::csrrsi(0, kSie, 2) : rv::csrrci(0, kSie, 2));
            break;
        case 4:  // a wait that does not have to
            source_.emit({rv::csrrci(0, kSstatus, 2), rv::csrrsi(0, kSip, 2)});
            source_.emit({rv::csrrsi(0, kSie, 2), rv::kWfi, rv::csrrci(0, kSip, 2)});
            break;
        case 5: {  // sret, to either mode
            const bool to_user = source_.chance(50) && !bare;
            const std::uint64_t base = to_user ? kUserCode : base_;
            load(kScratch, 0x100);
            source_.emit(
                to_user ? rv::csrrc(0, kSstatus, kScratch) : rv::csrrs(0, kSstatus, kScratch)
            );
            constexpr std::size_t kAhead = 4 * 13;  // load, csrw, sret
            load(kScratch, base + source_.size() + kAhead);
            source_.emit({rv::csrw(kSepc, kScratch), rv::kSret});
            base_ = base;
            user_ = to_user;
            break;
        }
        case 6:
            change_code();
            break;
        default:
            if (!bare) {
                change_tables();
            }
            break;
        }
    }

    /// Writes instructions and runs them, a few rounds.
    void change_code() {
        // addi a0, a0, n; c.jr ra
        const std::uint64_t where = (user_ ? kExecAlias : kExecFrames)
                                    + source_.below(kExecPages) * 4096 + source_.below(2000) * 2;
        load(kAddress, where);
        source_.emit(rv::li(kCounter, 1 + static_cast<std::int64_t>(source_.below(5))));
        source_.load_address(kScratch, 0x00050513);
        const std::size_t start = source_.size();
        source_.emit(rv::lui(rv::a1, 0x100));
        source_.emit(rv::add(kScratch, kScratch, rv::a1));
        source_.emit({rv::sh(kScratch, kAddress, 0), rv::srli(rv::a1, kScratch, 16)});
        source_.emit({rv::sh(rv::a1, kAddress, 2), rv::kFenceI});
        source_.emit(rv::jalr(rv::ra, kAddress, 0));
        source_.emit(rv::addi(kCounter, kCounter, -1));
        const auto back =
            static_cast<std::int64_t>(start) - static_cast<std::int64_t>(source_.size());
        source_.emit(rv::bne(kCounter, 0, back));
    }

    /// Another entry for a page of some space, and the fence for it.
    void change_tables() {
        const unsigned space = static_cast<unsigned>(source_.below(kSpaces));
        std::uint64_t entry = 0;
        std::uint64_t at = 0;
        std::uint64_t page = 0;
        bool leaf_only = true;
        const unsigned kind = static_cast<unsigned>(source_.below(10));
        if (kind < 6) {
            const std::uint64_t n = source_.below(kWindowPages);
            at = windows_[space] + n * 8;
            entry = random_window_entry();
            page = kWindow + n * 4096;
            leaf_only = (entry & (kR | kX)) != 0;
        } else if (kind < 8) {
            const std::uint64_t n = source_.below(kExecPages);
            at = execs_[space] + n * 8;
            entry = random_exec_entry();
            page = kExec + n * 4096;
        } else {
            // A superpage, or a table in its place.
            at = lows_[space] + (kLarge >> 21) * 8;
            const bool table = source_.chance(30);
            entry = table ? pte(small_[space], kV) : random_large_entry();
            page = kLarge + source_.below(512) * 4096;
            leaf_only = false;
        }
        load(kAddress, at);
        load(kScratch, entry);
        source_.emit(rv::sd(kScratch, kAddress, 0));
        load(kAddress, page);
        fence(space, leaf_only);
        source_.emit(rv::mv(kAddress, kBase));
        if (kind < 6 && source_.chance(70)) {
            source_.emit(rv::mv(kBase, kAddress));
            source_.load_address(kBase, page + source_.below(32) * 128);
        }
    }

    /// For the page at kAddress, or for more. Sv48 shares tables with the first space.
    void fence(unsigned space, bool leaf_only) {
        const bool shared = space == 0 && options_.sv48;
        const unsigned address = leaf_only && source_.chance(60) ? kAddress : 0;
        if (source_.chance(50)) {
            source_.emit(rv::sfence_vma(address, 0));
            return;
        }
        source_.emit(rv::li(kScratch, space + 1));
        source_.emit(rv::sfence_vma(address, kScratch));
        if (shared) {
            source_.emit(rv::li(kScratch, 3));
            source_.emit(rv::sfence_vma(address, kScratch));
        }
    }

    InstructionSource source_;
    Options options_;
    Image image_;
    std::uint64_t tables_ = 0;
    std::array<std::uint64_t, kSpaces> roots_{}, lows_{}, windows_{}, small_{}, execs_{};
    std::uint64_t root48_ = 0;
    // Of the slot under construction.
    bool user_ = false;
    unsigned space_ = 0;
    std::uint64_t base_ = 0;
};

}  // namespace

Image make_image(std::uint64_t seed, const Options& options) {
    return Builder(seed, options).make();
}

Image make_user_image(std::uint64_t seed, unsigned slots) {
    Options options;
    options.slots = slots;
    options.user_interrupts = true;
    options.foreign = true;
    return Builder(seed, options).make_foreign();
}

}  // namespace differential::system
