// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace virtio_cops {

// Linux errno values (asm-generic) that the driver returns, negated. A freestanding kernel has no
// <errno.h>.
inline constexpr int kIoError = 5;        // EIO
inline constexpr int kTooBig = 7;         // E2BIG
inline constexpr int kTryAgain = 11;      // EAGAIN
inline constexpr int kNoDevice = 19;      // ENODEV
inline constexpr int kInvalid = 22;       // EINVAL
inline constexpr int kNotSupported = 95;  // EOPNOTSUPP

}  // namespace virtio_cops
