// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tools {

/// A file that appears at its path whole or not at all: somebody writes it at temporary(), and
/// commit() renames it. Without commit() the temporary is removed; also by remove_leftovers().
class AtomicFile {
public:
    /// Fails (Failure, configuration) at once when the path cannot be written.
    explicit AtomicFile(std::filesystem::path path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    const std::filesystem::path& temporary() const noexcept { return temporary_; }
    void write(std::string_view contents);
    void commit();

private:
    std::filesystem::path path_;
    std::filesystem::path temporary_;
    bool direct_ = false;  // a device or pipe: written in place, since a rename would replace it
    bool committed_ = false;
};

}  // namespace tools
