// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cops::detail {

/// Finds the executor in the image that AT_SYSINFO_EHDR names; before any cops_executor_ call.
/// Null, or what is missing: the name of a call, or a description.
const char* find_executor() noexcept;

}  // namespace cops::detail
