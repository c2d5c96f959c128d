#include "nn/joined_columns.h"

#include "core/parallel.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace regatta {
namespace {

constexpr std::int64_t kRowsPerPiece = 1024;
constexpr std::int64_t kVectorBytes = 64;

/// Rows of `columns` values. Most numbers of heads are powers of two, and memcpy of a fixed length
/// is no call (memmove, which std::copy_n becomes, is one); other rows are too short for a call.
template <class T>
void copy_rows(const T* from,
               std::int64_t from_stride,
               T* to,
               std::int64_t to_stride,
               std::int64_t rows,
               std::int64_t columns) {
  const auto each = [&]<std::int64_t kColumns>(std::integral_constant<std::int64_t, kColumns>) {
    parallel_pieces((rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](std::int64_t piece) {
      const std::int64_t end = std::min(rows, (piece + 1) * kRowsPerPiece);
      for (std::int64_t j = piece * kRowsPerPiece; j < end; ++j) {
        const T* source = from + j * from_stride;
        T* target = to + j * to_stride;
        if constexpr (kColumns > 0)
          std::memcpy(target, source, kColumns * sizeof(T));
        else
          for (std::int64_t c = 0; c < columns; ++c) target[c] = source[c];
      }
    });
  };
  switch (columns) {
    case 1:
      return each(std::integral_constant<std::int64_t, 1>());
    case 2:
      return each(std::integral_constant<std::int64_t, 2>());
    case 4:
      return each(std::integral_constant<std::int64_t, 4>());
    case 8:
      return each(std::integral_constant<std::int64_t, 8>());
    default:
      return each(std::integral_constant<std::int64_t, 0>());
  }
}

template <class T>
void copy_typed(const at::Tensor& from,
                std::int64_t from_first,
                const at::Tensor& to,
                std::int64_t to_first,
                std::int64_t rows,
                std::int64_t columns) {
  copy_rows(from.const_data_ptr<T>() + from_first,
            from.size(1),
            to.mutable_data_ptr<T>() + to_first,
            to.size(1),
            rows,
            columns);
}

}  // namespace

void copy_columns(const at::Tensor& from,
                  std::int64_t from_first,
                  const at::Tensor& to,
                  std::int64_t to_first,
                  std::int64_t rows,
                  std::int64_t columns) {
  from.scalar_type() == at::kDouble
      ? copy_typed<double>(from, from_first, to, to_first, rows, columns)
      : copy_typed<float>(from, from_first, to, to_first, rows, columns);
}

bool share_a_vector(at::TensorList parts) {
  std::int64_t bytes = 0;
  for (const at::Tensor& part : parts) {
    const at::ScalarType type = part.scalar_type();
    if (!part.is_cpu() || type != parts.front().scalar_type() ||
        (type != at::kFloat && type != at::kDouble))
      return false;
    bytes += part.size(1) * part.element_size();
  }
  return parts.size() > 1 && bytes <= kVectorBytes;
}

at::Tensor join_columns(at::TensorList parts) {
  std::int64_t columns = 0;
  for (const at::Tensor& part : parts) columns += part.size(1);
  const at::Tensor joined = at::empty({parts.front().size(0), columns}, parts.front().options());
  std::int64_t first = 0;
  for (const at::Tensor& part : parts) {
    copy_columns(part, 0, joined, first, part.size(0), part.size(1));
    first += part.size(1);
  }
  return joined;
}

std::vector<at::Tensor> split_columns(const at::Tensor& joined, at::TensorList like) {
  std::vector<at::Tensor> parts;
  std::int64_t first = 0;
  for (const at::Tensor& part : like) {
    parts.push_back(at::empty({joined.size(0), part.size(1)}, joined.options()));
    copy_columns(joined, first, parts.back(), 0, joined.size(0), part.size(1));
    first += part.size(1);
  }
  return parts;
}

}  // namespace regatta
