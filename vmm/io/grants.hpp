// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/file.hpp"

#include <vmm/config.hpp>
#include <vmm/error.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vmm::io {

/// A grant whose path has been resolved. From here on the path is never looked at again.
struct OpenGrant {
    std::string name;
    Grant::Kind kind = Grant::Kind::file;
    bool writable = false;
    std::shared_ptr<File> file;  ///< The file itself, or the directory below which paths resolve.
};

/// Opens each grant once. Fails (naming the grant) on a bad or repeated name, on a path that does
/// not exist or cannot be opened as asked, and on a directory granted as a file or the reverse.
Result<std::vector<OpenGrant>> open_grants(std::span<const Grant> grants);

}  // namespace vmm::io
