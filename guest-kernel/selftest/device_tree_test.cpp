// SPDX-License-Identifier: Apache-2.0
// A whole device tree, and every way to damage it: read or refused, never followed out of its
// memory (what would trap, and end the machine).
#include "drivers/device_tree.hpp"
#include "mm/heap.hpp"
#include "selftest/selftest.hpp"

#include <initializer_list>
#include <string_view>

namespace kernel::selftest {

namespace {

constexpr std::size_t kHeader = 40;
constexpr std::size_t kStructure = kHeader;
constexpr std::size_t kStrings = 2048;
constexpr std::size_t kBytes = 3072;
// What a tree may say of its size: nothing behind it that we must not touch.
constexpr std::size_t kRoom = 4 << 20;
constexpr std::uint32_t kMagic = 0xd00dfeed;

/// Writes a tree into memory of its own.
class Tree : NoCopy {
public:
    Tree()
        : memory_(static_cast<unsigned char*>(heap::allocate(kRoom))) {
        if (memory_ == nullptr) {
            return;
        }
        __builtin_memset(memory_, 0, kBytes);
        set(0, kMagic);
        set(4, kBytes);
        set(8, kStructure);
        set(12, kStrings);
    }
    ~Tree() { heap::free(memory_); }

    bool valid() const { return memory_ != nullptr; }
    unsigned char& byte(std::size_t at) { return memory_[at]; }
    std::size_t end() const { return at_; }
    std::uint32_t get(std::size_t at) const {
        std::uint32_t value = 0;
        for (unsigned i = 0; i < 4; ++i) {
            value = value << 8 | memory_[at + i];
        }
        return value;
    }
    void set(std::size_t at, std::uint32_t value) {
        for (unsigned i = 0; i < 4; ++i) {
            memory_[at + i] = static_cast<unsigned char>(value >> (24 - 8 * i));
        }
    }

    void word(std::uint32_t value) {
        set(at_, value);
        at_ += 4;
    }
    void begin(std::string_view name) {
        word(1);
        text(name);
    }
    void end_node() { word(2); }
    void property(std::string_view name, std::initializer_list<std::uint32_t> words) {
        head(name, words.size() * 4);
        for (const std::uint32_t one : words) {
            word(one);
        }
    }
    void property(std::string_view name, std::string_view value) {
        head(name, value.size() + 1);
        text(value);
    }
    bool read(Platform& platform) const { return read_device_tree(physical(memory_), platform); }

private:
    void head(std::string_view name, std::size_t bytes) {
        word(3);
        word(static_cast<std::uint32_t>(bytes));
        word(static_cast<std::uint32_t>(strings_ - kStrings));
        __builtin_memcpy(memory_ + strings_, name.data(), name.size());
        strings_ += name.size() + 1;
    }
    void text(std::string_view value) {
        __builtin_memcpy(memory_ + at_, value.data(), value.size());
        at_ = (at_ + value.size() + 4) & ~std::size_t{3};
    }

    unsigned char* memory_;
    std::size_t at_ = kStructure;
    std::size_t strings_ = kStrings;
};

void write_cpus(Tree& tree) {
    tree.begin("cpus");
    tree.property("timebase-frequency", {1000});
    for (const std::uint32_t hart : {0u, 3u, 64u, 0xffffffffu}) {  // two of them beyond our limit
        tree.begin("cpu");
        tree.property("device_type", "cpu");
        tree.property("reg", {hart});
        tree.property("riscv,isa", "rv64imafdc_sstc");
        tree.begin("interrupt-controller");
        tree.property("compatible", "riscv,cpu-intc");
        tree.property("phandle", {hart + 1});
        tree.end_node();
        tree.end_node();
    }
    tree.end_node();
}

void write_tree(Tree& tree) {
    tree.begin("");
    tree.begin("chosen");
    tree.property("bootargs", "selftest=all loglevel=info");
    tree.property("linux,initrd-start", {0, 0x84000000});
    tree.property("linux,initrd-end", {0, 0x84001000});
    tree.property("rng-seed", {1, 2, 3, 4});
    tree.end_node();
    tree.begin("memory@80000000");
    tree.property("device_type", "memory");
    tree.property("reg", {0, 0x80000000, 0, 0x8000000});
    tree.end_node();
    write_cpus(tree);
    tree.begin("soc");
    tree.begin("plic@c000000");
    tree.property("compatible", "riscv,plic0");
    tree.property("reg", {0, 0xc000000, 0, 0x600000});
    tree.property("interrupts-extended", {1, 11, 1, 9, 4, 11, 4, 9});
    tree.end_node();
    tree.begin("serial@10000000");
    tree.property("compatible", "ns16550a");
    tree.property("reg", {0, 0x10000000, 0, 0x100});
    tree.property("interrupts", {10});
    tree.end_node();
    tree.end_node();
    tree.end_node();
    tree.word(9);
}

void whole_tree_is_read(Outcome& outcome) {
    Tree tree;
    if (!outcome.holds(tree.valid(), "memory for a tree")) {
        return;
    }
    write_tree(tree);
    Platform platform;
    outcome.holds(tree.read(platform), "is usable");
    outcome.equal(platform.ram_start, 0x80000000u, "start of memory");
    outcome.equal(platform.ram_end, 0x88000000u, "end of memory");
    outcome.equal(platform.harts, 0b1001, "harts");
    outcome.equal(platform.timebase, 1000, "timebase");
    outcome.holds(platform.isa == "rv64imafdc_sstc", "instruction set");
    outcome.equal(platform.plic, 0xc000000, "interrupt controller");
    outcome.equal(platform.plic_context[0], 1, "context of hart 0");
    outcome.equal(platform.plic_context[3], 3, "context of hart 3");
    outcome.equal(platform.plic_context[1], ~0u, "none of a hart that is not there");
    outcome.equal(platform.uart, 0x10000000, "console");
    outcome.equal(platform.uart_irq, 10, "its interrupt");
    outcome.equal(platform.initrd_end - platform.initrd_start, 0x1000, "initrd");
    outcome.equal(platform.rng_seed.size(), 16, "seed");
    outcome.holds(boot_option(platform.bootargs, "loglevel") == "info", "command line");
    outcome.holds(boot_option(platform.bootargs, "log").empty(), "and no more than that");
}

void short_trees_are_refused(Outcome& outcome) {
    Tree tree;
    if (!outcome.holds(tree.valid(), "memory for a tree")) {
        return;
    }
    write_tree(tree);
    for (std::uint32_t bytes = 0; bytes < kStrings; ++bytes) {
        // With the strings beyond its end no property has a name.
        Platform platform;
        tree.set(4, bytes);
        outcome.holds(!tree.read(platform), "cut off before its strings");
    }
    tree.set(4, kBytes);
    for (std::size_t end = kStructure; end + 8 < tree.end(); end += 4) {
        const std::uint32_t before = tree.get(end);
        tree.set(end, 9);  // an end token where none belongs, or a length, or a name
        Platform platform;
        tree.read(platform);
        outcome.holds(platform.virtio_count <= Platform::kMaxVirtio, "read in bounds");
        tree.set(end, before);
    }
}

// Whatever is in it, reading comes to an end inside of what the tree says is its own.
void damaged_trees_are_survived(Outcome& outcome) {
    Tree tree;
    if (!outcome.holds(tree.valid(), "memory for a tree")) {
        return;
    }
    write_tree(tree);
    const auto damage = [&](std::size_t at) {
        for (const int value : {0x00, 0x01, 0x02, 0x03, 0x7f, 0x80, 0xff}) {
            const unsigned char before = tree.byte(at);
            tree.byte(at) = static_cast<unsigned char>(value);
            Platform platform;
            tree.read(platform);
            outcome.holds(platform.virtio_count <= Platform::kMaxVirtio, "read in bounds");
            tree.byte(at) = before;
        }
    };
    for (std::size_t at = 0; at < tree.end(); ++at) {
        damage(at);
    }
    for (std::size_t at = kStrings; at < kStrings + 64; ++at) {
        damage(at);
    }
    Platform platform;
    outcome.holds(tree.read(platform), "mended again, it is usable");
}

void wrong_headers_are_refused(Outcome& outcome) {
    struct Field {
        std::size_t at;
        std::uint32_t value;
        const char* what;
    };
    constexpr Field kFields[] = {
        {0, 0xd00dfeee, "another magic number"},
        {4, 0, "no bytes at all"},
        {4, kHeader - 1, "less than its header"},
        {4, 0xffffffff, "more than a tree may have"},
        {8, 0xfffffff0, "structure beyond its end"},
        {12, 0xfffffff0, "strings beyond its end"},
    };
    for (const Field& field : kFields) {
        Tree tree;
        if (!outcome.holds(tree.valid(), "memory for a tree")) {
            return;
        }
        write_tree(tree);
        tree.set(field.at, field.value);
        Platform platform;
        outcome.holds(!tree.read(platform), field.what);
    }
}

void structure_must_be_whole(Outcome& outcome) {
    Tree deep;
    Tree extra;
    Tree endless;
    if (!outcome.holds(deep.valid() && extra.valid() && endless.valid(), "memory for trees")) {
        return;
    }
    Platform platform;
    for (unsigned i = 0; i < 200; ++i) {
        deep.begin("n");
    }
    outcome.holds(!deep.read(platform), "nodes that never end");
    extra.begin("");
    extra.end_node();
    extra.end_node();
    outcome.holds(!extra.read(platform), "an end without a beginning");
    endless.begin("");
    endless.word(3);
    endless.word(0xffffffff);
    endless.word(0);
    outcome.holds(!endless.read(platform), "a property without end");
}

void numbers_are_read_or_not_at_all(Outcome& outcome) {
    outcome.equal(parse_number("0", 7), 0, "zero");
    outcome.equal(parse_number("1000000", 7), 1'000'000, "a million");
    for (const std::string_view text : {"", "-1", "1x", "x", " 1", "99999999999999999999"}) {
        outcome.equal(parse_number(text, 7), 7, "not a number");
    }
    outcome.holds(boot_option("a=1 b=2 ab=3", "ab") == "3", "a word of its own");
    outcome.holds(boot_option("a= b", "a").empty(), "an empty value");
    outcome.holds(boot_option("a= b", "b") == "b", "a word without a value");
}

constexpr Test kTests[] = {
    {"device_tree.whole_tree_is_read", &whole_tree_is_read},
    {"device_tree.short_trees_are_refused", &short_trees_are_refused},
    {"device_tree.damaged_trees_are_survived", &damaged_trees_are_survived},
    {"device_tree.wrong_headers_are_refused", &wrong_headers_are_refused},
    {"device_tree.structure_must_be_whole", &structure_must_be_whole},
    {"device_tree.numbers_are_read_or_not_at_all", &numbers_are_read_or_not_at_all},
};

}  // namespace

std::span<const Test> device_tree_tests() {
    return kTests;
}

}  // namespace kernel::selftest
