// SPDX-License-Identifier: Apache-2.0
#include "proc/vdso.hpp"

extern "C" {
// In vdso.S.
extern std::byte vdso_image_start[];
extern std::byte vdso_image_end[];
}

namespace kernel {

namespace {

constexpr UserAddr kVdsoAddress = 0x3fdff00000;  // above the stack, below what ATTACH maps

}  // namespace

Result<UserAddr> map_vdso(AddressSpace& space) {
    const std::uint64_t bytes = physical(vdso_image_end) - physical(vdso_image_start);
    const Result<void> mapped = space.map_fixed(
        kVdsoAddress, physical(vdso_image_start), kRead | kExecute, bytes >> kPageShift
    );
    if (!mapped) {
        return std::unexpected(mapped.error());
    }
    return kVdsoAddress;
}

}  // namespace kernel
