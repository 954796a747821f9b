// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/csr.hpp"
#include "base/atomic.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "fs/initrd.hpp"
#include "mm/user_memory.hpp"
#include "proc/elf.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "proc/vdso.hpp"

#include <elf.h>

#include <algorithm>

namespace kernel {

namespace {

constexpr UserAddr kStackTop = 0x3fd0000000;
constexpr std::uint64_t kStackBytes = 8 << 20;
constexpr std::uint64_t kHardwareCapabilities =
    1u << ('i' - 'a') | 1u << ('m' - 'a') | 1u << ('a' - 'a') | 1u << ('c' - 'a');
constexpr std::uint64_t kFloatCapabilities = 1u << ('f' - 'a') | 1u << ('d' - 'a');

/// Builds the first stack downwards.
class StackBuilder {
public:
    explicit StackBuilder(AddressSpace& space)
        : space_(space) {}

    UserAddr push(const void* bytes, std::size_t size, std::size_t alignment) {
        at_ = (at_ - size) & ~(std::uint64_t{alignment} - 1);
        good_ = good_ && space_.write(at_, bytes, size);
        return at_;
    }
    UserAddr at() const { return at_; }
    bool good() const { return good_; }
    /// Makes the words pushed next end on a 16-byte border.
    void align_for(std::size_t words) {
        at_ &= ~std::uint64_t{15};
        at_ -= words % 2 * 8;
    }
    void push_word(std::uint64_t word) { push(&word, sizeof word, 8); }

private:
    AddressSpace& space_;
    UserAddr at_ = kStackTop;
    bool good_ = true;
};

// Addresses of the strings of a block that begins at `start`, last one first.
void push_pointers(StackBuilder& stack, const Strings& strings, UserAddr start) {
    stack.push_word(0);
    std::size_t end = strings.bytes;
    for (unsigned n = strings.count; n > 0; --n) {
        std::size_t begin = end - 1;
        while (begin > 0 && strings.text[begin - 1] != 0) {
            --begin;
        }
        stack.push_word(start + begin);
        end = begin;
    }
}

Result<void> build_stack(
    Thread& thread,
    const LoadedProgram& program,
    UserAddr vdso,
    std::string_view path,
    const Strings& arguments,
    const Strings& environment
) {
    Area area;
    area.start = kStackTop - kStackBytes;
    area.end = kStackTop;
    area.rights = kRead | kWrite;
    if (Result<void> result = thread.process.space.map(area); !result) {
        return result;
    }
    StackBuilder stack(thread.process.space);
    std::byte seed[16];
    random::fill(seed);
    char name[256] = {};
    __builtin_memcpy(name, path.data(), std::min(path.size(), sizeof name - 1));
    const UserAddr seed_at = stack.push(seed, sizeof seed, 16);
    const UserAddr name_at = stack.push(name, std::min(path.size(), sizeof name - 1) + 1, 1);
    const UserAddr environment_at = stack.push(environment.text, environment.bytes, 1);
    const UserAddr arguments_at = stack.push(arguments.text, arguments.bytes, 1);
    const std::uint64_t capabilities =
        kHardwareCapabilities | (cpu_features.floating_point ? kFloatCapabilities : 0);
    const std::uint64_t vector[][2] = {
        {AT_NULL, 0},
        {AT_EXECFN, name_at},
        {AT_SYSINFO_EHDR, vdso},
        {AT_RANDOM, seed_at},
        {AT_SECURE, 0},
        {AT_EGID, 0},
        {AT_GID, 0},
        {AT_EUID, 0},
        {AT_UID, 0},
        {AT_CLKTCK, 100},
        {AT_ENTRY, program.entry},
        {AT_BASE, 0},
        {AT_PHNUM, program.header_count},
        {AT_PHENT, program.header_bytes},
        {AT_PHDR, program.headers},
        {AT_PAGESZ, kPageSize},
        {AT_HWCAP, capabilities},
    };
    stack.align_for(2 * std::size(vector) + arguments.count + environment.count + 3);
    for (const auto& pair : vector) {
        stack.push_word(pair[1]);
        stack.push_word(pair[0]);
    }
    push_pointers(stack, environment, environment_at);
    push_pointers(stack, arguments, arguments_at);
    stack.push_word(arguments.count);
    if (!stack.good()) {
        return std::unexpected(Errno::no_memory);
    }
    thread.frame.reg(2) = stack.at();
    return {};
}

Result<void> open_console(Process& process) {
    for (int i = 0; i < 3; ++i) {
        File* const file = make_file(File::Kind::console, 2);
        if (file == nullptr) {
            return std::unexpected(Errno::no_memory);
        }
        if (Result<int> added = process.files.add(file, false); !added) {
            release_file(file);
            return std::unexpected(added.error());
        }
    }
    return {};
}

Result<void> set_up(
    Thread& thread,
    std::string_view path,
    std::span<const std::byte> file,
    const Strings& arguments,
    const Strings& environment
) {
    Process& process = thread.process;
    if (Result<void> result = process.space.init(process.index + 1); !result) {
        return result;
    }
    Result<LoadedProgram> program = load_program(process.space, file);
    if (!program) {
        return std::unexpected(program.error());
    }
    process.space.set_break_start(program->end);
    const Result<UserAddr> vdso = map_vdso(process.space);
    if (!vdso) {
        return std::unexpected(vdso.error());
    }
    if (Result<void> result = build_stack(thread, *program, *vdso, path, arguments, environment);
        !result) {
        return result;
    }
    thread.frame.pc = program->entry;
    thread.frame.status = csr::kPreviousInterruptEnable | csr::kUserXlen64;
    return open_console(process);
}

void set_name(Process& process, std::string_view name) {
    const std::size_t slash = name.rfind('/');
    name = slash == std::string_view::npos ? name : name.substr(slash + 1);
    const std::size_t length = std::min(name.size(), sizeof process.name - 1);
    __builtin_memcpy(process.name, name.data(), length);
    process.name[length] = 0;
}

// What was begun of a process that does not start.
void give_up(Process& process, Thread* thread) {
    process.files.clear();
    process.space.clear();
    if (thread != nullptr) {
        store_relaxed(thread->state, ThreadState::ended);
        leave_harts(process);
        process.live_threads = 0;
    }
    forget_process(process);
}

}  // namespace

Result<std::int32_t> start_process(
    std::string_view path,
    const Strings& arguments,
    const Strings& environment,
    std::int32_t parent,
    const Limits& limits,
    Cpu& home
) {
    const InitrdEntry* const entry = initrd::find(path);
    if (entry == nullptr) {
        return std::unexpected(Errno::no_entry);
    }
    if (entry->is_directory()) {
        return std::unexpected(Errno::access);
    }
    Process* const process = claim_process();
    if (process == nullptr) {
        return std::unexpected(Errno::again);
    }
    process->home = &home;
    process->parent = parent;
    process->limits = limits;
    allocate_harts(*process, 1);
    set_name(*process, arguments.count != 0 ? std::string_view(arguments.text) : path);
    Thread* const thread = claim_thread(*process, home);
    Result<void> result = std::unexpected(Errno::no_memory);
    if (thread != nullptr) {
        thread->tid = process->pid;
        result = set_up(*thread, path, entry->data, arguments, environment);
    }
    if (!result) {
        give_up(*process, thread);
        return std::unexpected(result.error());
    }
    const std::int32_t pid = process->pid;
    // Together: from then on it can be killed, and be over.
    const Guard guard(process->lock);
    process->state = ProcessState::alive;
    start(*thread);
    return pid;
}

}  // namespace kernel
