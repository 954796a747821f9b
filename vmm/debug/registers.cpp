// SPDX-License-Identifier: Apache-2.0
#include "debug/registers.hpp"

#include "cpu/riscv/encoding.hpp"
#include "cpu/riscv/hart.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace vmm::debug {
namespace {

using riscv::Csr;

constexpr unsigned kPc = 32;
constexpr unsigned kFirstFloat = 33;
constexpr unsigned kFirstFloatCsr = 65;

struct NamedCsr {
    std::string_view name;
    Csr csr;
};
constexpr std::array kFloatCsrs{
    NamedCsr{"fflags", Csr::fflags},
    NamedCsr{"frm", Csr::frm},
    NamedCsr{"fcsr", Csr::fcsr},
};
constexpr std::array kCsrs{
    NamedCsr{"cycle", Csr::cycle},
    NamedCsr{"time", Csr::time},
    NamedCsr{"instret", Csr::instret},
    NamedCsr{"sstatus", Csr::sstatus},
    NamedCsr{"sie", Csr::sie},
    NamedCsr{"stvec", Csr::stvec},
    NamedCsr{"scounteren", Csr::scounteren},
    NamedCsr{"senvcfg", Csr::senvcfg},
    NamedCsr{"sscratch", Csr::sscratch},
    NamedCsr{"sepc", Csr::sepc},
    NamedCsr{"scause", Csr::scause},
    NamedCsr{"stval", Csr::stval},
    NamedCsr{"sip", Csr::sip},
    NamedCsr{"stimecmp", Csr::stimecmp},
    NamedCsr{"satp", Csr::satp},
    NamedCsr{"sedeleg", Csr::sedeleg},
    NamedCsr{"sideleg", Csr::sideleg},
    NamedCsr{"ustatus", Csr::ustatus},
    NamedCsr{"uie", Csr::uie},
    NamedCsr{"utvec", Csr::utvec},
    NamedCsr{"uscratch", Csr::uscratch},
    NamedCsr{"uepc", Csr::uepc},
    NamedCsr{"ucause", Csr::ucause},
    NamedCsr{"utval", Csr::utval},
    NamedCsr{"uip", Csr::uip},
    NamedCsr{"utimecmp", Csr::utimecmp},
};
constexpr unsigned kFirstCsr = kFirstFloatCsr + kFloatCsrs.size();
constexpr unsigned kPrivilege = kFirstCsr + kCsrs.size();

constexpr std::array<std::string_view, 32> kIntegerNames{
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "fp", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
constexpr std::array<std::string_view, 32> kFloatNames{
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1",  "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4",  "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

/// The CSR file's own rules decide what a debugger reads and writes, at the highest privilege.
class CsrFile final : public riscv::TimeSource {
public:
    CsrFile(Target& target, const riscv::State& state)
        : target_(target)
        , hart_(*this, target.has_user_interrupts())
        , privilege_(state.privilege)
        , float_off_((state.sstatus & riscv::sstatus::kFs) == 0) {
        constexpr std::uint64_t kLines =
            riscv::bit(riscv::kSupervisorSoftware) | riscv::bit(riscv::kSupervisorExternal);
        hart_.state = state;
        hart_.state.privilege = riscv::Privilege::supervisor;
        hart_.state.sip &= ~kLines;
        hart_.lines.store(state.sip & kLines, std::memory_order_relaxed);
    }
    virtual ~CsrFile() = default;

    std::optional<std::uint64_t> read(Csr csr) {
        const std::uint64_t sstatus = hart_.state.sstatus;
        if (csr == Csr::fflags || csr == Csr::frm || csr == Csr::fcsr) {
            hart_.set_float_state(riscv::FloatState::dirty);  // else they hide
        }
        const auto value = hart_.read_csr(static_cast<unsigned>(csr));
        hart_.state.sstatus = sstatus;
        return value;
    }
    bool write(Csr csr, std::uint64_t value) {
        return read(csr).has_value()
               && hart_.write_csr(static_cast<unsigned>(csr), value).has_value();
    }
    riscv::State state(bool keep_float_off) const {
        riscv::State state = hart_.state;
        state.privilege = privilege_;
        state.sip |= hart_.lines.load(std::memory_order_relaxed);
        if (keep_float_off && float_off_) {
            state.sstatus &= ~riscv::sstatus::kFs;
        }
        return state;
    }
    std::uint64_t guest_time() override { return target_.guest_time(); }

private:
    Target& target_;
    riscv::Hart hart_;
    riscv::Privilege privilege_;
    bool float_off_;
};

std::optional<Csr> csr_of(unsigned number) {
    if (number >= kFirstCsr && number < kPrivilege) {
        return kCsrs[number - kFirstCsr].csr;
    }
    if (number >= kFirstFloatCsr && number < kFirstCsr) {
        return kFloatCsrs[number - kFirstFloatCsr].csr;
    }
    return std::nullopt;
}

std::string make_description() {
    std::string text = "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                       "<target version=\"1.0\">\n<architecture>riscv:rv64</architecture>\n";
    const auto add = [&text](std::string_view name, std::string_view type, unsigned number) {
        text += fmt::format(
            "<reg name=\"{}\" bitsize=\"64\" type=\"{}\" regnum=\"{}\"/>\n", name, type, number
        );
    };
    text += "<feature name=\"org.gnu.gdb.riscv.cpu\">\n";
    for (unsigned n = 0; n < 32; ++n) {
        const bool data = n == 2 || n == 3 || n == 4 || n == 8;
        add(kIntegerNames[n], n == 1 ? "code_ptr" : data ? "data_ptr" : "int", n);
    }
    add("pc", "code_ptr", kPc);
    text += "</feature>\n<feature name=\"org.gnu.gdb.riscv.fpu\">\n";
    for (unsigned n = 0; n < 32; ++n) {
        add(kFloatNames[n], "ieee_double", kFirstFloat + n);
    }
    for (unsigned n = 0; n < kFloatCsrs.size(); ++n) {
        add(kFloatCsrs[n].name, "int", kFirstFloatCsr + n);
    }
    text += "</feature>\n<feature name=\"org.gnu.gdb.riscv.csr\">\n";
    for (unsigned n = 0; n < kCsrs.size(); ++n) {
        add(kCsrs[n].name, "int", kFirstCsr + n);
    }
    text += "</feature>\n<feature name=\"org.gnu.gdb.riscv.virtual\">\n";
    add("priv", "int", kPrivilege);
    return text + "</feature>\n</target>\n";
}

}  // namespace

unsigned register_count() {
    return kPrivilege + 1;
}

const std::string& target_description() {
    static const std::string kDescription = make_description();
    return kDescription;
}

std::optional<std::uint64_t> read_register(Target& target, unsigned hart, unsigned number) {
    const riscv::State state = target.registers(hart);
    if (number < kPc) {
        return state.x[number];
    }
    if (number == kPc) {
        return state.pc;
    }
    if (number < kFirstFloatCsr) {
        return state.f[number - kFirstFloat];
    }
    if (number == kPrivilege) {
        return static_cast<std::uint64_t>(state.privilege);
    }
    const auto csr = csr_of(number);
    return csr ? CsrFile(target, state).read(*csr) : std::nullopt;
}

bool write_register(Target& target, unsigned hart, unsigned number, std::uint64_t value) {
    riscv::State state = target.registers(hart);
    if (number < kPc) {
        state.x[number] = number == 0 ? 0 : value;
    } else if (number == kPc) {
        state.pc = value & ~std::uint64_t{1};
    } else if (number < kFirstFloatCsr) {
        state.f[number - kFirstFloat] = value;
    } else if (number == kPrivilege) {
        if (value > static_cast<std::uint64_t>(riscv::Privilege::supervisor)) {
            return false;
        }
        state.privilege = static_cast<riscv::Privilege>(value);
    } else {
        const auto csr = csr_of(number);
        if (!csr) {
            return false;
        }
        CsrFile file(target, state);
        if (!file.write(*csr, value)) {
            return false;
        }
        state = file.state(*csr != Csr::sstatus);
    }
    target.set_registers(hart, state);
    return true;
}

}  // namespace vmm::debug
