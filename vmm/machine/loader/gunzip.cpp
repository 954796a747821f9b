// SPDX-License-Identifier: Apache-2.0
#include "machine/loader/kernel_image.hpp"

#include <fmt/format.h>

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace vmm {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // inflateInit2: expect a gzip header
constexpr std::size_t kChunk = std::size_t{1} << 20;

/// Ends the inflater on every way out.
struct Inflater {
    z_stream stream{};
    bool ready = ::inflateInit2(&stream, kGzipOnly) == Z_OK;
    Inflater() = default;
    ~Inflater() {
        if (ready) {
            ::inflateEnd(&stream);
        }
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

Result<std::vector<std::byte>>
gunzip(std::span<const std::byte> file, std::string_view name, std::uint64_t limit) {
    const auto bad = [name](std::string_view what) {
        return fail(ErrorKind::configuration, fmt::format("kernel {}: {}", name, what));
    };
    Inflater inflater;
    if (!inflater.ready) {
        return fail(
            ErrorKind::unavailable, fmt::format("kernel {}: no memory to inflate it", name)
        );
    }
    if (file.size() > std::numeric_limits<uInt>::max()) {
        return bad("it is too large for a gzip file of a kernel");
    }
    z_stream& stream = inflater.stream;
    // zlib's interface lacks const; it does not write to its input.
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(file.data()));
    stream.avail_in = static_cast<uInt>(file.size());
    std::vector<std::byte> out;
    for (;;) {
        const std::size_t done = out.size();
        out.resize(done + kChunk);
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
        stream.avail_out = kChunk;
        const int status = ::inflate(&stream, Z_NO_FLUSH);
        out.resize(done + kChunk - stream.avail_out);
        if (out.size() > limit) {
            return bad(
                fmt::format("inflated it is larger than the guest's memory of {} bytes", limit)
            );
        }
        if (status == Z_STREAM_END) {
            return out;
        }
        if (status != Z_OK && status != Z_BUF_ERROR) {
            return bad(fmt::format(
                "its gzip data are damaged ({})",
                stream.msg != nullptr ? stream.msg : "unknown reason"
            ));
        }
        if (stream.avail_in == 0 && stream.avail_out != 0) {
            return bad("it is truncated (its gzip data end early)");
        }
    }
}

}  // namespace vmm
