// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/code_observer.hpp"
#include "machine/loader/symbols.hpp"

#include <vmm/error.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmm {

/// /tmp/perf-PID.map, where Linux `perf` looks for the names of code that no file holds: lines
/// "START SIZE NAME", numbers in hexadecimal. One for the process; later lines win.
class PerfMap {
public:
    static Result<std::shared_ptr<PerfMap>> open();
    ~PerfMap();
    PerfMap(const PerfMap&) = delete;
    PerfMap& operator=(const PerfMap&) = delete;

    /// Any thread. Complete lines only, at once: perf reads the file after the process has ended,
    /// however it did.
    void add(const void* address, std::size_t bytes, std::string_view name);

private:
    PerfMap(int file, std::string path)
        : file_(file)
        , path_(std::move(path)) {}

    std::mutex mutex_;
    const int file_;
    const std::string path_;
    bool empty_ = true;  // guarded by mutex_
};

/// Names the translated code of one guest in the process's map.
class GuestCodeNames final : public CodeObserver {
public:
    /// `symbol_files`: ELF files of what runs in the guest; others are skipped.
    GuestCodeNames(
        std::shared_ptr<PerfMap> map,
        std::string guest,
        const std::vector<std::string>& symbol_files
    );
    virtual ~GuestCodeNames() = default;

    void translated(
        const void* host_address, std::size_t bytes, std::uint64_t guest_pc, unsigned hart
    ) noexcept override;

    /// "memcpy+0x10 [web]"; "0x80001234 [web]" where no symbol is known.
    std::string name_of(std::uint64_t guest_pc) const;

private:
    std::shared_ptr<PerfMap> map_;
    const std::string guest_;
    Symbols symbols_;
};

}  // namespace vmm
