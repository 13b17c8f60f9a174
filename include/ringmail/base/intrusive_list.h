// A doubly linked list whose links live in the elements: no allocation, O(1) removal by the element
// itself.
#pragma once

#include <cstddef>

#include "ringmail/base/check.h"

namespace ringmail {

// Inherit once per list an element may be in; `Tag` tells the lists apart. Leaves its list when
// destroyed.
template <typename Tag = void>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { Unlink(); }

  bool linked() const { return next_ != nullptr; }
  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;
  ListHook* next_ = nullptr;
  ListHook* prev_ = nullptr;
};

// Borrows its elements. REQUIRES: empty, or outlived by no element, when destroyed.
template <typename T, typename Tag = void>
class IntrusiveList {
  using Hook = ListHook<Tag>;

 public:
  IntrusiveList() { head_.next_ = head_.prev_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty()) PopFront();
    head_.next_ = head_.prev_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T& front() { return *static_cast<T*>(head_.next_); }
  T& back() { return *static_cast<T*>(head_.prev_); }
  // REQUIRES: `element` is in no list with this tag.
  void PushBack(T& element) { Insert(head_.prev_, &head_, element); }
  void PushFront(T& element) { Insert(&head_, head_.next_, element); }
  T& PopFront() {
    CHECK(!empty());
    T& element = front();
    static_cast<Hook&>(element).Unlink();
    return element;
  }
  // Moves all of `other` to the end of this list.
  void Splice(IntrusiveList& other) {
    while (!other.empty()) PushBack(other.PopFront());
  }

  // Forward iteration; the current element may be removed only after the iterator has moved on.
  class Iterator {
   public:
    explicit Iterator(Hook* at) : at_(at) {}
    T& operator*() const { return *static_cast<T*>(at_); }
    T* operator->() const { return static_cast<T*>(at_); }
    Iterator& operator++() {
      at_ = at_->next_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    Hook* at_;
  };
  Iterator begin() { return Iterator(head_.next_); }
  Iterator end() { return Iterator(&head_); }

 private:
  static void Insert(Hook* prev, Hook* next, T& element) {
    Hook& hook = element;
    CHECK(!hook.linked());
    hook.prev_ = prev;
    hook.next_ = next;
    prev->next_ = &hook;
    next->prev_ = &hook;
  }
  Hook head_;
};

}  // namespace ringmail
