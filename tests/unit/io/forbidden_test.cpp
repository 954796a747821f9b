// SPDX-License-Identifier: Apache-2.0
#include "io/engine.hpp"

#include <gtest/gtest.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>

namespace vmm::io {
namespace {

/// From here on io_uring_setup() fails with `error` in this process.
bool forbid_io_uring(int error) {
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{
        .len = sizeof program / sizeof program[0],
        .filter = const_cast<sock_filter*>(program),
    };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
           && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Makes an engine in a child where io_uring is forbidden; gives the error's sentence.
std::string create_forbidden(int error) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        std::string said = "seccomp could not be set up";
        if (forbid_io_uring(error)) {
            const auto engine = Engine::create();
            said = engine ? "an engine"
                          : std::to_string(static_cast<int>(engine.error().kind)) + " "
                                + engine.error().message;
        }
        const auto put = ::write(ends[1], said.data(), said.size());
        ::_exit(put < 0 ? 1 : 0);
    }
    ::close(ends[1]);
    std::string said;
    char bytes[256];
    for (ssize_t got = 0; (got = ::read(ends[0], bytes, sizeof bytes)) > 0;) {
        said.append(bytes, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return said;
}

TEST(IoUringForbidden, eperm_is_unavailable_and_names_what_forbids_it) {
    const std::string said = create_forbidden(EPERM);
    EXPECT_TRUE(said.starts_with("4 io_uring is not available")) << said;
    EXPECT_TRUE(
        said.find("seccomp") != std::string::npos
        || said.find("kernel.io_uring_disabled") != std::string::npos
    ) << said;
}

TEST(IoUringForbidden, enosys_is_unavailable) {
    const std::string said = create_forbidden(ENOSYS);
    EXPECT_TRUE(said.starts_with("4 io_uring is not available")) << said;
}

TEST(IoUringForbidden, locked_memory_is_named) {
    EXPECT_NE(describe_setup_error(ENOMEM).message.find("ulimit -l"), std::string::npos);
    EXPECT_EQ(describe_setup_error(ENOMEM).kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace vmm::io
