// SPDX-License-Identifier: Apache-2.0
#include "running_command.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace command {

RunningCommand::RunningCommand(const Words& words, std::string output)
    : output_(std::move(output)) {
    const Words all = cops(words);
    std::vector<char*> argv;
    for (const std::string& word : all) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    // Here rather than in the child: what was there before is gone when this returns.
    const int fd = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT_GE(fd, 0) << output_;
    child_ = ::fork();
    if (child_ == 0) {
        const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::dup2(null, 0);
        ::dup2(fd, 1);
        ::dup2(fd, 2);
        ::execv(argv[0], argv.data());
        ::_exit(125);
    }
    ::close(fd);
}

RunningCommand::~RunningCommand() {
    if (child_ > 0) {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
}

int RunningCommand::wait() {
    constexpr int kHangs = -1000;
    int status = 0;
    if (!eventually([&] { return ::waitpid(child_, &status, WNOHANG) != 0; })) {
        ADD_FAILURE() << "the command hangs";
        return kHangs;
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace command
