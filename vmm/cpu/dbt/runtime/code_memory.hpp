// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmm::dbt {

/// Memory for generated code, mapped twice: where it runs it cannot be written, where it is written
/// it cannot run (W^X). Behind the executable mapping lies plain memory for what the code counts,
/// near enough for addresses relative to the instruction pointer.
class CodeMemory {
public:
    /// Room for `bytes` of code and `data_bytes` of data, both rounded up to pages.
    CodeMemory(std::size_t bytes, std::size_t data_bytes);
    ~CodeMemory();
    CodeMemory(const CodeMemory&) = delete;
    CodeMemory& operator=(const CodeMemory&) = delete;

    /// False: the host gave no memory; nothing else may be called.
    bool ok() const { return writable_ != nullptr; }
    std::size_t capacity() const { return bytes_; }
    std::size_t data_capacity() const { return data_bytes_; }

    /// Where the byte at `offset` runs, and where it is written.
    std::byte* executable(std::size_t offset) const { return executable_ + offset; }
    std::byte* writable(std::size_t offset) const { return writable_ + offset; }
    std::byte* data(std::size_t offset) const { return executable_ + bytes_ + offset; }
    /// The offset of an address inside the executable mapping.
    std::size_t offset_of(std::uint64_t address) const {
        return address - reinterpret_cast<std::uint64_t>(executable_);
    }

    /// Gives the host back what lies behind `offset`, and all data: both read as zero then.
    void discard(std::size_t offset);

private:
    std::size_t bytes_;
    std::size_t data_bytes_;
    std::byte* executable_ = nullptr;
    std::byte* writable_ = nullptr;
};

}  // namespace vmm::dbt
