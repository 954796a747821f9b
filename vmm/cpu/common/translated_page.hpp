// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/guest_word.hpp"

#include <vmm/types.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vmm {

/// A physical page from which code was translated, and a copy of the bytes that were, in chunks.
///
/// After a fence.i nothing is dropped; each page is compared with its copy when execution next
/// enters it. So nobody has to track who wrote where (other harts, devices, the host), and a
/// fence.i costs a comparison of the pages that are really used, whatever else was written.
///
/// Piece: a translation that begins in the page; knows its `offset` in it, and is in a list with
/// others (`next`).
template <class Piece>
struct TranslatedPage {
    static constexpr unsigned kChunk = 64;  ///< Bytes; one bit of `covered` each.
    static constexpr unsigned kBuckets = 32;

    const std::byte* host = nullptr;  ///< The page in guest memory.
    std::uint64_t generation = 0;     ///< That of the engine's cache when last found unchanged.
    std::uint64_t covered = 0;        ///< Chunks that translations were made from.
    std::array<Piece*, kBuckets> buckets{};
    alignas(8) std::array<std::byte, kPageSize> copy;

    /// The head of the list that pieces beginning at an offset are in, among others.
    Piece*& pieces_at(unsigned offset) { return buckets[offset / (kPageSize / kBuckets)]; }
    Piece* pieces_at(unsigned offset) const { return buckets[offset / (kPageSize / kBuckets)]; }
    void add(Piece* piece) {
        Piece*& head = pieces_at(piece->offset);
        piece->next = head;
        head = piece;
    }
    /// Forgets all pieces if the page changed; looks only once in a generation.
    void bring_up_to(std::uint64_t now) {
        if (generation != now && !unchanged()) {
            covered = 0;
            buckets = {};
        }
        generation = now;
    }

    bool covers(unsigned chunk) const { return (covered >> chunk & 1) != 0; }
    /// Copies a chunk from guest memory.
    void read(unsigned chunk) {
        for (unsigned at = chunk * kChunk; at < (chunk + 1) * kChunk; at += 8) {
            const auto word = load_guest_word<std::uint64_t>(host + at);
            std::memcpy(&copy[at], &word, sizeof word);
        }
    }
    /// The 16 bits at an even offset of the copy.
    std::uint16_t copied_half(unsigned offset) const {
        std::uint16_t value = 0;
        std::memcpy(&value, &copy[offset], sizeof value);
        return value;
    }
    /// Whether memory still holds what is covered.
    bool unchanged() const {
        for (std::uint64_t left = covered; left != 0; left &= left - 1) {
            const auto start = static_cast<unsigned>(std::countr_zero(left)) * kChunk;
            std::uint64_t difference = 0;
            for (unsigned at = start; at < start + kChunk; at += 8) {
                std::uint64_t word = 0;
                std::memcpy(&word, &copy[at], sizeof word);
                difference |= word ^ load_guest_word<std::uint64_t>(host + at);
            }
            if (difference != 0) {
                return false;
            }
        }
        return true;
    }
};

}  // namespace vmm
