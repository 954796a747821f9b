// SPDX-License-Identifier: Apache-2.0
// test-executor [--store] FILE: the executor is the kernel's image, the same for all processes, and
// nothing a process does changes it. --store tries with a plain store, which must end the process.
#include "check.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

extern "C" const void* cops_entry_run;  // where libcops found cops_executor_run()

namespace {

constexpr std::size_t kPage = 4096;

cops::Task<> count(int& ran) {
    co_await cops::yield();
    ++ran;
}

std::size_t image_bytes(const std::byte* image) {
    Elf64_Ehdr header;
    std::memcpy(&header, image, sizeof header);
    check(std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0, "AT_SYSINFO_EHDR names an ELF image");
    Elf64_Phdr segment;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        std::memcpy(&segment, image + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD) {
            check(segment.p_flags == (PF_R | PF_X), "its segment is read-execute");
            return segment.p_memsz;
        }
    }
    return 0;
}

void refuse_changes(std::byte* image, const char* path) {
    check(::mprotect(image, kPage, PROT_READ | PROT_WRITE) == -1, "not to be made writable");
    check(errno == EACCES, "EACCES");
    check(::munmap(image, kPage) == -1 && errno == EINVAL, "not to be unmapped");
    void* over = ::mmap(
        image, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0
    );
    check(over == MAP_FAILED, "not to be mapped over");
    const int fd = ::open(path, O_RDONLY);
    check(fd >= 0, "open");
    check(::read(fd, image, 16) == -1 && errno == EFAULT, "not a buffer for the kernel");
    ::close(fd);
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    check(argc >= 2, "usage: test-executor [--store] FILE");
    auto* image = reinterpret_cast<std::byte*>(::getauxval(AT_SYSINFO_EHDR));
    check(image != nullptr, "AT_SYSINFO_EHDR");
    const auto* run = static_cast<const std::byte*>(cops_entry_run);
    check(run > image && run < image + image_bytes(image), "calls go to the image");
    refuse_changes(image, argv[argc - 1]);
    if (std::string_view(argv[1]) == "--store") {
        std::puts("storing");
        std::fflush(stdout);
        *static_cast<volatile std::byte*>(image) = std::byte{0};
    }
    int ran = 0;
    cops::TaskId tasks[3];
    for (cops::TaskId& task : tasks) {
        task = cops::spawn(count(ran), 5);
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(ran == 3, "and they work");
    std::printf(
        "executor abi=%u built_for=%u context_bytes=%u built_with=%zu\n",
        cops_executor_abi(),
        unsigned{COPS_EXECUTOR_ABI},
        cops_executor_size(COPS_SIZE_CONTEXT),
        sizeof(cops_executor_context)
    );
    co_return 0;
}
