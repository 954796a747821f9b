// SPDX-License-Identifier: Apache-2.0
#include "devices/finisher/finisher.hpp"

namespace vmm {

bool Finisher::mmio_read(const MmioAccess& access, std::uint64_t* value) {
    *value = 0;
    return access.size <= 4;
}

bool Finisher::mmio_write(const MmioAccess& access, std::uint64_t value) {
    if (access.size > 4) {
        return false;
    }
    if (access.offset != 0 || access.size < 2) {
        return true;
    }
    const auto code = static_cast<std::uint16_t>(value >> 16);
    switch (value & 0xffff) {
    case kFail:
        ended_(Verdict::fail, code);
        break;
    case kPass:
        ended_(Verdict::pass, 0);
        break;
    case kReset:
        ended_(Verdict::reset, 0);
        break;
    default:
        break;
    }
    return true;
}

}  // namespace vmm
