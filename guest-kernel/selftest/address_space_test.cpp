// SPDX-License-Identifier: Apache-2.0
// Address spaces as system calls use them: none of these is ever put in place.
#include "arch/riscv64/page_table.hpp"
#include "mm/address_space.hpp"
#include "mm/frames.hpp"
#include "mm/user_memory.hpp"
#include "selftest/selftest.hpp"

#include <string_view>

namespace kernel::selftest {

namespace {

constexpr std::uint32_t kAsid = 0;  // the kernel's own: flushes of it do no harm
constexpr UserAddr kBase = 0x20000000;
constexpr std::uint32_t kBoth = kRead | kWrite;

Area area_at(UserAddr start, unsigned pages, std::uint32_t rights = kBoth) {
    Area area;
    area.start = start;
    area.end = start + pages * kPageSize;
    area.rights = rights;
    return area;
}

/// An address space with an area of `pages` at kBase.
class Space : public AddressSpace {
public:
    explicit Space(Outcome& outcome, unsigned pages = 0, std::uint32_t rights = kBoth)
        : outcome_(outcome) {
        outcome.holds(init(kAsid).has_value(), "memory for the root");
        if (pages != 0) {
            add(kBase, pages, rights);
        }
    }

    void add(UserAddr start, unsigned pages, std::uint32_t rights = kBoth) {
        outcome_.holds(map(area_at(start, pages, rights)).has_value(), "an area");
    }

    bool reads(UserAddr address) {
        char byte = 0;
        return read(&byte, address, 1);
    }
    bool writes(UserAddr address) { return write(address, "x", 1); }
    bool executes(UserAddr address) {
        bool no_memory = false;
        return fault(address, kExecute, &no_memory);
    }

private:
    Outcome& outcome_;
};

void copies_cross_pages(Outcome& outcome) {
    Space space(outcome, 3);
    unsigned char out[2 * kPageSize];
    for (std::size_t i = 0; i < sizeof out; ++i) {
        out[i] = static_cast<unsigned char>(i * 7);
    }
    const UserAddr at = kBase + kPageSize / 2 + 3;
    outcome.holds(space.write(at, out, sizeof out), "over two page borders");
    unsigned char in[2 * kPageSize] = {};
    outcome.holds(space.read(in, at, sizeof in), "and back");
    outcome.holds(__builtin_memcmp(in, out, sizeof in) == 0, "the same bytes");
    outcome.holds(space.read(in, at - 1, 1) && in[0] == 0, "the byte before is untouched");
    outcome.equal(space.resident_pages(), 3, "three pages were filled");
}

void copies_stop_at_bad_pages(Outcome& outcome) {
    Space space(outcome, 1);
    outcome.holds(space.map(area_at(kBase + 2 * kPageSize, 1)).has_value(), "behind a hole");
    outcome.holds(space.map(area_at(kBase + 3 * kPageSize, 1, kRead)).has_value(), "a constant");
    const unsigned char out[kPageSize + 32] = {1, 2, 3};
    unsigned char in[kPageSize + 32];
    outcome.holds(!space.write(kBase + kPageSize - 16, out, 32), "a write into the hole");
    outcome.holds(!space.read(in, kBase + kPageSize - 16, 32), "a read into the hole");
    outcome.holds(!space.write(kBase + 3 * kPageSize - 16, out, 32), "a write into a constant");
    outcome.holds(space.read(in, kBase + 3 * kPageSize - 16, 32), "which can be read");
    outcome.holds(!space.write(kBase - 16, out, sizeof out), "a write that begins badly");
    outcome.holds(space.read(in, kBase, 1) && in[0] == 0, "has written nothing behind it");
}

void kernel_addresses_are_refused(Outcome& outcome) {
    Space space(outcome);
    for (const std::uint64_t address :
         {std::uint64_t{0},
          kUserEnd,
          std::uint64_t{1} << 38,
          std::uint64_t{1} << 63,
          kDirectMap,
          reinterpret_cast<std::uint64_t>(&outcome),
          ~std::uint64_t{0}}) {
        outcome.holds(!space.reads(address) && !space.writes(address), "no copy");
        outcome.holds(!space.executes(address), "no fault that is mended");
        outcome.equal(space.pin(address, kRead), 0, "no pin");
        PinnedBuffer pinned;
        outcome.holds(!pin_user(space, address, 8, kRead, kMaxSegments, pinned), "no buffer");
        outcome.holds(!space.map(area_at(page_down(address), 1)), "no area");
    }
    outcome.holds(space.map(area_at(kUserEnd - kPageSize, 1)).has_value(), "the last page is one");
    outcome.holds(!space.read(&space, kUserEnd - 8, 16), "but nothing goes over its end");
    outcome.holds(!is_user_range(kUserEnd - 8, ~std::uint64_t{0}), "however long");
}

void areas_do_not_overlap(Outcome& outcome) {
    Space space(outcome, 4);
    const auto error = [&](const Area& area) {
        const Result<void> result = space.map(area);
        return result ? Errno{} : result.error();
    };
    outcome.holds(error(area_at(kBase, 4)) == Errno::exists, "the same again");
    outcome.holds(error(area_at(kBase + kPageSize, 1)) == Errno::exists, "inside");
    outcome.holds(error(area_at(kBase - kPageSize, 2)) == Errno::exists, "over its start");
    outcome.holds(error(area_at(kBase + 3 * kPageSize, 2)) == Errno::exists, "over its end");
    outcome.holds(error(area_at(kBase - 9 * kPageSize, 99)) == Errno::exists, "around it");
    outcome.holds(error(area_at(kBase - kPageSize, 0)) == Errno::invalid, "nothing at all");
    outcome.holds(error(area_at(kBase - kPageSize, 1)) == Errno{}, "before it");
}

void rights_are_kept(Outcome& outcome) {
    Space space(outcome, 1, kRead);
    const UserAddr none = kBase + 0x10000;
    const UserAddr data = kBase + 0x20000;
    const UserAddr text = kBase + 0x30000;
    space.add(none, 1, 0);
    space.add(data, 1, kBoth);
    space.add(text, 1, kRead | kExecute);
    outcome.holds(space.reads(kBase) && !space.writes(kBase), "a constant is read only");
    outcome.holds(!space.executes(kBase), "and not code");
    outcome.holds(!space.reads(none) && !space.writes(none) && !space.executes(none), "no access");
    outcome.holds(space.reads(data) && space.writes(data), "data is read and written");
    outcome.holds(!space.executes(data), "and not code");
    outcome.holds(space.reads(text) && space.executes(text), "code is read and executed");
    outcome.holds(!space.writes(text), "and not written");
    outcome.holds(space.rights_at(data) == kBoth, "told for messages");
    outcome.holds(!space.rights_at(kBase + kPageSize).has_value(), "nothing is mapped there");
}

void guards_stay_unmapped(Outcome& outcome) {
    Space space(outcome);
    space.add(kBase + kPageSize, 2);
    outcome.holds(space.writes(kBase + kPageSize), "the lowest byte of a stack");
    outcome.holds(!space.writes(kBase + kPageSize - 1), "not the one below");
    outcome.equal(
        space.writable_above(kBase + kPageSize - 1), kBase + kPageSize, "the stack above it"
    );
    outcome.equal(space.writable_above(kBase + kPageSize), 0, "a mapped address is no guard");
    outcome.equal(space.resident_pages(), 1, "asking filled nothing");
}

void protect_takes_and_gives(Outcome& outcome) {
    Space space(outcome, 3);
    const UserAddr middle = kBase + kPageSize;
    outcome.holds(space.write(middle, "kept", 5), "written");
    outcome.holds(space.protect(middle, middle + kPageSize, kRead).has_value(), "read only");
    outcome.holds(!space.writes(middle) && space.reads(middle), "is read only");
    outcome.holds(space.writes(kBase) && space.writes(kBase + 2 * kPageSize), "others are not");
    outcome.holds(space.protect(middle, middle + kPageSize, 0).has_value(), "no access");
    outcome.holds(!space.reads(middle), "is not read");
    outcome.holds(space.protect(middle, middle + kPageSize, kBoth).has_value(), "all of it");
    char text[5] = {};
    outcome.holds(space.read(text, middle, 5), "is read again");
    outcome.holds(std::string_view(text) == "kept", "and what was written is there");
    const Result<void> hole = space.protect(kBase, kBase + 4 * kPageSize, kRead);
    outcome.holds(!hole && hole.error() == Errno::no_memory, "a hole is an error");
    outcome.holds(space.writes(kBase), "that changes nothing");
}

void unmap_takes_what_it_names(Outcome& outcome) {
    Space space(outcome, 6);
    for (unsigned i = 0; i < 6; ++i) {
        space.writes(kBase + i * kPageSize);
    }
    const std::uint64_t before = frames::available();
    const auto page = [](unsigned number) { return kBase + number * kPageSize; };
    outcome.holds(space.unmap(page(2), page(3)).has_value(), "the middle");
    outcome.holds(space.unmap(page(0), page(1)).has_value(), "the start");
    outcome.holds(space.unmap(page(5), page(6)).has_value(), "the end");
    outcome.equal(frames::available(), before + 3, "three frames came back");
    outcome.equal(space.resident_pages(), 3, "three are left");
    for (unsigned i = 0; i < 6; ++i) {
        const bool stays = i == 1 || i == 3 || i == 4;
        outcome.holds(space.reads(page(i)) == stays, "those that were not named");
    }
    outcome.holds(space.unmap(page(0), page(6)).has_value(), "all, holes or not");
    outcome.equal(frames::available(), before + 6, "and their frames");
    outcome.holds(!space.unmap(page(1), page(0)), "a range the wrong way round");
}

void fixed_areas_stay(Outcome& outcome) {
    Space space(outcome);
    const PhysAddr frame = frames::allocate_zeroed();
    outcome.holds(space.map_fixed(kBase, frame, kRead, 1).has_value(), "a shared page");
    outcome.holds(space.reads(kBase) && !space.writes(kBase), "is read only");
    outcome.holds(!space.unmap(kBase, kBase + kPageSize), "not unmapped");
    outcome.holds(!space.unmap(kBase - kPageSize, kBase + 9 * kPageSize), "nor with others");
    outcome.holds(!space.protect(kBase, kBase + kPageSize, kBoth), "nor made writable");
    outcome.holds(space.reads(kBase), "it is still there");
    space.clear();
    frames::release(frame);
}

void pinned_frames_outlive_their_mapping(Outcome& outcome) {
    const std::uint64_t pinned = frames::pinned();
    Space space(outcome, 2);
    space.write(kBase, "device", 7);
    PinnedBuffer buffer;
    outcome.holds(
        pin_user(space, kBase, 3 * kPageSize, kWrite, kMaxSegments, buffer).has_value(), "pinned"
    );
    outcome.equal(buffer.bytes, 2 * kPageSize, "as much of it as there is");
    outcome.equal(frames::pinned(), pinned + 2, "two frames");
    space.clear();
    const auto* const bytes = direct<const char>(buffer.segments[0].address);
    outcome.holds(std::string_view(bytes) == "device", "content stays for the device");
    unpin(std::span(buffer.segments, buffer.count));
    outcome.equal(frames::pinned(), pinned, "given back");
}

void strings_end_in_time(Outcome& outcome) {
    Space space(outcome, 1);
    const UserAddr end = kBase + kPageSize;
    char text[64];
    space.write(end - 6, "whole", 6);
    const Result<std::size_t> whole = copy_string(space, text, end - 6);
    outcome.holds(whole == 5u && std::string_view(text) == "whole", "up to the end of memory");
    space.write(end - 6, "broken", 6);
    const Result<std::size_t> broken = copy_string(space, text, end - 6);
    outcome.holds(!broken && broken.error() == Errno::fault, "not over it");
    const Result<std::size_t> longer = copy_string(space, std::span(text, 4), end - 6);
    outcome.holds(!longer && longer.error() == Errno::name_too_long, "not more than there is room");
}

void promises_have_a_limit(Outcome& outcome) {
    Space space(outcome);
    Area area = area_at(kBase, 1);
    area.committed = true;
    area.end = area.start + (frames::total() / 2 << kPageShift);
    outcome.holds(space.map(area).has_value(), "half of all memory");
    Area second = area;
    second.start = area.end + kPageSize;
    second.end = second.start + (area.end - area.start);
    const Result<void> refused = space.map(second);
    outcome.holds(!refused && refused.error() == Errno::no_memory, "not the other half too");
    outcome.holds(space.unmap(area.start, area.end - kPageSize).has_value(), "given back");
    outcome.holds(space.map(second).has_value(), "then it may be");
}

void areas_have_a_limit(Outcome& outcome) {
    Space space(outcome);
    constexpr unsigned kMany = 20'000;
    for (unsigned i = 0; i < kMany; ++i) {
        if (!outcome.holds(
                space.map(area_at(kBase + i * kPageSize, 1)).has_value(), "neighbours are one area"
            )) {
            return;
        }
    }
    outcome.holds(space.unmap(kBase, kBase + kMany * kPageSize).has_value(), "unmapped");
    unsigned apart = 0;
    while (apart < kMany && space.map(area_at(kBase + 2 * apart * kPageSize, 1))) {
        ++apart;
    }
    outcome.holds(apart > 1000 && apart < kMany, "those that lie apart are limited");
}

void break_moves_within_its_room(Outcome& outcome) {
    Space space(outcome);
    space.set_break_start(kBase);
    outcome.equal(space.move_break(0), kBase, "asked where it is");
    outcome.equal(space.move_break(kBase + 10), kBase + 10, "grows");
    outcome.holds(space.writes(kBase + 9), "can be written");
    outcome.equal(space.move_break(kBase + 3 * kPageSize), kBase + 3 * kPageSize, "and more");
    outcome.equal(space.move_break(kBase - 1), kBase + 3 * kPageSize, "not below its start");
    outcome.equal(space.move_break(kUserEnd), kBase + 3 * kPageSize, "nor into the mappings");
    space.add(kBase + 5 * kPageSize, 1, kRead);
    outcome.equal(
        space.move_break(kBase + 6 * kPageSize), kBase + 3 * kPageSize, "nor over another area"
    );
    outcome.equal(space.move_break(kBase), kBase, "shrinks");
    outcome.holds(!space.reads(kBase), "to nothing");
}

void file_content_is_where_it_belongs(Outcome& outcome) {
    static constexpr char kFile[] = "0123456789";
    Space space(outcome);
    Area area = area_at(kBase, 2, kRead);
    area.file = reinterpret_cast<const std::byte*>(kFile);
    area.file_start = kBase + kPageSize - 5;
    area.file_bytes = 10;
    outcome.holds(space.map(area).has_value(), "a file over a page border");
    char text[12] = {};
    outcome.holds(space.read(text, kBase + kPageSize - 6, sizeof text), "read");
    outcome.holds(text[0] == 0 && text[11] == 0, "zeroes around it");
    outcome.holds(std::string_view(text + 1) == kFile, "its bytes");
}

void everything_comes_back(Outcome& outcome) {
    std::uint64_t before = 0;
    for (int round = 0; round < 2; ++round) {
        Space space(outcome, 20);
        for (unsigned i = 0; i < 20; ++i) {
            space.writes(kBase + i * kPageSize);
        }
        outcome.holds(
            space.protect(kBase + kPageSize, kBase + 2 * kPageSize, kRead).has_value(), "split"
        );
        space.clear();
        outcome.equal(space.resident_pages(), 0, "no page is left");
        // The first round may have made the heap grow.
        outcome.holds(round == 0 || frames::available() == before, "no frame is lost");
        before = frames::available();
    }
}

constexpr Test kTests[] = {
    {"address_space.copies_cross_pages", &copies_cross_pages},
    {"address_space.copies_stop_at_bad_pages", &copies_stop_at_bad_pages},
    {"address_space.kernel_addresses_are_refused", &kernel_addresses_are_refused},
    {"address_space.areas_do_not_overlap", &areas_do_not_overlap},
    {"address_space.rights_are_kept", &rights_are_kept},
    {"address_space.guards_stay_unmapped", &guards_stay_unmapped},
    {"address_space.protect_takes_and_gives", &protect_takes_and_gives},
    {"address_space.unmap_takes_what_it_names", &unmap_takes_what_it_names},
    {"address_space.fixed_areas_stay", &fixed_areas_stay},
    {"address_space.pinned_frames_outlive_their_mapping", &pinned_frames_outlive_their_mapping},
    {"address_space.strings_end_in_time", &strings_end_in_time},
    {"address_space.promises_have_a_limit", &promises_have_a_limit},
    {"address_space.areas_have_a_limit", &areas_have_a_limit},
    {"address_space.break_moves_within_its_room", &break_moves_within_its_room},
    {"address_space.file_content_is_where_it_belongs", &file_content_is_where_it_belongs},
    {"address_space.everything_comes_back", &everything_comes_back},
};

}  // namespace

std::span<const Test> address_space_tests() {
    return kTests;
}

}  // namespace kernel::selftest
