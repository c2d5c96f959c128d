// SharedArray<T>: a read-only array that keeps its memory alive, be it a vector or a file mapping.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace regatta {

/// Immutable, cheap to copy; copies share the memory. Empty by default.
template <class T>
class SharedArray {
 public:
  SharedArray() = default;

  /// Takes a vector over. Not explicit: `chunk.indptr = std::move(vector)` is the common use.
  SharedArray(std::vector<T> values) {  // NOLINT(google-explicit-constructor)
    auto owned = std::make_shared<const std::vector<T>>(std::move(values));
    view_ = {owned->data(), owned->size()};
    owner_ = std::move(owned);
  }

  /// Views `view`, whose memory lives as long as `owner`.
  SharedArray(std::shared_ptr<const void> owner, std::span<const T> view)
      : owner_(std::move(owner)), view_(view) {}

  const T* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const T& operator[](std::size_t i) const { return view_[i]; }
  auto begin() const { return view_.begin(); }
  auto end() const { return view_.end(); }
  std::span<const T> span() const { return view_; }
  operator std::span<const T>() const { return view_; }  // NOLINT(google-explicit-constructor)

 private:
  std::shared_ptr<const void> owner_;
  std::span<const T> view_;
};

}  // namespace regatta
