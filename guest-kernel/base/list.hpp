// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kernel {

/// Links of an element; an element is in at most one list through each.
template <typename T>
struct Link {
    T* next = nullptr;
    T* prev = nullptr;
    bool linked = false;
};

/// Doubly linked list through a member of its elements: adding cannot fail.
template <typename T, Link<T> T::* Member>
class List {
public:
    T* front() const { return head_; }
    T* back() const { return tail_; }
    bool empty() const { return head_ == nullptr; }
    static T* next(const T& item) { return (item.*Member).next; }
    static T* prev(const T& item) { return (item.*Member).prev; }

    void push_back(T& item) { insert_before(nullptr, item); }
    /// Null `before` = at the end.
    void insert_before(T* before, T& item) {
        Link<T>& link = item.*Member;
        T* const after = before == nullptr ? tail_ : (before->*Member).prev;
        link = {before, after, true};
        (after == nullptr ? head_ : (after->*Member).next) = &item;
        (before == nullptr ? tail_ : (before->*Member).prev) = &item;
    }
    void remove(T& item) {
        Link<T>& link = item.*Member;
        (link.prev == nullptr ? head_ : (link.prev->*Member).next) = link.next;
        (link.next == nullptr ? tail_ : (link.next->*Member).prev) = link.prev;
        link = {};
    }
    T* pop_front() {
        T* const item = head_;
        if (item != nullptr) {
            remove(*item);
        }
        return item;
    }

private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
};

}  // namespace kernel
