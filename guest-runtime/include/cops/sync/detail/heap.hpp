// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cops::detail {

/// What a node carries to be in a Heap. Meaningful, and written, only when it is in one.
template <typename Node>
struct HeapLinks {
    Node* child;  // First of its children.
    Node* next;   // Next sibling.
    Node* prev;   // Previous sibling; of the first one, the parent.
};

/// A pairing heap of nodes that lie elsewhere: no memory of its own, any node can be taken out.
/// Node has `HeapLinks<Node> links` and `bool before(const Node&) const`, a strict total order.
template <typename Node>
class Heap {
public:
    [[nodiscard]] bool empty() const noexcept { return root_ == nullptr; }
    /// The first one; null when empty.
    [[nodiscard]] Node* top() const noexcept { return root_; }

    void push(Node& node) noexcept {
        node.links = {};
        root_ = merge(root_, &node);
    }

    /// `node` must be in this heap.
    void remove(Node& node) noexcept {
        Node* rest = merge_siblings(node.links.child);
        if (root_ == &node) {
            root_ = rest;
            return;
        }
        Node& prev = *node.links.prev;
        (prev.links.child == &node ? prev.links.child : prev.links.next) = node.links.next;
        if (node.links.next != nullptr) {
            node.links.next->links.prev = &prev;
        }
        root_ = merge(root_, rest);
    }

    /// Takes out the first one; null when empty.
    Node* pop() noexcept {
        Node* first = root_;
        if (first != nullptr) {
            remove(*first);
        }
        return first;
    }

private:
    // Of two trees whose roots have no siblings: one.
    static Node* merge(Node* a, Node* b) noexcept {
        if (a == nullptr || b == nullptr) {
            return a == nullptr ? b : a;
        }
        Node* parent = b->before(*a) ? b : a;
        Node* child = parent == a ? b : a;
        child->links.next = parent->links.child;
        child->links.prev = parent;
        if (child->links.next != nullptr) {
            child->links.next->links.prev = child;
        }
        parent->links.child = child;
        return parent;
    }

    // Pairs from left to right, then all of them from right to left: what makes it O(log n).
    static Node* merge_siblings(Node* first) noexcept {
        Node* pairs = nullptr;  // Linked by `next`, last pair first.
        while (first != nullptr) {
            Node* second = first->links.next;
            Node* rest = second == nullptr ? nullptr : second->links.next;
            first->links.next = nullptr;
            if (second != nullptr) {
                second->links.next = nullptr;
            }
            Node* pair = merge(first, second);
            pair->links.next = pairs;
            pairs = pair;
            first = rest;
        }
        Node* root = nullptr;
        while (pairs != nullptr) {
            Node* next = pairs->links.next;
            pairs->links.next = nullptr;
            root = merge(root, pairs);
            pairs = next;
        }
        return root;
    }

    Node* root_ = nullptr;
};

}  // namespace cops::detail
