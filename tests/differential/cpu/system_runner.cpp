// SPDX-License-Identifier: Apache-2.0
#include "system_runner.hpp"

#include "process.hpp"
#include "riscv_assembler.hpp"

#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

namespace differential::system {
namespace {

std::uint64_t word_at(std::span<const std::uint8_t> ram, std::uint64_t address) {
    std::uint64_t value = 0;
    std::memcpy(&value, &ram[address - kRam], sizeof value);
    return value;
}

std::string name_of(std::size_t word) {
    constexpr std::array<const char*, 8> kNames = {
        "fcsr", "sepc", "stval", "sstatus", "sip", "satp", "next slot", "budget"
    };
    if (word == kCause) {
        return "cause";
    }
    if (word < kF) {
        return "x" + std::to_string(word);
    }
    if (word < kFcsrWord) {
        return "f" + std::to_string(word - kF);
    }
    return word - kFcsrWord < kNames.size() ? kNames[word - kFcsrWord] : "padding";
}

/// Takes out of a log what the specification leaves open: stval of a breakpoint is 0 or the pc;
/// FS may be dirty without need; of a misaligned access where nothing is, any byte may be named,
/// and QEMU calls that of an amo a load.
void forgive(std::span<std::uint8_t> ram) {
    constexpr std::uint64_t kBreakpoint = 3, kLoadAccess = 5, kStoreAccess = 7;
    constexpr std::uint64_t kFs = 3 << 13, kFsClean = 2 << 13, kSd = std::uint64_t{1} << 63;
    const std::uint64_t end = word_at(ram, kFinished);
    for (std::uint64_t entry = kLog; entry < end; entry += kEntryWords * 8) {
        std::uint8_t* stval = &ram[entry + kStvalWord * 8 - kRam];
        if (word_at(ram, entry) == kBreakpoint) {
            std::memset(stval, 0, 8);
        } else if (word_at(ram, entry) == kLoadAccess || word_at(ram, entry) == kStoreAccess) {
            *stval &= 0xf8;
            ram[entry - kRam] = kLoadAccess;
        }
        std::uint64_t status = word_at(ram, entry + kSstatusWord * 8) & ~kSd;
        if ((status & kFs) != 0) {
            status = (status & ~kFs) | kFsClean;
        }
        std::memcpy(&ram[entry + kSstatusWord * 8 - kRam], &status, sizeof status);
    }
}

}  // namespace

Runner::Runner(const std::string& engine, const Image& image, bool user_interrupts)
    : memory_(std::move(vmm::GuestMemory::create(vmm::GuestPhys{kRam}, kRamBytes).value()))
    , vcpu_(std::move(
          test_support::make_vcpu(engine, *memory_, host_, 0, {.user_interrupts = user_interrupts})
              .value()
      )) {
    std::memcpy(
        memory_->writable_range(vmm::GuestPhys{kRam}, kRamBytes), image.bytes.data(), kRamBytes
    );
    vmm::riscv::State state;
    state.pc = kKernel;
    vcpu_->load(state);
}

bool Runner::run() {
    return vcpu_->run({.deadline = ~vmm::Nanos{0}}) == vmm::ExitKind::ended;
}

std::span<const std::uint8_t> Runner::ram() const {
    const std::byte* bytes = memory_->readable_range(vmm::GuestPhys{kRam}, kRamBytes);
    return {reinterpret_cast<const std::uint8_t*>(bytes), kRamBytes};
}

std::vector<std::uint8_t>
run_on_qemu(const Image& image, const std::filesystem::path& file, std::string& error) {
    test_support::write_file(
        file, std::string(reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size())
    );
    const std::string bytes = std::to_string(kRamBytes >> 20) + "M";
    const auto qemu = test_support::run_process(
        {"qemu-system-riscv64",
         "-M",
         "virt,memory-backend=ram",
         "-object",
         "memory-backend-file,id=ram,share=on,size=" + bytes + ",mem-path=" + file.string(),
         "-m",
         bytes,
         "-cpu",
         "rv64,zba=true,zbb=true,zbs=true",
         "-smp",
         "2",
         "-bios",
         "none",
         "-display",
         "none",
         "-serial",
         "none",
         "-monitor",
         "none"},
        {.timeout = std::chrono::seconds{60}}
    );
    std::ifstream input(file, std::ios::binary);
    std::vector<std::uint8_t> ram(kRamBytes);
    input.read(reinterpret_cast<char*>(ram.data()), static_cast<std::streamsize>(ram.size()));
    if (qemu.exit_code != 0 || word_at(ram, kFinished) == 0 || word_at(ram, kFinished + 8) != 0) {
        std::ostringstream text;
        text << "qemu exit code " << qemu.exit_code << (qemu.timed_out ? " (hung)" : "") << " "
             << qemu.err << " log end " << std::hex << word_at(ram, kFinished) << " mcause "
             << word_at(ram, kFinished + 8) << " mepc " << word_at(ram, kFinished + 16) << " mtval "
             << word_at(ram, kFinished + 24);
        error = text.str();
        return {};
    }
    return ram;
}

std::size_t log_entries(std::span<const std::uint8_t> ram) {
    const std::uint64_t end = word_at(ram, kFinished);
    return end < kLog ? 0 : (end - kLog) / (kEntryWords * 8);
}

std::string difference(
    std::span<const std::uint8_t> ours, std::span<const std::uint8_t> theirs, const std::string& who
) {
    std::ostringstream text;
    // The log first: it says best where things went apart.
    constexpr std::uint64_t kEntryBytes = kEntryWords * 8;
    for (std::uint64_t entry = kLog; entry + kEntryBytes <= kLogEnd; entry += kEntryBytes) {
        if (std::memcmp(&ours[entry - kRam], &theirs[entry - kRam], kEntryBytes) == 0) {
            continue;
        }
        text << "log entry " << (entry - kLog) / kEntryBytes << std::hex << " (cause "
             << word_at(ours, entry) << " sepc " << word_at(ours, entry + kSepcWord * 8) << "):";
        for (std::size_t n = 0; n < kEntryWords; ++n) {
            const std::uint64_t a = word_at(ours, entry + n * 8);
            const std::uint64_t b = word_at(theirs, entry + n * 8);
            if (a != b) {
                text << " " << name_of(n) << " " << a << " " << who << " " << b;
            }
        }
        return text.str();
    }
    for (std::uint64_t at = kCompared; at < kLogEnd; at += 8) {
        const std::uint64_t a = word_at(ours, at);
        const std::uint64_t b = word_at(theirs, at);
        if (a != b) {
            text << "memory at " << std::hex << at << ": " << a << " " << who << " " << b;
            return text.str();
        }
    }
    return "";
}

std::string
qemu_difference(std::span<const std::uint8_t> ours, std::span<const std::uint8_t> qemu) {
    std::vector<std::uint8_t> a(ours.begin(), ours.end());
    std::vector<std::uint8_t> b(qemu.begin(), qemu.end());
    forgive(a);
    forgive(b);
    return difference(a, b, "qemu");
}

std::string difference(const vmm::riscv::State& ours, const vmm::riscv::State& theirs) {
    std::ostringstream text;
    text << std::hex;
    const auto differ = [&](const std::string& name, std::uint64_t a, std::uint64_t b) {
        if (a != b) {
            text << " " << name << " " << a << " / " << b;
        }
    };
    for (unsigned n = 0; n < 32; ++n) {
        differ("x" + std::to_string(n), ours.x[n], theirs.x[n]);
        differ("f" + std::to_string(n), ours.f[n], theirs.f[n]);
    }
    using State = vmm::riscv::State;
    struct Field {
        const char* name;
        std::uint64_t State::* field;
    };
    for (const Field f :
         {Field{"pc", &State::pc},
          Field{"fcsr", &State::fcsr},
          Field{"sstatus", &State::sstatus},
          Field{"sie", &State::sie},
          Field{"sip", &State::sip},
          Field{"stvec", &State::stvec},
          Field{"sscratch", &State::sscratch},
          Field{"sepc", &State::sepc},
          Field{"scause", &State::scause},
          Field{"stval", &State::stval},
          Field{"satp", &State::satp},
          Field{"instret", &State::instret},
          Field{"utvec", &State::utvec},
          Field{"uscratch", &State::uscratch},
          Field{"uepc", &State::uepc},
          Field{"ucause", &State::ucause},
          Field{"utval", &State::utval},
          Field{"sedeleg", &State::sedeleg},
          Field{"sideleg", &State::sideleg}}) {
        differ(f.name, ours.*f.field, theirs.*f.field);
    }
    differ(
        "privilege",
        static_cast<std::uint64_t>(ours.privilege),
        static_cast<std::uint64_t>(theirs.privilege)
    );
    return text.str();
}

bool engines_have_sv48() {
    for (const std::string& engine : test_support::test_engines()) {
        // An unsupported mode leaves satp as it is; with a supported one, all is at its place.
        rv::Code code;
        code.load(rv::t0, std::uint64_t{9} << 60 | kTables >> 12);
        code << rv::csrw(0x180, rv::t0) << rv::kEcall;
        Image image;
        image.bytes.resize(kRamBytes);
        image.bytes[kTables - kRam] = 0xcf;  // 512 GiB at 0, for S-mode, all allowed
        std::memcpy(
            &image.bytes[kKernel - kRam],
            code.words().data(),
            code.words().size() * sizeof(rv::Word)
        );
        Runner runner(engine, image, false);
        runner.run();
        if (runner.vcpu().save().satp >> 60 != 9) {
            return false;
        }
    }
    return true;
}

}  // namespace differential::system
