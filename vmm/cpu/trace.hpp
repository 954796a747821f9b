// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <vmm/error.hpp>

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace vmm {

/// The file that the harts of one machine write their instructions to (docs/debugging.md has the
/// format). Lines of different harts come whole and in the order in which they were written.
class TraceLog {
public:
    /// Replaces the file.
    static Result<std::shared_ptr<TraceLog>> open(const std::string& path);
    ~TraceLog();
    TraceLog(const TraceLog&) = delete;
    TraceLog& operator=(const TraceLog&) = delete;

    /// Any thread.
    void write(std::string_view line);
    /// Writes out what is buffered. An error tells of every write so far.
    Result<void> flush();

private:
    TraceLog(std::FILE* file, std::string path)
        : file_(file)
        , path_(std::move(path)) {}

    std::mutex mutex_;  // guards file_
    std::FILE* file_;
    const std::string path_;
};

/// A vCPU that executes `vcpu` one instruction at a time and writes each into `log`. `vcpu` needs
/// VcpuDebug; what it executes, counts and answers is unchanged, only slower. `memory` is the
/// guest's, for the bytes of instructions.
std::unique_ptr<Vcpu> make_traced_vcpu(
    std::unique_ptr<Vcpu> vcpu,
    const GuestMemory& memory,
    unsigned hart,
    std::shared_ptr<TraceLog> log
);

}  // namespace vmm
