// SPDX-License-Identifier: Apache-2.0
#include "fleet/perf_map.hpp"

#include "machine/loader/file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace vmm {

Result<std::shared_ptr<PerfMap>> PerfMap::open() {
    const std::string path = fmt::format("/tmp/perf-{}.map", ::getpid());
    // One of an earlier process with our number; O_EXCL so that nobody's link is followed.
    ::unlink(path.c_str());
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) {
        return fail(
            ErrorKind::configuration, fmt::format("cannot write {}: {}", path, std::strerror(errno))
        );
    }
    return std::shared_ptr<PerfMap>(new PerfMap(file, path));
}

PerfMap::~PerfMap() {
    ::close(file_);
    if (empty_) {
        ::unlink(path_.c_str());
    }
}

void PerfMap::add(const void* address, std::size_t bytes, std::string_view name) {
    const std::string line =
        fmt::format("{:x} {:x} {}\n", reinterpret_cast<std::uintptr_t>(address), bytes, name);
    const std::lock_guard lock(mutex_);
    empty_ = false;
    // A full disk costs names in a profile, nothing else.
    (void)!::write(file_, line.data(), line.size());
}

GuestCodeNames::GuestCodeNames(
    std::shared_ptr<PerfMap> map, std::string guest, const std::vector<std::string>& symbol_files
)
    : map_(std::move(map))
    , guest_(std::move(guest)) {
    for (const std::string& path : symbol_files) {
        if (const auto file = read_whole_file(path, "symbols")) {
            symbols_.add(*file);
        }
    }
}

std::string GuestCodeNames::name_of(std::uint64_t guest_pc) const {
    if (guest_pc == kEngineCode) {
        return fmt::format("engine [{}]", guest_);
    }
    const Symbols::Found found = symbols_.find(guest_pc);
    if (found.name.empty()) {
        return fmt::format("0x{:x} [{}]", guest_pc, guest_);
    }
    return found.offset == 0 ? fmt::format("{} [{}]", found.name, guest_)
                             : fmt::format("{}+0x{:x} [{}]", found.name, found.offset, guest_);
}

void GuestCodeNames::translated(
    const void* host_address, std::size_t bytes, std::uint64_t guest_pc, unsigned
) noexcept {
    map_->add(host_address, bytes, name_of(guest_pc));
}

}  // namespace vmm
